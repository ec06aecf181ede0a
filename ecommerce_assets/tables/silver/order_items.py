"""silver.order_items: the current, clean row of each order item."""

from collections.abc import Mapping

import pandera.pyspark as pa
from pyspark.sql import Column
from pyspark.sql import functions as F

from ecommerce_assets.landing.layout import INGESTION_DATE
from ecommerce_assets.tables.contract import CrossFieldRule, optional, required
from ecommerce_assets.tables.silver import silver_table
from ecommerce_assets.tables.types import MONEY, MONEY_SUM, PERCENT, TEXT, TIMESTAMP, WHOLE


class OrderItems(pa.DataFrameModel):
    """One row per order item."""

    order_item_id: TEXT = required("Item number; the key.")
    order_id: TEXT = required("Order it belongs to.")
    product_id: TEXT = required("Product ordered.")
    quantity: WHOLE = required("Pieces.", ge=1)
    unit_price: MONEY = required("Price of a piece, EUR.", ge=0)
    discount_percent: PERCENT = optional(
        "Discount on the item, percent.", default="0", in_range={"min_value": 0, "max_value": 100}
    )
    line_total: MONEY = required(
        "Net amount of the item, EUR; if empty in the source: quantity x unit_price x "
        "(1 - discount_percent / 100), rounded half up.",
        ge=0,
    )
    updated_at: TIMESTAMP = optional("When the shop last changed the row, UTC.")

    class Config:
        unique = "order_item_id"


def line_total(item: Mapping[str, Column]) -> Column:
    """Exact, rounded once, half up; null if it exceeds MONEY."""
    paid_share = (F.lit(100) - item["discount_percent"]) * F.lit("0.01").cast("decimal(2,2)")
    return F.round(item["quantity"] * item["unit_price"] * paid_share, 2).cast(MONEY)


def gross_out_of_range(item: Mapping[str, Column]) -> Column:
    """The gross amount does not fit the column of gold.fact_sales."""
    gross = item["quantity"] * item["unit_price"]
    return gross.isNotNull() & gross.cast(MONEY_SUM).isNull()


def line_total_out_of_range(item: Mapping[str, Column]) -> Column:
    """The computed line total does not fit its column."""
    inputs = item["quantity"] + item["unit_price"] + item["discount_percent"]
    return inputs.isNotNull() & item["line_total"].isNull()


TABLE = silver_table(
    name="order_items",
    model=OrderItems,
    partitioned_by=(INGESTION_DATE,),
    computed={"line_total": line_total},
    parent="order_id",
    value="line_total",
    rules=(
        CrossFieldRule("quantity x unit_price: out of range", gross_out_of_range),
        CrossFieldRule("line_total: computed amount out of range", line_total_out_of_range),
    ),
)
