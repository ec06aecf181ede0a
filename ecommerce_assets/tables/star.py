"""Surrogate keys, and the measures that every KPI shares, as parts of queries."""

from collections.abc import Sequence

import pandera.pandas as pa

from ecommerce_assets.engine.queries import Query
from ecommerce_assets.sql import ansi_literal
from ecommerce_assets.tables.types import COUNT, MONEY_SUM, SHARE

SALES, ORDERS, RETURNS = "gold.fact_sales", "gold.fact_orders", "gold.fact_returns"
# The tables of facts, and their natural keys.
FACTS = {SALES: "order_item_id", ORDERS: "order_id", RETURNS: "return_id"}
GUEST = "(guest)"  # the customer_id of orders without a customer
WHOLE_ORDER = "(whole order)"  # the product_id of returns of an amount
# Roles of products: postage, fees and vouchers are charges.
GOODS, CHARGE = ROLES = ("goods", "charge")
# The guest stands for many people.
NO_GUEST = f"customer_key <> surrogate_key({ansi_literal(GUEST)})"

REVENUE = "Revenue in the reporting currency: after discounts, before tax and shipping."
RETURNED = "Revenue that came back in the interval, whenever it was ordered."
NET_REVENUE = "revenue less returned."


class SalesMeasures(pa.DataFrameModel):
    """The measures of an interval: of the orders sold in it, and of what came back in it."""

    revenue: MONEY_SUM = pa.Field(ge=0, description=REVENUE)
    discount: MONEY_SUM = pa.Field(description="Gross amount less revenue.")
    orders: COUNT = pa.Field(ge=0, description="Distinct orders.")
    units: COUNT = pa.Field(ge=0, description="Pieces.")
    customers: COUNT = pa.Field(ge=0, description="Distinct customers; guests are not counted.")
    average_order_value: MONEY_SUM = pa.Field(
        ge=0,
        description="Average order value: revenue / orders, rounded half up to the "
        "currency's smallest unit; 0.00 without an order.",
    )
    shipping: MONEY_SUM = pa.Field(ge=0, description="Shipping of the orders, before tax.")
    tax: MONEY_SUM = pa.Field(ge=0, description="Tax on the orders.")
    total_paid: MONEY_SUM = pa.Field(ge=0, description="What the orders' customers paid.")
    returned: MONEY_SUM = pa.Field(ge=0, description=RETURNED)
    net_revenue: MONEY_SUM = pa.Field(description=NET_REVENUE)


def is_sold(not_sold: Sequence[str], status: str = "status") -> str:
    """SQL of whether an order is a sale, by its status.

    Args:
        not_sold: the statuses of orders that are no sales.
        status: SQL of the order's.
    """
    statuses = ", ".join(map(ansi_literal, not_sold))
    return f"{status} NOT IN ({statuses})" if statuses else "true"


def average(amount: str, count: str, digits: int = 2) -> str:
    """SQL of `amount / count` as money, rounded once, half up; neither is negative.

    Args:
        digits: of the reporting currency's smallest unit after the point.
    """
    return f"CAST({rounded_ratio(amount, count, digits)} AS {MONEY_SUM})"


def share_of(part: str, whole: str) -> str:
    """SQL of `part / whole` to six digits, half up; 0 where the whole is 0."""
    share = f"CASE WHEN {whole} <> 0 THEN {rounded_ratio(part, whole, 6)} ELSE 0 END"
    return f"CAST({share} AS {SHARE})"


def rounded_ratio(numerator: str, denominator: str, digits: int) -> str:
    """SQL of two non-negative numbers of at most three digits divided, half up to `digits`.

    In whole numbers: the engines divide decimals in ways of their own, and a second rounding is not
    always half up.
    """
    above, below = thousandths(numerator), thousandths(denominator)
    whole = f"({above} * {2 * 10**digits} + {below}) // (2 * {below})"
    return f"CAST({whole} AS DECIMAL(28, 0)) * {10**-digits:.{digits}f}"


def thousandths(number: str) -> str:
    """SQL of a number of at most three digits, in thousandths."""
    return f"CAST(CAST({number} AS DECIMAL(38, 3)) * 1000 AS HUGEINT)"


