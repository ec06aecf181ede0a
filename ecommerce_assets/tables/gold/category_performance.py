"""gold.category_performance: what each category sold, month by month."""

import pandera.pyspark as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from ecommerce_assets.refresh.by_key import ByKey
from ecommerce_assets.refresh.dependency import any_change, by_month
from ecommerce_assets.tables.gold import gold_table
from ecommerce_assets.tables.star import NET_REVENUE, sales_by, sales_by_order, share_of
from ecommerce_assets.tables.types import COUNT, DATE, MONEY_SUM, SHARE, TEXT


class CategoryPerformance(pa.DataFrameModel):
    """One row per category and month with a sale."""

    category: TEXT = pa.Field(description="Category; `unknown` for inferred products.")
    month_start_date: DATE = pa.Field(description="First day of the month.")
    revenue: MONEY_SUM = pa.Field(ge=0, description=NET_REVENUE)
    discount: MONEY_SUM = pa.Field(description="Gross amount less revenue.")
    orders: COUNT = pa.Field(ge=1, description="Distinct orders.")
    units: COUNT = pa.Field(ge=1, description="Pieces.")
    revenue_share: SHARE = pa.Field(
        in_range={"min_value": 0, "max_value": 1},
        description="Share of the month's revenue, 0 to 1; 0 in a month without revenue.",
    )

    class Config:
        unique = ["category", "month_start_date"]


def category_performance(fact_sales: DataFrame, dim_product: DataFrame) -> DataFrame:
    """Sales by category and month, with their share of the month."""
    categories = fact_sales.join(dim_product, "product_key", "inner")
    category = F.col("category")
    month = F.trunc("order_date", "month").alias("month_start_date")
    sold = sales_by(sales_by_order(categories, category), category, month)
    of_month = F.sum("revenue").over(Window.partitionBy("month_start_date"))
    return sold.select("*", of_month.alias("month_revenue")).select(
        "category",
        "month_start_date",
        "revenue",
        "discount",
        "orders",
        "units",
        share_of("revenue", "month_revenue").alias("revenue_share"),
    )


TABLE = gold_table(
    module=__name__,
    model=CategoryPerformance,
    transform=category_performance,
    upstream=("gold.fact_sales", "gold.dim_product"),
    refresh=ByKey(
        "month_start_date",
        on={
            "gold.fact_sales": by_month("order_date"),
            "gold.dim_product": any_change("product_key", "category"),
        },
    ),
    revenue="revenue",
)
