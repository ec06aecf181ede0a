"""gold.top_products: the products sold, ranked by revenue."""

import pandera.pyspark as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from ecommerce_assets.tables.star import gold_table
from ecommerce_assets.tables.types import COUNT, KEY, MONEY_SUM, TEXT, WHOLE


class TopProducts(pa.DataFrameModel):
    """One row per product with a sale."""

    product_key: KEY = pa.Field(description="Joins dim_product.")
    product_id: TEXT = pa.Field(description="Product number.")
    name: TEXT = pa.Field(description="Name.")
    category: TEXT = pa.Field(description="Category.")
    units: COUNT = pa.Field(ge=1, description="Pieces.")
    orders: COUNT = pa.Field(ge=1, description="Distinct orders.")
    revenue: MONEY_SUM = pa.Field(ge=0, description="What customers paid, EUR.")
    revenue_rank: WHOLE = pa.Field(ge=1, description="1 = greatest revenue; ties by product_id.")

    class Config:
        unique = "product_id"


def top_products(fact_sales: DataFrame, dim_product: DataFrame) -> DataFrame:
    """Units, orders and revenue of every product sold, ranked."""
    sold = (
        fact_sales.where("is_sale")
        .groupBy("product_key")
        .agg(
            F.sum("quantity").alias("units"),
            F.count_distinct("order_id").alias("orders"),
            F.sum("revenue").cast(MONEY_SUM).alias("revenue"),
        )
    )
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
    revenue="revenue",
)
