"""silver.orders_quarantine: the rows of bronze.orders that broke the contract, and why."""

from ecommerce_assets.tables.bronze import orders as bronze
from ecommerce_assets.tables.current import quarantine_table
from ecommerce_assets.tables.silver import orders as silver

TABLE = quarantine_table(module=__name__, silver=silver.TABLE, bronze=bronze.TABLE)
