"""silver.orders_quarantine: the rows of bronze.orders that broke the contract, and why."""

from ecommerce_assets.tables.bronze import orders as bronze
from ecommerce_assets.tables.silver import orders as silver
from ecommerce_assets.tables.silver import quarantine_table

TABLE = quarantine_table(silver=silver.TABLE, bronze=bronze.TABLE)
