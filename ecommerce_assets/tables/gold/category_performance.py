"""gold.category_performance: what each category sold and what of it came back, by month."""

import pandera.pandas as pa

from ecommerce_assets.model.dependency import any_change, by_month
from ecommerce_assets.model.strategies import ByKey
from ecommerce_assets.tables.gold import gold_table
from ecommerce_assets.tables.star import NET_REVENUE, RETURNED, RETURNS, REVENUE, SALES, share_of
from ecommerce_assets.tables.types import COUNT, DATE, MONEY_SUM, SHARE, TEXT


class CategoryPerformance(pa.DataFrameModel):
    """One row per category and month with a sale or a return."""

    category: TEXT = pa.Field(description="Category; `unknown` for inferred products.")
    month_start_date: DATE = pa.Field(description="First day of the month.")
    revenue: MONEY_SUM = pa.Field(ge=0, description=REVENUE)
    discount: MONEY_SUM = pa.Field(description="Gross amount less revenue.")
    orders: COUNT = pa.Field(ge=0, description="Distinct orders.")
    units: COUNT = pa.Field(ge=0, description="Pieces.")
    returned: MONEY_SUM = pa.Field(ge=0, description=RETURNED)
    net_revenue: MONEY_SUM = pa.Field(description=NET_REVENUE)
    revenue_share: SHARE = pa.Field(
        in_range={"min_value": 0, "max_value": 1},
        description="Share of the month's revenue, 0 to 1; 0 in a month without revenue.",
    )

    class Config:
        unique = ["category", "month_start_date"]


QUERY = f"""
    WITH by_order AS (
        SELECT p.category, CAST(date_trunc('month', f.order_date) AS DATE) AS month_start_date,
            f.order_id, sum(f.revenue) AS revenue, sum(f.discount) AS discount,
            CAST(sum(f.quantity) AS BIGINT) AS units
        FROM gold.fact_sales AS f JOIN gold.dim_product AS p ON p.product_key = f.product_key
        WHERE f.is_sale
        GROUP BY p.category, CAST(date_trunc('month', f.order_date) AS DATE), f.order_id
    ), sold AS (
        SELECT category, month_start_date, CAST(sum(revenue) AS DECIMAL(18, 2)) AS revenue,
            CAST(sum(discount) AS DECIMAL(18, 2)) AS discount, count(order_id) AS orders,
            CAST(sum(units) AS BIGINT) AS units
        FROM by_order
        GROUP BY category, month_start_date
    ), came_back AS (
        SELECT p.category, CAST(date_trunc('month', r.return_date) AS DATE) AS month_start_date,
            CAST(sum(r.returned_amount) AS DECIMAL(18, 2)) AS returned
        FROM gold.fact_returns AS r JOIN gold.dim_product AS p ON p.product_key = r.product_key
        WHERE r.is_counted
        GROUP BY p.category, CAST(date_trunc('month', r.return_date) AS DATE)
    ), both AS (
        SELECT coalesce(s.category, r.category) AS category,
            coalesce(s.month_start_date, r.month_start_date) AS month_start_date,
            CAST(coalesce(s.revenue, 0) AS DECIMAL(18, 2)) AS revenue,
            CAST(coalesce(s.discount, 0) AS DECIMAL(18, 2)) AS discount,
            coalesce(s.orders, 0) AS orders, coalesce(s.units, 0) AS units,
            CAST(coalesce(r.returned, 0) AS DECIMAL(18, 2)) AS returned,
            CAST(coalesce(s.revenue, 0) - coalesce(r.returned, 0) AS DECIMAL(18, 2)) AS net_revenue
        FROM sold AS s FULL JOIN came_back AS r
            ON r.category = s.category AND r.month_start_date = s.month_start_date
    ), of_month AS (
        SELECT *, sum(revenue) OVER (PARTITION BY month_start_date) AS month_revenue FROM both
    )
    SELECT category, month_start_date, revenue, discount, orders, units, returned, net_revenue,
        {share_of("revenue", "month_revenue")} AS revenue_share
    FROM of_month"""


TABLE = gold_table(
    module=__name__,
    model=CategoryPerformance,
    query=QUERY,
    upstream=(SALES, RETURNS, "gold.dim_product"),
    refresh=ByKey(
        "month_start_date",
        on={
            SALES: by_month("order_date"),
            RETURNS: by_month("return_date"),
            "gold.dim_product": any_change("product_key", "category"),
        },
    ),
    adds_up={SALES: "revenue", RETURNS: "returned"},
)
