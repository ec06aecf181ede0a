"""gold.fact_sales: what was ordered, item by item."""

from collections.abc import Sequence
from functools import partial

import pandera.pyspark as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from ecommerce_assets.refresh.by_key import ByKey
from ecommerce_assets.refresh.dependency import by_column
from ecommerce_assets.shop import Shop
from ecommerce_assets.tables.audits.orders import orders_and_items
from ecommerce_assets.tables.declaration import Table
from ecommerce_assets.tables.gold import STAR, gold_table
from ecommerce_assets.tables.silver import key_in_quarantine
from ecommerce_assets.tables.silver import orders as silver_orders
from ecommerce_assets.tables.star import business_day, date_key, surrogate_key
from ecommerce_assets.tables.types import DATE, FLAG, KEY, MONEY, MONEY_SUM, PRICE, TEXT, WHOLE

# Not used for rows, but for the audits of the table.
AUDITED = ("subtotal", "tax_amount", "shipping_amount", "total_amount")


class FactSales(pa.DataFrameModel):
    """One row per order item whose order is known."""

    sale_key: KEY = pa.Field(description="Surrogate key: xxhash64 of order_item_id.")
    order_item_id: TEXT = pa.Field(description="Item number.")
    order_id: TEXT = pa.Field(description="Order number.")
    date_key: WHOLE = pa.Field(description="Day of the order as yyyymmdd; joins dim_date.")
    order_date: DATE = pa.Field(description="Day of the order, in the shop's time zone.")
    customer_key: KEY = pa.Field(description="Joins dim_customer.")
    product_key: KEY = pa.Field(description="Joins dim_product.")
    status: TEXT = pa.Field(description="Order status.")
    payment_method: TEXT = pa.Field(nullable=True, description="How the order is paid.")
    shipping_country: TEXT = pa.Field(
        nullable=True,
        description="Country that the order was shipped to, two letters. The dashboard takes the "
        "customer's country first: coalesce(dim_customer.country, shipping_country).",
    )
    is_sale: FLAG = pa.Field(
        description="True unless the order's status means cancelled or returned in the shop file; "
        "KPIs count only these rows."
    )
    quantity: WHOLE = pa.Field(ge=1, description="Pieces.")
    unit_price: PRICE = pa.Field(ge=0, description="Price of a piece, in the shop's currency.")
    gross_amount: MONEY_SUM = pa.Field(ge=0, description="quantity x unit_price.")
    discount: MONEY_SUM = pa.Field(description="gross_amount less revenue.")
    revenue: MONEY_SUM = pa.Field(
        ge=0,
        description="line_total less the item's share of the order's discount; before tax and "
        "shipping. Of rows that are no sale as well: sum it where is_sale.",
    )

    class Config:
        unique = "order_item_id"


def fact_sales(
    orders: DataFrame, order_items: DataFrame, *, not_sold: Sequence[str], zone: str
) -> DataFrame:
    """Items joined with their orders; items without an order stay in silver until it arrives.

    Args:
        not_sold: the statuses of orders that are no sales.
        zone: time zone of the business day.
    """
    items = order_items.join(
        orders,
        "order_id",
        "inner",
    )
    sold = (
        with_discount_share(items)
        .select(
            "*",
            business_day("order_date", zone).alias("order_day"),
            (F.col("quantity") * F.col("unit_price")).cast(MONEY_SUM).alias("gross_amount"),
        )
        .select(
            "*", (F.col("line_total") - F.col("discount_share")).cast(MONEY_SUM).alias("revenue")
        )
    )
    return sold.select(
        surrogate_key("order_item_id").alias("sale_key"),
        "order_item_id",
        "order_id",
        date_key("order_day").alias("date_key"),
        F.col("order_day").alias("order_date"),
        surrogate_key("customer_id").alias("customer_key"),
        surrogate_key("product_id").alias("product_key"),
        "status",
        "payment_method",
        "shipping_country",
        (~F.col("status").isin(*not_sold)).alias("is_sale"),
        "quantity",
        "unit_price",
        "gross_amount",
        (F.col("gross_amount") - F.col("revenue")).cast(MONEY_SUM).alias("discount"),
        "revenue",
    )


def with_discount_share(items: DataFrame) -> DataFrame:
    """`discount_share`: each item's share of its order's discount, in whole cents that add up.

    Proportional to line_total, by the largest remainder method: shares are rounded down, and the
    remaining cents go to the largest remainders, ties by order_item_id. The shares sum to
    min(discount_amount, sum of line_total).

    Only items of orders with a discount cost any arithmetic, in whole numbers where they suffice:
    decimals are slow.
    """
    order = Window.partitionBy("order_id")
    largest_first = order.orderBy(F.col("_remainder").desc_nulls_last(), F.col("order_item_id"))
    discounted = F.col("discount_amount") > 0
    product = "cast(_to_share as decimal(18,0)) * cast(_cents as decimal(18,0))"
    all_cents = "cast(_all_cents as decimal(18,0))"
    share = F.col("_floor") + F.when(F.col("_place") <= F.col("_left"), 1).otherwise(0)
    return (
        items.select("*", F.when(discounted, _cents("line_total")).alias("_cents"))
        .select("*", F.sum("_cents").over(order).alias("_all_cents"))
        .select(
            "*",
            F.when(F.col("_all_cents") > 0, F.least(_cents("discount_amount"), "_all_cents")).alias(
                "_to_share"
            ),
        )
        .select(
            "*",
            F.expr(f"({product}) % {all_cents}").cast("long").alias("_remainder"),
            F.expr(f"({product}) div {all_cents}").alias("_floor"),
        )
        .select(
            "*",
            (F.col("_to_share") - F.sum("_floor").over(order)).alias("_left"),
            F.row_number().over(largest_first).alias("_place"),
        )
        .select(
            *items.columns,
            F.when(F.col("_to_share") > 0, (share * F.lit("0.01").cast("decimal(2,2)")).cast(MONEY))
            .otherwise(F.lit(0).cast(MONEY))
            .alias("discount_share"),
        )
    )


def _cents(amount: str) -> Column:
    return (F.col(amount) * 100).cast("long")


def tables_of_shop(shop: Shop) -> tuple[Table, ...]:
    """gold.fact_sales."""
    received_key = key_in_quarantine(silver_orders.tables_of_shop(shop)[0])
    return (
        gold_table(
            module=__name__,
            model=FactSales,
            transform=partial(fact_sales, not_sold=shop.not_sold, zone=shop.zone),
            publish_group=STAR,
            upstream=("silver.orders", "silver.order_items"),
            refresh=ByKey(
                "order_id",
                on={
                    "silver.orders": by_column(
                        "order_id",
                        "order_id",
                        "customer_id",
                        "order_date",
                        "status",
                        "payment_method",
                        "shipping_country",
                        "discount_amount",
                        *AUDITED,
                    ),
                    "silver.order_items": by_column("order_id"),
                },
            ),
            partitioned_by=("months(order_date)",),
            audits=(orders_and_items(shop.not_sold, shop.currency, received_key),),
            key_checked_apart=True,
        ),
    )
