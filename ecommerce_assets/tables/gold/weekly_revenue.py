"""gold.weekly_revenue: what the shop sold, week by week."""

import pandera.pandas as pa

from ecommerce_assets.model.dependency import by_week
from ecommerce_assets.model.strategies import ByKey
from ecommerce_assets.tables.gold import gold_table
from ecommerce_assets.tables.star import MEASURES, SALES_BY_ORDER, SalesMeasures
from ecommerce_assets.tables.types import DATE


class WeeklyRevenue(SalesMeasures):
    """One row per ISO week with a sale."""

    week_start_date: DATE = pa.Field(description="Monday of the ISO week.")

    class Config:
        unique = "week_start_date"


QUERY = f"""
    SELECT CAST(date_trunc('week', order_date) AS DATE) AS week_start_date, {MEASURES}
    FROM sales_by_order
    GROUP BY CAST(date_trunc('week', order_date) AS DATE)"""


TABLE = gold_table(
    module=__name__,
    model=WeeklyRevenue,
    query=QUERY,
    upstream=("gold.fact_sales",),
    prepare={"gold.fact_sales": SALES_BY_ORDER},
    refresh=ByKey("week_start_date", on={"gold.fact_sales": by_week("order_date")}),
    revenue="revenue",
)
