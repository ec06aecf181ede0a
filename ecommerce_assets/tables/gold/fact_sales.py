"""gold.fact_sales: what was ordered, item by item."""

from collections.abc import Sequence
from functools import partial

import pandera.pandas as pa

from ecommerce_assets.model.dependency import by_column
from ecommerce_assets.model.strategies import ByKey
from ecommerce_assets.model.table import Table
from ecommerce_assets.shop import Shop
from ecommerce_assets.tables.audits.orders import Compared, orders_and_items
from ecommerce_assets.tables.currencies import (
    DAYS_VALID,
    Currencies,
    currencies_of,
    money_of,
    part_of,
)
from ecommerce_assets.tables.gold import STAR, gold_table
from ecommerce_assets.tables.silver import contracts_of, parsed_again
from ecommerce_assets.tables.silver import orders as silver_orders
from ecommerce_assets.tables.star import date_key, is_sold, shared_out
from ecommerce_assets.tables.types import DATE, FLAG, KEY, MONEY_SUM, PRICE, RATE, TEXT, WHOLE

# Not used for rows, but for the audits of the table.
AUDITED = ("subtotal", "tip_amount", "total_amount")


class FactSales(pa.DataFrameModel):
    """One row per order item whose order, and its exchange rate, are known."""

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
    unit_price: PRICE = pa.Field(ge=0, description="Price of a piece, in the order's currency.")
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
    currency: TEXT = pa.Field(description="Currency of the order.")
    exchange_rate: RATE = pa.Field(
        gt=0,
        description="Units of the reporting currency for one unit of the order's: of the latest "
        f"day with a rate on or before the order's, at most {DAYS_VALID} days; 1 of the reporting "
        "currency.",
    )
    rate_date: DATE = pa.Field(
        nullable=True, description="Day of that rate; null of the reporting currency."
    )
    original_gross_amount: MONEY_SUM = pa.Field(
        ge=0, description="gross_amount, in the order's currency."
    )
    original_revenue: MONEY_SUM = pa.Field(ge=0, description="revenue, in the order's currency.")
    original_tax: MONEY_SUM = pa.Field(ge=0, description="tax, in the order's currency.")

    class Config:
        unique = "order_item_id"


