"""silver.products: the current, clean row of each product."""

import pandera.pyspark as pa

from ecommerce_assets.tables.contract import CATEGORIES, optional, required
from ecommerce_assets.tables.silver import silver_table
from ecommerce_assets.tables.types import FLAG, MONEY, TEXT, TIMESTAMP, WHOLE


class Products(pa.DataFrameModel):
    """One row per product."""

    product_id: TEXT = required("Product number; the key.")
    sku: TEXT = optional("Stock keeping unit.")
    name: TEXT = required("Name.")
    description: TEXT = optional("Description on the shop's page.")
    category: TEXT = required("Category, lower case.", case="lower", isin=CATEGORIES)
    subcategory: TEXT = optional("Subcategory.")
    brand: TEXT = optional("Brand.")
    price: MONEY = required("List price, EUR.", ge=0)
    cost: MONEY = optional("What the shop pays, EUR.", ge=0)
    stock_quantity: WHOLE = optional("Pieces in stock.", ge=0)
    is_active: FLAG = optional("Whether it is on sale.")
    created_at: TIMESTAMP = optional("When it was listed, UTC.")
    updated_at: TIMESTAMP = optional("When the shop last changed the row, UTC.")

    class Config:
        unique = "product_id"


TABLE = silver_table(name="products", model=Products)
