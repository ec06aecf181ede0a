"""silver.order_items_quarantine: the rows of bronze.order_items that broke the contract."""

from ecommerce_assets.tables.bronze import order_items as bronze
from ecommerce_assets.tables.silver import order_items as silver
from ecommerce_assets.tables.silver import quarantine_table

TABLE = quarantine_table(silver=silver.TABLE, bronze=bronze.TABLE)