def query(not_sold: Sequence[str], currencies: Currencies) -> str:
    """Items joined with their orders and with the rates of these orders' days.

    Items without an order, and those of an order without a rate, wait in silver. Each item has its
    share of its order's discount, in the currency's smallest units that add up, proportional to
    line_total; they sum to min(discount_amount, sum of line_total). The same way, items without a
    tax of their own share what is left of the order's, proportional to what is paid for them. Where
    prices include tax, shipping has its part of that as well, and amounts are net of tax. All that
    is done in the order's currency; the results are converted.

    Args:
        not_sold: the statuses of orders that are no sales.
        currencies: of the orders.
    """
    tie, money = "order_item_id", "DECIMAL(18, 2)"
    hundred = "CAST(100 AS DECIMAL(5, 2))"
    with_tax = f"CAST({hundred} + tax_rate AS DECIMAL(5, 2))"
    below = f"CASE WHEN prices_include_tax THEN {with_tax} ELSE {hundred} END"
    received = currencies.all_rounded(
        "o.currency",
        {
            "i.gross_amount": "gross_amount",
            "i.line_total": "line_total",
            "i.tax_amount": "item_tax",
            "o.discount_amount": "discount_amount",
            "o.tax_amount": "order_tax",
            "coalesce(o.shipping_amount, 0)": "shipping",
        },
    )
    return f"""
        WITH joined AS (
            SELECT i.order_item_id, i.order_id, i.product_id, i.quantity, i.unit_price,
                i.tax_rate, o.customer_id, o.status, o.payment_method, o.shipping_country,
                o.business_date AS order_date, o.prices_include_tax, {received},
                o.currency, {currencies.rate("o.currency")}, {currencies.units("o.currency")}
            FROM silver.order_items AS i JOIN silver.orders AS o ON o.order_id = i.order_id
                {currencies.joined("o.currency", "o.business_date")}
        ), counted AS (
            SELECT *, CASE WHEN discount_amount > 0
                THEN CAST(line_total * per_unit AS BIGINT) END AS line_units
            FROM joined
            WHERE exchange_rate IS NOT NULL
        ), discounted AS (
            SELECT *, least(CAST(discount_amount * per_unit AS BIGINT), CAST(sum(line_units)
                OVER (PARTITION BY order_id) AS BIGINT)) AS discount_units
            FROM counted
        ), {shared_out("discounted", "discount_units", "line_units", "discount_share", tie)},
        paid_items AS (
            SELECT *, CAST(line_total - {money_of("discount_share")} AS {money}) AS paid
            FROM discount_share
        ), with_own_tax AS (
            SELECT *, CASE WHEN item_tax IS NOT NULL THEN
                    CASE WHEN prices_include_tax AND item_tax > paid THEN paid ELSE item_tax END
                WHEN tax_rate IS NOT NULL THEN {part_of("paid", "tax_rate", below)} END AS own_tax
            FROM paid_items
        ), with_rest AS (
            SELECT *, CASE WHEN own_tax IS NULL THEN CAST(paid * per_unit AS BIGINT) END
                    AS paid_units,
                CASE WHEN order_tax > 0 THEN order_tax
                    - sum(coalesce(own_tax, 0)) OVER (PARTITION BY order_id) END AS rest,
                sum(CASE WHEN own_tax IS NULL THEN paid END) OVER (PARTITION BY order_id) AS untaxed
            FROM with_own_tax
        ), with_units AS (
            SELECT *, CAST(CASE WHEN rest > 0 AND untaxed > 0 THEN CASE WHEN prices_include_tax
                    THEN least({part_of("rest", "untaxed", "(untaxed + shipping)")}, untaxed)
                    ELSE rest END END * per_unit AS BIGINT) AS tax_units
            FROM with_rest
        ), {shared_out("with_units", "tax_units", "paid_units", "tax_share", tie)},
        taxed AS (
            SELECT *, coalesce(own_tax, {money_of("tax_share")}) AS own_or_shared_tax,
                CAST(gross_amount - paid AS {money}) AS reduced
            FROM tax_share
        ), net AS (
            SELECT *, CASE WHEN NOT prices_include_tax THEN reduced
                WHEN paid = 0 AND reduced > 0 AND tax_rate IS NOT NULL
                    THEN reduced - {part_of("reduced", "tax_rate", with_tax)}
                WHEN paid = 0 THEN reduced
                WHEN reduced >= 0 THEN reduced - {part_of("reduced", "own_or_shared_tax", "paid")}
                ELSE reduced + {part_of("(0 - reduced)", "own_or_shared_tax", "paid")}
                END AS net_discount,
                CASE WHEN prices_include_tax THEN paid - own_or_shared_tax ELSE paid END
                    AS net_paid
            FROM taxed
        ), original AS (
            SELECT *, CAST(net_paid + net_discount AS {money}) AS original_gross_amount,
                CAST(net_paid AS {money}) AS original_revenue,
                CAST(own_or_shared_tax AS {money}) AS original_tax
            FROM net
        ), converted AS (
            SELECT *, {currencies.converted("original_gross_amount")} AS converted_gross_amount,
                {currencies.converted("original_revenue")} AS revenue,
                {currencies.converted("original_tax")} AS tax
            FROM original
        )
        SELECT surrogate_key(order_item_id) AS sale_key, order_item_id, order_id,
            {date_key("order_date")} AS date_key, order_date,
            surrogate_key(customer_id) AS customer_key, surrogate_key(product_id) AS product_key,
            status, payment_method, shipping_country, {is_sold(not_sold)} AS is_sale,
            quantity, unit_price, converted_gross_amount AS gross_amount,
            CAST(converted_gross_amount - revenue AS {money}) AS discount, revenue, tax,
            currency, exchange_rate, rate_date, original_gross_amount, original_revenue,
            original_tax
        FROM converted"""


def tables_of_shop(shop: Shop) -> tuple[Table, ...]:
    """gold.fact_sales."""
    contracts = contracts_of(silver_orders.tables_of_shop(shop)[0])
    currencies = currencies_of(shop)
    return (
        gold_table(
            module=__name__,
            model=FactSales,
            query=query(shop.not_sold, currencies),
            publish_group=STAR,
            upstream=("silver.orders", "silver.order_items", *currencies.upstream),
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
                        "currency",
                        "discount_amount",
                        "prices_include_tax",
                        "tax_amount",
                        "shipping_amount",
                        *AUDITED,
                    ),
                    "silver.order_items": by_column("order_id"),
                    **currencies.on("silver.orders"),
                },
            ),
            partitioned_by=("months(order_date)",),
            audits=(
                orders_and_items(
                    Compared(
                        shop.not_sold,
                        currencies,
                        shop.unconverted,
                        partial(parsed_again, contracts=contracts),
                    )
                ),
            ),
            key_checked_apart=True,
        ),
    )
