"""gold.monthly_revenue: what the shop sold, month by month."""

import pandera.pyspark as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ecommerce_assets.refresh.by_key import ByKey
from ecommerce_assets.refresh.dependency import by_month
from ecommerce_assets.tables.gold import gold_table
from ecommerce_assets.tables.star import MEASURES, SalesMeasures, sales_by, sales_by_order
from ecommerce_assets.tables.types import DATE


class MonthlyRevenue(SalesMeasures):
    """One row per month with a sale."""

    month_start_date: DATE = pa.Field(description="First day of the month.")

    class Config:
        unique = "month_start_date"


def monthly_revenue(by_order: DataFrame) -> DataFrame:
    """Sales measures by month."""
    grain = F.trunc("order_date", "month").alias("month_start_date")
    return sales_by(by_order, grain).select("month_start_date", *MEASURES)


TABLE = gold_table(
    module=__name__,
    model=MonthlyRevenue,
    transform=monthly_revenue,
    upstream=("gold.fact_sales",),
    prepare={"gold.fact_sales": sales_by_order},
    refresh=ByKey("month_start_date", on={"gold.fact_sales": by_month("order_date")}),
    revenue="revenue",
)
