"""silver.products: the current, clean row of each product."""

import pandera.pandas as pa

from ecommerce_assets.model.table import Table
from ecommerce_assets.shop import Shop
from ecommerce_assets.tables.contract import categories, essential, optional, required
from ecommerce_assets.tables.silver import silver_tables
from ecommerce_assets.tables.star import GOODS, ROLES
from ecommerce_assets.tables.types import FLAG, PRICE, TEXT, TIMESTAMP, WHOLE


class Products(pa.DataFrameModel):
    """One row per product."""

    product_id: TEXT = essential("Product number; the key.")
    sku: TEXT = optional("Stock keeping unit.")
    name: TEXT = required("Name.")
    description: TEXT = optional("Description on the shop's page.")
    category: TEXT = required("Category, lower case.", case="lower", words=categories)
    role: TEXT = optional(
        "goods, or charge: postage, fees, vouchers, samples.", case="lower", default=GOODS,
        isin=ROLES,
    )  # fmt: skip
    subcategory: TEXT = optional("Subcategory.")
    brand: TEXT = optional("Brand.")
    price: PRICE = required("List price, in the shop's currency.", ge=0)
    cost: PRICE = optional("What the shop pays, in the shop's currency.", ge=0)
    stock_quantity: WHOLE = optional("Pieces in stock.", ge=0)
    is_active: FLAG = optional("Whether it is on sale.")
    created_at: TIMESTAMP = optional("When it was listed, UTC.")
    updated_at: TIMESTAMP = optional("When the shop last changed the row, UTC.")

    class Config:
        unique = "product_id"


def tables_of_shop(shop: Shop) -> tuple[Table, ...]:
    """silver.products and its quarantine."""
    return silver_tables(shop, name="products", model=Products)
