"""silver.order_items: the current, clean row of each order item."""

import pandera.pandas as pa

from ecommerce_assets.landing.layout import INGESTION_DATE
from ecommerce_assets.model.table import Table
from ecommerce_assets.shop import Shop
from ecommerce_assets.tables.amounts import gross_amount, net_amount
from ecommerce_assets.tables.contract import CrossFieldRule, essential, given, optional, required
from ecommerce_assets.tables.currencies import currencies_of
from ecommerce_assets.tables.silver import silver_tables
from ecommerce_assets.tables.types import MONEY, PERCENT, PRICE, TEXT, TIMESTAMP, WHOLE

PERCENTAGE = {"in_range": {"min_value": 0, "max_value": 100}}


class OrderItems(pa.DataFrameModel):
    """One row per order item."""

    order_item_id: TEXT = essential("Item number; the key.")
    order_id: TEXT = essential("Order it belongs to.")
    product_id: TEXT = essential("Product ordered.")
    quantity: WHOLE = essential("Pieces.", ge=1)
    unit_price: PRICE = essential("Price of a piece, in the order's currency.", ge=0)
    discount_percent: PERCENT = optional(
        "Discount on the item, percent.", default="0", **PERCENTAGE
    )
    discount_amount: MONEY = optional(
        "Discount on the item beside discount_percent, in the order's currency.", default="0", ge=0
    )
    tax_rate: PERCENT = optional("Tax on the item, percent.", **PERCENTAGE)
    tax_amount: MONEY = optional("Tax on the item, in the order's currency.", ge=0)
    gross_amount: MONEY = required(
        "Quantity x unit_price, from the digits received, rounded half up; in the order's "
        "currency.",
        ge=0,
    )
    line_total: MONEY = required(
        "Net amount of the item, in the order's currency; if empty in the source: quantity x "
        "unit_price x (1 - discount_percent / 100), from the digits received, rounded half up, "
        "less discount_amount.",
        ge=0,
    )
    updated_at: TIMESTAMP = optional("When the shop last changed the row, UTC.")

    class Config:
        unique = "order_item_id"


def tables_of_shop(shop: Shop) -> tuple[Table, ...]:
    """silver.order_items and its quarantine."""
    digits = currencies_of(shop).received_digits
    return silver_tables(
        shop,
        name="order_items",
        model=OrderItems,
        partitioned_by=(INGESTION_DATE,),
        computed={"gross_amount": gross_amount(digits), "line_total": net_amount(digits)},
        parent="order_id",
        detail="product_id",
        value="line_total",
        rules=(
            CrossFieldRule(
                "quantity x unit_price: out of range",
                "quantity IS NOT NULL AND unit_price IS NOT NULL AND gross_amount IS NULL",
            ),
            CrossFieldRule(
                "discount_amount: more than the item is worth",
                f"NOT {given('line_total')} AND line_total < 0 AND quantity >= 1 "
                "AND unit_price >= 0 AND discount_percent <= 100",
            ),
        ),
    )
