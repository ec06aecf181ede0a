"""gold.fact_sales: what was ordered, item by item."""

from collections.abc import Sequence
from functools import partial

import pandera.pandas as pa

from ecommerce_assets.model.dependency import by_column
from ecommerce_assets.model.strategies import ByKey
from ecommerce_assets.model.table import Table
from ecommerce_assets.shop import Shop
from ecommerce_assets.tables.audits.orders import orders_and_items
from ecommerce_assets.tables.gold import STAR, gold_table
from ecommerce_assets.tables.silver import contracts_of, parsed_again
from ecommerce_assets.tables.silver import orders as silver_orders
from ecommerce_assets.tables.star import date_key, is_sold, money_of, part_of, shared_out
from ecommerce_assets.tables.types import DATE, FLAG, KEY, MONEY_SUM, PRICE, TEXT, WHOLE

# Not used for rows, but for the audits of the table.
AUDITED = ("subtotal", "tip_amount", "total_amount")


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
    gross_amount: MONEY_SUM = pa.Field(
        ge=0, description="quantity x unit_price, less tax where prices include it."
    )
    discount: MONEY_SUM = pa.Field(description="gross_amount less revenue.")
    revenue: MONEY_SUM = pa.Field(
        ge=0,
        description="line_total less the item's share of the order's discount, and less tax where "
        "prices include it; before shipping. Of rows that are no sale as well: sum it where "
        "is_sale.",
    )
    tax: MONEY_SUM = pa.Field(
        ge=0,
        description="Tax: the item's own; else by its rate; else its share of the order's; 0.00 "
        "where the shop delivers none.",
    )

    class Config:
        unique = "order_item_id"


def query(not_sold: Sequence[str]) -> str:
    """Items joined with their orders; items without an order stay in silver until it arrives.

    Each item has its share of its order's discount, in whole cents that add up, proportional to
    line_total; they sum to min(discount_amount, sum of line_total). The same way, items without a
    tax of their own share what is left of the order's, proportional to what is paid for them. Where
    prices include tax, shipping has its part of that as well, and amounts are net of tax.

    Args:
        not_sold: the statuses of orders that are no sales.
    """
    tie = "order_item_id"
    hundred = "CAST(100 AS DECIMAL(5, 2))"
    with_tax = f"CAST({hundred} + tax_rate AS DECIMAL(5, 2))"
    below = f"CASE WHEN prices_include_tax THEN {with_tax} ELSE {hundred} END"
    return f"""
        WITH joined AS (
            SELECT i.order_item_id, i.order_id, i.product_id, i.quantity, i.unit_price,
                i.gross_amount, i.line_total, i.tax_rate, i.tax_amount, o.customer_id, o.status,
                o.payment_method, o.shipping_country, o.discount_amount,
                o.business_date AS order_date, o.prices_include_tax,
                o.tax_amount AS order_tax, coalesce(o.shipping_amount, 0) AS shipping,
                CASE WHEN o.discount_amount > 0 THEN CAST(i.line_total * 100 AS BIGINT) END
                    AS line_cents
            FROM silver.order_items AS i JOIN silver.orders AS o ON o.order_id = i.order_id
        ), discounted AS (
            SELECT *, least(CAST(discount_amount * 100 AS BIGINT), CAST(sum(line_cents)
                OVER (PARTITION BY order_id) AS BIGINT)) AS discount_cents
            FROM joined
        ), {shared_out("discounted", "discount_cents", "line_cents", "discount_share", tie)},
        paid_items AS (
            SELECT *, CAST(line_total - {money_of("discount_share")} AS DECIMAL(18, 2)) AS paid
            FROM discount_share
        ), with_own_tax AS (
            SELECT *, CASE WHEN tax_amount IS NOT NULL THEN
                    CASE WHEN prices_include_tax AND tax_amount > paid THEN paid
                        ELSE CAST(tax_amount AS DECIMAL(18, 2)) END
                WHEN tax_rate IS NOT NULL THEN {part_of("paid", "tax_rate", below)} END AS own_tax
            FROM paid_items
        ), with_rest AS (
            SELECT *, CASE WHEN own_tax IS NULL THEN CAST(paid * 100 AS BIGINT) END AS paid_cents,
                CASE WHEN order_tax > 0 THEN order_tax
                    - sum(coalesce(own_tax, 0)) OVER (PARTITION BY order_id) END AS rest,
                sum(CASE WHEN own_tax IS NULL THEN paid END) OVER (PARTITION BY order_id) AS untaxed
            FROM with_own_tax
        ), with_cents AS (
            SELECT *, CAST(CASE WHEN rest > 0 AND untaxed > 0 THEN CASE WHEN prices_include_tax
                    THEN least({part_of("rest", "untaxed", "(untaxed + shipping)")}, untaxed)
                    ELSE rest END END * 100 AS BIGINT) AS tax_cents
            FROM with_rest
        ), {shared_out("with_cents", "tax_cents", "paid_cents", "tax_share", tie)},
        taxed AS (
            SELECT *, coalesce(own_tax, {money_of("tax_share")}) AS tax,
                CAST(gross_amount - paid AS DECIMAL(18, 2)) AS reduced
            FROM tax_share
        ), net AS (
            SELECT *, CASE WHEN NOT prices_include_tax THEN reduced
                WHEN paid = 0 AND reduced > 0 AND tax_rate IS NOT NULL
                    THEN reduced - {part_of("reduced", "tax_rate", with_tax)}
                WHEN paid = 0 THEN reduced
                WHEN reduced >= 0 THEN reduced - {part_of("reduced", "tax", "paid")}
                ELSE reduced + {part_of("(0 - reduced)", "tax", "paid")} END AS discount,
                CASE WHEN prices_include_tax THEN paid - tax ELSE paid END AS revenue
            FROM taxed
        )
        SELECT surrogate_key(order_item_id) AS sale_key, order_item_id, order_id,
            {date_key("order_date")} AS date_key, order_date,
            surrogate_key(customer_id) AS customer_key, surrogate_key(product_id) AS product_key,
            status, payment_method, shipping_country, {is_sold(not_sold)} AS is_sale,
            quantity, unit_price,
            CAST(revenue + discount AS DECIMAL(18, 2)) AS gross_amount,
            CAST(discount AS DECIMAL(18, 2)) AS discount,
            CAST(revenue AS DECIMAL(18, 2)) AS revenue, CAST(tax AS DECIMAL(18, 2)) AS tax
        FROM net"""


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
                        "prices_include_tax",
                        "tax_amount",
                        "shipping_amount",
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
