"""gold.fact_orders: what each order was worth, and what of it came back."""

import pandera.pandas as pa

from ecommerce_assets.model.dependency import by_column
from ecommerce_assets.model.strategies import ByKey
from ecommerce_assets.model.table import Table
from ecommerce_assets.shop import Shop
from ecommerce_assets.tables.audits.gold import reconciles_by
from ecommerce_assets.tables.currencies import Currencies, currencies_of
from ecommerce_assets.tables.gold import STAR, gold_table
from ecommerce_assets.tables.star import RETURNS, REVENUE, SALES, date_key
from ecommerce_assets.tables.types import COUNT, DATE, FLAG, KEY, MONEY_SUM, RATE, TEXT, WHOLE


class FactOrders(pa.DataFrameModel):
    """One row per order whose exchange rate is known."""

    order_key: KEY = pa.Field(description="Surrogate key: xxhash64 of order_id.")
    order_id: TEXT = pa.Field(description="Order number.")
    date_key: WHOLE = pa.Field(description="Day of the order as yyyymmdd; joins dim_date.")
    order_date: DATE = pa.Field(description="Day of the order, in the shop's time zone.")
    customer_key: KEY = pa.Field(description="Joins dim_customer.")
    status: TEXT = pa.Field(description="Order status.")
    payment_method: TEXT = pa.Field(nullable=True, description="How the order is paid.")
    is_sale: FLAG = pa.Field(
        description="True unless the order's status means cancelled or returned in the shop file, "
        "or it has no item yet; KPIs count only these rows."
    )
    items: COUNT = pa.Field(ge=0, description="Items.")
    units: COUNT = pa.Field(ge=0, description="Pieces.")
    gross_amount: MONEY_SUM = pa.Field(ge=0, description="Of the items, before discounts and tax.")
    discount: MONEY_SUM = pa.Field(description="gross_amount less revenue.")
    revenue: MONEY_SUM = pa.Field(ge=0, description=REVENUE)
    shipping: MONEY_SUM = pa.Field(
        ge=0, description="Shipping; less its part of the order's tax, where prices include tax."
    )
    tax: MONEY_SUM = pa.Field(
        ge=0, description="Tax of the order; where the order names none, that of its items."
    )
    tip: MONEY_SUM = pa.Field(ge=0, description="Tip.")
    total_paid: MONEY_SUM = pa.Field(
        ge=0,
        description="What the customer pays, as delivered; else revenue + shipping + tax + tip.",
    )
    returned: MONEY_SUM = pa.Field(ge=0, description="Revenue that came back, whenever it did.")
    refunded: MONEY_SUM = pa.Field(ge=0, description="What was paid back.")
    currency: TEXT = pa.Field(description="Currency of the order.")
    exchange_rate: RATE = pa.Field(
        gt=0, description="Units of the reporting currency for one unit of the order's."
    )
    rate_date: DATE = pa.Field(
        nullable=True, description="Day of that rate; null of the reporting currency."
    )
    original_revenue: MONEY_SUM = pa.Field(ge=0, description="revenue, in the order's currency.")
    original_total_paid: MONEY_SUM = pa.Field(
        ge=0, description="total_paid, in the order's currency."
    )

    class Config:
        unique = "order_id"


