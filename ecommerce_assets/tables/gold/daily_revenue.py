"""gold.daily_revenue: what the shop sold, day by day."""

import pandera.pyspark as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ecommerce_assets.refresh.by_key import ByKey
from ecommerce_assets.refresh.dependency import by_day
from ecommerce_assets.tables.gold import gold_table
from ecommerce_assets.tables.star import MEASURES, SalesMeasures, sales_by, sales_by_order
from ecommerce_assets.tables.types import DATE


class DailyRevenue(SalesMeasures):
    """One row per order date with a sale."""

    order_date: DATE = pa.Field(description="Day of the order, in the shop's time zone.")

    class Config:
        unique = "order_date"


def daily_revenue(by_order: DataFrame) -> DataFrame:
    """Sales measures by day."""
    grain = F.col("order_date").alias("order_date")
    return sales_by(by_order, grain).select("order_date", *MEASURES)


TABLE = gold_table(
    module=__name__,
    model=DailyRevenue,
    transform=daily_revenue,
    upstream=("gold.fact_sales",),
    prepare={"gold.fact_sales": sales_by_order},
    refresh=ByKey("order_date", on={"gold.fact_sales": by_day("order_date")}),
    revenue="revenue",
)
