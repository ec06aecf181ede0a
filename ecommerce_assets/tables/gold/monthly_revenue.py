"""gold.monthly_revenue: what the shop sold, month by month."""

import pandera.pandas as pa

from ecommerce_assets.model.dependency import by_month
from ecommerce_assets.model.strategies import ByKey
from ecommerce_assets.tables.gold import gold_table
from ecommerce_assets.tables.star import MEASURES, SALES_BY_ORDER, SalesMeasures
from ecommerce_assets.tables.types import DATE


class MonthlyRevenue(SalesMeasures):
    """One row per month with a sale."""

    month_start_date: DATE = pa.Field(description="First day of the month.")

    class Config:
        unique = "month_start_date"


QUERY = f"""
    SELECT CAST(date_trunc('month', order_date) AS DATE) AS month_start_date, {MEASURES}
    FROM sales_by_order
    GROUP BY CAST(date_trunc('month', order_date) AS DATE)"""


TABLE = gold_table(
    module=__name__,
    model=MonthlyRevenue,
    query=QUERY,
    upstream=("gold.fact_sales",),
    prepare={"gold.fact_sales": SALES_BY_ORDER},
    refresh=ByKey("month_start_date", on={"gold.fact_sales": by_month("order_date")}),
    revenue="revenue",
)
