"""gold.top_products: the products sold, ranked by revenue."""

import pandera.pyspark as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from ecommerce_assets.refresh.dependency import any_change
from ecommerce_assets.refresh.running_sums import RunningSums
from ecommerce_assets.tables.gold import gold_table
from ecommerce_assets.tables.star import NET_REVENUE
from ecommerce_assets.tables.types import COUNT, KEY, MONEY_SUM, TEXT, WHOLE


class TopProducts(pa.DataFrameModel):
    """One row per product with a sale."""

    product_key: KEY = pa.Field(description="Joins dim_product.")
    product_id: TEXT = pa.Field(description="Product number.")
    name: TEXT = pa.Field(description="Name.")
    category: TEXT = pa.Field(description="Category.")
    units: COUNT = pa.Field(ge=1, description="Pieces.")
    orders: COUNT = pa.Field(ge=1, description="Distinct orders.")
    revenue: MONEY_SUM = pa.Field(ge=0, description=NET_REVENUE)
    revenue_rank: WHOLE = pa.Field(ge=1, description="1 = highest revenue; ties by product_id.")

    class Config:
        unique = "product_id"


def product_sales(fact_sales: DataFrame) -> DataFrame:
    """One row per product sold: orders, units, revenue."""
    by_order = (
        fact_sales.where("is_sale")
        .groupBy("product_key", "order_id")
        .agg(F.sum("quantity").alias("units"), F.sum("revenue").alias("revenue"))
    )
    return by_order.groupBy("product_key").agg(
        F.count("order_id").alias("orders"),
        F.sum("units").alias("units"),
        F.sum("revenue").cast(MONEY_SUM).alias("revenue"),
    )


def top_products(sold: DataFrame, dim_product: DataFrame) -> DataFrame:
    """Units, orders and revenue by product, ranked by revenue."""
    greatest_first = Window.orderBy(F.col("revenue").desc(), "product_id")
    return sold.join(dim_product, "product_key", "inner").select(
        "product_key",
        "product_id",
        "name",
        "category",
        "units",
        "orders",
        "revenue",
        F.row_number().over(greatest_first).alias("revenue_rank"),
    )


TABLE = gold_table(
    module=__name__,
    model=TopProducts,
    transform=top_products,
    upstream=("gold.fact_sales", "gold.dim_product"),
    prepare={"gold.fact_sales": product_sales},
    refresh=RunningSums(
        of="gold.fact_sales",
        key="product_key",
        sums={"orders": "orders", "units": "units", "revenue": "revenue"},
        on={"gold.dim_product": any_change("product_key", "product_id", "name", "category")},
    ),
    revenue="revenue",
)