def shared_out(rows: str, to_share: str, weight: str, share: str, tie: str) -> str:
    """SQL of common table expressions that share out an order's amount among its rows.

    In whole units that add up, proportional to the weights, by the largest remainder method: shares
    are rounded down, and the remaining units go to the largest remainders, ties by `tie`.

    Args:
        rows: the relation of the rows, which have an order_id.
        to_share: its column with the order's whole units, the same in all rows of an order; null
            or 0 for none, at most the sum of the weights.
        weight: its column with the row's whole units; null or 0 for none.
        share: name of the relation of the rows with their shares; its column with the share's
            whole units has the same name, and is null where nothing is shared out.
        tie: a column.
    """
    whole, product = f"{share}_whole", f"CAST({to_share} AS HUGEINT) * CAST({weight} AS HUGEINT)"
    below = f"CAST({whole} AS HUGEINT)"
    one_more = f"CASE WHEN {share}_place <= {share}_left THEN 1 ELSE 0 END"
    return f"""{share}_weighed AS (
            SELECT *, CASE WHEN {to_share} > 0 THEN
                CAST(sum({weight}) OVER (PARTITION BY order_id) AS BIGINT) END AS {whole}
            FROM {rows}
        ), {share}_floors AS (
            SELECT *,
                CASE WHEN {whole} > 0 THEN CAST(({product}) // {below} AS BIGINT) END
                    AS {share}_least,
                CASE WHEN {whole} > 0 THEN CAST(({product}) % {below} AS BIGINT) END
                    AS {share}_remainder
            FROM {share}_weighed
        ), {share}_places AS (
            SELECT *, {to_share} - sum({share}_least) OVER (PARTITION BY order_id) AS {share}_left,
                row_number() OVER (PARTITION BY order_id
                    ORDER BY {share}_remainder DESC NULLS LAST, {tie}) AS {share}_place
            FROM {share}_floors
        ), {share} AS (
            SELECT *, CASE WHEN {share}_least IS NOT NULL THEN {share}_least + {one_more} END
                AS {share}
            FROM {share}_places
        )"""


def date_key(day: str) -> str:
    """SQL of a day as an int yyyymmdd."""
    return f"CAST(strftime({day}, '%Y%m%d') AS INTEGER)"


def measures_by(interval: str, column: str, digits: int) -> str:
    """The query of the measures of intervals, over the orders and the returns.

    Args:
        interval: SQL of the first day of the interval, with `{day}` for a day.
        column: its name.
        digits: as of `average`.
    """
    money = ("revenue", "discount", "shipping", "tax", "total_paid")
    sums = ", ".join(f"CAST(sum({name}) AS {MONEY_SUM}) AS {name}" for name in money)
    nothing = dict.fromkeys((*money, "average_order_value"), f"CAST(0 AS {MONEY_SUM})")
    of_sold = ", ".join(
        f"coalesce(sold.{name}, {nothing.get(name, '0')}) AS {name}"
        for name in SalesMeasures.__annotations__
        if name not in ("returned", "net_revenue")
    )
    return f"""
        WITH sold AS (
            SELECT {interval.format(day="order_date")} AS first_day, {sums},
                count(order_id) AS orders, CAST(sum(units) AS BIGINT) AS units,
                count(DISTINCT CASE WHEN {NO_GUEST} THEN customer_key END) AS customers,
                {average("sum(revenue)", "count(order_id)", digits)} AS average_order_value
            FROM {ORDERS}
            WHERE is_sale
            GROUP BY {interval.format(day="order_date")}
        ), came_back AS (
            SELECT {interval.format(day="return_date")} AS first_day,
                CAST(sum(returned_amount) AS {MONEY_SUM}) AS returned
            FROM {RETURNS}
            WHERE is_counted
            GROUP BY {interval.format(day="return_date")}
        )
        SELECT coalesce(sold.first_day, came_back.first_day) AS {column}, {of_sold},
            coalesce(came_back.returned, CAST(0 AS {MONEY_SUM})) AS returned,
            CAST(coalesce(sold.revenue, 0) - coalesce(came_back.returned, 0) AS {MONEY_SUM})
                AS net_revenue
        FROM sold FULL JOIN came_back ON sold.first_day = came_back.first_day"""


# Orders, units, revenue, first and last order's days; one row per customer with a sale, the guest
# among them. Computed once a run for all tables that share it.
CUSTOMER_SALES = Query(
    """
    SELECT customer_key, count(order_id) AS orders, CAST(sum(units) AS BIGINT) AS units,
        CAST(sum(revenue) AS DECIMAL(18, 2)) AS revenue,
        min(order_date) AS first_order_date, max(order_date) AS last_order_date
    FROM gold.fact_orders
    WHERE is_sale
    GROUP BY customer_key""",
    (ORDERS,),
    "customer_sales",
)
