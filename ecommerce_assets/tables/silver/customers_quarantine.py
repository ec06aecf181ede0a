"""silver.customers_quarantine: the rows of bronze.customers that broke the contract, and why."""

from ecommerce_assets.tables.bronze import customers as bronze
from ecommerce_assets.tables.silver import customers as silver
from ecommerce_assets.tables.silver import quarantine_table

TABLE = quarantine_table(silver=silver.TABLE, bronze=bronze.TABLE)
