"""gold.daily_revenue: what the shop sold, day by day."""

import pandera.pandas as pa

from ecommerce_assets.model.dependency import by_day
from ecommerce_assets.model.strategies import ByKey
from ecommerce_assets.tables.gold import gold_table
from ecommerce_assets.tables.star import MEASURES, SALES_BY_ORDER, SalesMeasures
from ecommerce_assets.tables.types import DATE


class DailyRevenue(SalesMeasures):
    """One row per order date with a sale."""

    order_date: DATE = pa.Field(description="Day of the order, in the shop's time zone.")

    class Config:
        unique = "order_date"


QUERY = f"""
    SELECT order_date, {MEASURES}
    FROM sales_by_order
    GROUP BY order_date"""


TABLE = gold_table(
    module=__name__,
    model=DailyRevenue,
    query=QUERY,
    upstream=("gold.fact_sales",),
    prepare={"gold.fact_sales": SALES_BY_ORDER},
    refresh=ByKey("order_date", on={"gold.fact_sales": by_day("order_date")}),
    revenue="revenue",
)
