"""gold.fact_sales: what was ordered, item by item."""

from collections.abc import Sequence
from functools import partial

import pandera.pandas as pa

from ecommerce_assets.model.dependency import by_column
from ecommerce_assets.model.strategies import ByKey
from ecommerce_assets.model.table import Table
from ecommerce_assets.shop import Shop
from ecommerce_assets.sql import ansi_literal
from ecommerce_assets.tables.audits.orders import orders_and_items
from ecommerce_assets.tables.gold import STAR, gold_table
from ecommerce_assets.tables.silver import contracts_of, parsed_again
from ecommerce_assets.tables.silver import orders as silver_orders
from ecommerce_assets.tables.star import date_key
from ecommerce_assets.tables.types import DATE, FLAG, KEY, MONEY_SUM, PRICE, TEXT, WHOLE

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


def query(not_sold: Sequence[str]) -> str:
    """Items joined with their orders; items without an order stay in silver until it arrives.

    Each item has its share of its order's discount, in whole cents that add up: proportional to
    line_total, by the largest remainder method. Shares are rounded down, and the remaining cents go
    to the largest remainders, ties by order_item_id; they sum to min(discount_amount, sum of
    line_total). Only items of orders with a discount cost any arithmetic.

    Args:
        not_sold: the statuses of orders that are no sales.
    """
    statuses = ", ".join(map(ansi_literal, not_sold))
    is_sale = f"status NOT IN ({statuses})" if statuses else "true"
    one_more = "CASE WHEN place <= cents_left THEN 1 ELSE 0 END"
    product = "CAST(to_share AS HUGEINT) * CAST(cents AS HUGEINT)"
    return f"""
        WITH items AS (
            SELECT i.order_item_id, i.order_id, i.product_id, i.quantity, i.unit_price,
                i.gross_amount, i.line_total, o.customer_id, o.status, o.payment_method,
                o.shipping_country, o.discount_amount, o.business_date AS order_date,
                CASE WHEN o.discount_amount > 0 THEN CAST(i.line_total * 100 AS BIGINT) END AS cents
            FROM silver.order_items AS i JOIN silver.orders AS o ON o.order_id = i.order_id
        ), orders AS (
            SELECT *, CAST(sum(cents) OVER (PARTITION BY order_id) AS BIGINT) AS all_cents
            FROM items
        ), discounts AS (
            SELECT *, CASE WHEN all_cents > 0
                THEN least(CAST(discount_amount * 100 AS BIGINT), all_cents) END AS to_share
            FROM orders
        ), floors AS (
            SELECT *, CAST(({product}) // CAST(all_cents AS HUGEINT) AS BIGINT) AS at_least,
                CAST(({product}) % CAST(all_cents AS HUGEINT) AS BIGINT) AS remainder
            FROM discounts
        ), places AS (
            SELECT *, to_share - sum(at_least) OVER (PARTITION BY order_id) AS cents_left,
                row_number() OVER (PARTITION BY order_id
                    ORDER BY remainder DESC NULLS LAST, order_item_id) AS place
            FROM floors
        ), amounts AS (
            SELECT *, CAST(line_total - CASE WHEN to_share > 0 THEN CAST((at_least
                    + {one_more}) * 0.01 AS DECIMAL(12, 2))
                    ELSE 0 END AS DECIMAL(18, 2)) AS revenue
            FROM places
        )
        SELECT surrogate_key(order_item_id) AS sale_key, order_item_id, order_id,
            {date_key("order_date")} AS date_key, order_date,
            surrogate_key(customer_id) AS customer_key, surrogate_key(product_id) AS product_key,
            status, payment_method, shipping_country, {is_sale} AS is_sale, quantity, unit_price,
            gross_amount, CAST(gross_amount - revenue AS DECIMAL(18, 2)) AS discount, revenue
        FROM amounts"""


def tables_of_shop(shop: Shop) -> tuple[Table, ...]:
    """gold.fact_sales."""
    contracts = contracts_of(silver_orders.tables_of_shop(shop)[0])
    return (
        gold_table(
            module=__name__,
            model=FactSales,
            query=query(shop.not_sold),
            publish_group=STAR,
            upstream=("silver.orders", "silver.order_items"),
            refresh=ByKey(
                "order_id",
                on={
                    "silver.orders": by_column(
                        "order_id",
                        "order_id",
                        "customer_id",
                        "business_date",
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
            audits=(
                orders_and_items(
                    shop.not_sold, shop.currency, partial(parsed_again, contracts=contracts)
                ),
            ),
            key_checked_apart=True,
        ),
    )