def query(currencies: Currencies) -> str:
    """Orders with the sums of their items and of their returns.

    Args:
        currencies: of the orders.
    """
    nothing = "CAST(0 AS DECIMAL(18, 2))"
    received = currencies.all_rounded(
        "o.currency",
        {
            "coalesce(o.shipping_amount, 0)": "shipping",
            "o.tax_amount": "order_tax",
            "o.tip_amount": "order_tip",
            "o.total_amount": "order_total",
        },
    )
    original_tax = "coalesce(order_tax, items_tax)"
    total = f"coalesce(order_total, original_revenue + net_shipping + {original_tax} + order_tip)"
    return f"""
        WITH sold AS (
            SELECT order_id, count(order_item_id) AS items, CAST(sum(quantity) AS BIGINT) AS units,
                sum(gross_amount) AS gross_amount, sum(discount) AS discount,
                sum(revenue) AS revenue, sum(tax) AS tax, sum(original_revenue) AS original_revenue,
                sum(original_tax) AS original_tax,
                max(CASE WHEN is_sale THEN 1 ELSE 0 END) AS sales
            FROM gold.fact_sales
            GROUP BY order_id
        ), came_back AS (
            SELECT order_id, sum(returned_amount) AS returned, sum(refunded_amount) AS refunded
            FROM gold.fact_returns
            GROUP BY order_id
        ), joined AS (
            SELECT o.order_id, o.business_date AS order_date, o.customer_id, o.status,
                o.payment_method, coalesce(s.sales, 0) > 0 AS is_sale, o.prices_include_tax,
                {received}, coalesce(s.items, 0) AS items, coalesce(s.units, 0) AS units,
                coalesce(s.gross_amount, {nothing}) AS gross_amount,
                coalesce(s.discount, {nothing}) AS discount,
                coalesce(s.revenue, {nothing}) AS revenue,
                coalesce(s.tax, {nothing}) AS converted_items_tax,
                coalesce(s.original_revenue, {nothing}) AS original_revenue,
                coalesce(s.original_tax, {nothing}) AS items_tax,
                coalesce(r.returned, {nothing}) AS returned,
                coalesce(r.refunded, {nothing}) AS refunded,
                o.currency, {currencies.rate("o.currency")}
            FROM silver.orders AS o LEFT JOIN sold AS s ON s.order_id = o.order_id
                LEFT JOIN came_back AS r ON r.order_id = o.order_id
                {currencies.joined("o.currency", "o.business_date")}
        ), taxed AS (
            SELECT *, CASE
                WHEN prices_include_tax AND items > 0 AND order_tax > items_tax
                    THEN greatest(shipping - (order_tax - items_tax), 0)
                ELSE shipping END AS net_shipping
            FROM joined
            WHERE exchange_rate IS NOT NULL
        ), paid AS (
            SELECT *, CAST({total} AS DECIMAL(18, 2)) AS original_total_paid
            FROM taxed
        )
        SELECT surrogate_key(order_id) AS order_key, order_id,
            {date_key("order_date")} AS date_key, order_date,
            surrogate_key(customer_id) AS customer_key, status, payment_method,
            is_sale, items, units,
            CAST(gross_amount AS DECIMAL(18, 2)) AS gross_amount,
            CAST(discount AS DECIMAL(18, 2)) AS discount,
            CAST(revenue AS DECIMAL(18, 2)) AS revenue,
            {currencies.converted("net_shipping")} AS shipping,
            CASE WHEN order_tax IS NULL THEN CAST(converted_items_tax AS DECIMAL(18, 2))
                ELSE {currencies.converted("order_tax")} END AS tax,
            {currencies.converted("order_tip")} AS tip,
            {currencies.converted("original_total_paid")} AS total_paid,
            CAST(returned AS DECIMAL(18, 2)) AS returned,
            CAST(refunded AS DECIMAL(18, 2)) AS refunded, currency, exchange_rate, rate_date,
            CAST(original_revenue AS DECIMAL(18, 2)) AS original_revenue, original_total_paid
        FROM paid"""


def tables_of_shop(shop: Shop) -> tuple[Table, ...]:
    """gold.fact_orders."""
    currencies = currencies_of(shop)
    return (
        gold_table(
            module=__name__,
            model=FactOrders,
            query=query(currencies),
            publish_group=STAR,
            upstream=("silver.orders", SALES, RETURNS, *currencies.upstream),
            refresh=ByKey(
                "order_id",
                on={
                    "silver.orders": by_column(
                        "order_id",
                        "order_id",
                        "business_date",
                        "customer_id",
                        "status",
                        "payment_method",
                        "prices_include_tax",
                        "shipping_amount",
                        "tax_amount",
                        "tip_amount",
                        "total_amount",
                        "currency",
                    ),
                    SALES: by_column("order_id"),
                    RETURNS: by_column("order_id"),
                    **currencies.on("silver.orders"),
                },
            ),
            partitioned_by=("months(order_date)",),
            audits=(reconciles_by("order_id", SALES, "CASE WHEN is_sale THEN revenue END"),),
        ),
    )
