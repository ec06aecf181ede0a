"""silver.products_quarantine: the rows of bronze.products that broke the contract, and why."""

from ecommerce_assets.tables.bronze import products as bronze
from ecommerce_assets.tables.silver import products as silver
from ecommerce_assets.tables.silver import quarantine_table

TABLE = quarantine_table(silver=silver.TABLE, bronze=bronze.TABLE)
