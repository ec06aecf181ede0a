"""Surrogate keys, and the measures that every KPI of sales shares, as parts of queries."""

import pandera.pandas as pa

from ecommerce_assets.engine.queries import Query
from ecommerce_assets.sql import ansi_literal
from ecommerce_assets.tables.types import COUNT, MONEY_SUM, SHARE

FACTS = "gold.fact_sales"
GUEST = "(guest)"  # the customer_id of orders without a customer
# The guest stands for many people.
NO_GUEST = f"customer_key <> surrogate_key({ansi_literal(GUEST)})"


NET_REVENUE = "Net item revenue in the shop's currency: after discounts, before tax and shipping."


class SalesMeasures(pa.DataFrameModel):
    """The measures of sales (rows with is_sale) at some grain."""

    revenue: MONEY_SUM = pa.Field(ge=0, description=NET_REVENUE)
    discount: MONEY_SUM = pa.Field(description="Gross amount less revenue.")
    orders: COUNT = pa.Field(ge=1, description="Distinct orders.")
    units: COUNT = pa.Field(ge=1, description="Pieces.")
    customers: COUNT = pa.Field(ge=0, description="Distinct customers; guests are not counted.")
    average_order_value: MONEY_SUM = pa.Field(
        ge=0, description="Average order value: revenue / orders, rounded half up to the cent."
    )


def average(amount: str, count: str) -> str:
    """SQL of `amount / count` as money, rounded once, half up; neither is negative."""
    return f"CAST({rounded_ratio(amount, count, 2)} AS {MONEY_SUM})"


def share_of(part: str, whole: str) -> str:
    """SQL of `part / whole` to six digits, half up; 0 where the whole is 0."""
    share = f"CASE WHEN {whole} <> 0 THEN {rounded_ratio(part, whole, 6)} ELSE 0 END"
    return f"CAST({share} AS {SHARE})"


def rounded_ratio(numerator: str, denominator: str, digits: int) -> str:
    """SQL of two non-negative numbers of at most two digits divided, half up to `digits`.

    In whole numbers: the engines divide decimals in ways of their own, and a second rounding is not
    always half up.
    """
    above, below = _hundredths(numerator), _hundredths(denominator)
    whole = f"({above} * {2 * 10**digits} + {below}) // (2 * {below})"
    return f"CAST({whole} AS DECIMAL(28, 0)) * {10**-digits:.{digits}f}"


def _hundredths(number: str) -> str:
    return f"CAST(CAST({number} AS DECIMAL(38, 2)) * 100 AS HUGEINT)"


def date_key(day: str) -> str:
    """SQL of a day as an int yyyymmdd."""
    return f"CAST(strftime({day}, '%Y%m%d') AS INTEGER)"


# Measures of sales at some grain, from `SALES_BY_ORDER`: each order has one row per grain, so the
# count of distinct orders is a plain count, which leaves a single distinct one, of the customers.
MEASURES = f"""
    CAST(sum(revenue) AS DECIMAL(18, 2)) AS revenue,
    CAST(sum(discount) AS DECIMAL(18, 2)) AS discount,
    count(order_id) AS orders,
    CAST(sum(units) AS BIGINT) AS units,
    count(DISTINCT CASE WHEN {NO_GUEST} THEN customer_key END) AS customers,
    {average("sum(revenue)", "count(order_id)")} AS average_order_value"""

# Day, customer, revenue, discount and units of each order with a sale; computed once a run for all
# KPIs that share it.
SALES_BY_ORDER = Query(
    """
    SELECT order_id, order_date, customer_key, sum(revenue) AS revenue, sum(discount) AS discount,
        CAST(sum(quantity) AS BIGINT) AS units
    FROM gold.fact_sales
    WHERE is_sale
    GROUP BY order_id, order_date, customer_key""",
    (FACTS,),
    "sales_by_order",
)

# Orders, units, revenue, first and last order's days; one row per customer with a sale, the guest
# among them.
CUSTOMER_SALES = Query(
    """
    SELECT customer_key, count(order_id) AS orders, CAST(sum(units) AS BIGINT) AS units,
        CAST(sum(revenue) AS DECIMAL(18, 2)) AS revenue,
        min(order_date) AS first_order_date, max(order_date) AS last_order_date
    FROM (
        SELECT customer_key, order_id, order_date, sum(revenue) AS revenue,
            CAST(sum(quantity) AS BIGINT) AS units
        FROM gold.fact_sales
        WHERE is_sale
        GROUP BY customer_key, order_id, order_date
    ) AS orders
    GROUP BY customer_key""",
    (FACTS,),
    "customer_sales",
)
