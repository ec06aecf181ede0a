"""silver.order_items_quarantine: the rows of bronze.order_items that broke the contract."""

from ecommerce_assets.tables.bronze import order_items as bronze
from ecommerce_assets.tables.current import quarantine_table
from ecommerce_assets.tables.silver import order_items as silver

TABLE = quarantine_table(module=__name__, silver=silver.TABLE, bronze=bronze.TABLE)
