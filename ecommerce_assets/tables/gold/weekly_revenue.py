"""gold.weekly_revenue: what the shop sold, week by week."""

import pandera.pyspark as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ecommerce_assets.refresh.by_key import ByKey
from ecommerce_assets.refresh.dependency import by_week
from ecommerce_assets.tables.gold import gold_table
from ecommerce_assets.tables.star import MEASURES, SalesMeasures, sales_by, sales_by_order
from ecommerce_assets.tables.types import DATE


class WeeklyRevenue(SalesMeasures):
    """One row per ISO week with a sale."""

    week_start_date: DATE = pa.Field(description="Monday of the ISO week.")

    class Config:
        unique = "week_start_date"


def weekly_revenue(by_order: DataFrame) -> DataFrame:
    """Sales measures by week."""
    grain = F.trunc("order_date", "week").alias("week_start_date")
    return sales_by(by_order, grain).select("week_start_date", *MEASURES)


TABLE = gold_table(
    module=__name__,
    model=WeeklyRevenue,
    transform=weekly_revenue,
    upstream=("gold.fact_sales",),
    prepare={"gold.fact_sales": sales_by_order},
    refresh=ByKey("week_start_date", on={"gold.fact_sales": by_week("order_date")}),
    revenue="revenue",
)
