"""gold.dim_product: products."""

import pandera.pyspark as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ecommerce_assets.refresh.by_key import ByKey
from ecommerce_assets.refresh.dependency import by_hash
from ecommerce_assets.shop import Shop
from ecommerce_assets.tables.audits.gold import fact_rows_join, inferred_members
from ecommerce_assets.tables.declaration import Table
from ecommerce_assets.tables.gold import STAR, gold_table
from ecommerce_assets.tables.star import surrogate_key
from ecommerce_assets.tables.types import FLAG, KEY, PRICE, TEXT

UNKNOWN = "unknown"


class DimProduct(pa.DataFrameModel):
    """One row per product, plus an inferred member for each id seen only in order items."""

    product_key: KEY = pa.Field(description="Surrogate key: xxhash64 of product_id.")
    product_id: TEXT = pa.Field(description="Product number.")
    sku: TEXT = pa.Field(nullable=True, description="Stock keeping unit.")
    name: TEXT = pa.Field(description="Name; `unknown` while inferred.")
    category: TEXT = pa.Field(description="Category; `unknown` while inferred.")
    subcategory: TEXT = pa.Field(nullable=True, description="Subcategory.")
    brand: TEXT = pa.Field(nullable=True, description="Brand.")
    price: PRICE = pa.Field(nullable=True, ge=0, description="List price.")
    cost: PRICE = pa.Field(nullable=True, ge=0, description="What the shop pays.")
    is_active: FLAG = pa.Field(nullable=True, description="Whether it is on sale.")
    is_inferred: FLAG = pa.Field(
        description="True while the product is known only from order items."
    )

    class Config:
        unique = "product_id"


def dim_product(products: DataFrame, order_items: DataFrame) -> DataFrame:
    """Known products and inferred members; an inferred member is replaced when its row arrives."""
    named = order_items.select(F.col("product_id").alias("named_id")).distinct()
    everything = products.join(named, F.col("product_id") == F.col("named_id"), "full_outer")
    return everything.select(
        F.coalesce("product_id", "named_id").alias("product_id"),
        "sku",
        F.coalesce("name", F.lit(UNKNOWN)).alias("name"),
        F.coalesce("category", F.lit(UNKNOWN)).alias("category"),
        "subcategory",
        "brand",
        "price",
        "cost",
        "is_active",
        F.col("product_id").isNull().alias("is_inferred"),
    ).select(surrogate_key("product_id").alias("product_key"), "*")


def tables_of_shop(shop: Shop) -> tuple[Table, ...]:
    """gold.dim_product."""
    members = [inferred_members("product_id")] if "products" in shop.declared.tables else []
    return (
        gold_table(
            module=__name__,
            model=DimProduct,
            transform=dim_product,
            publish_group=STAR,
            upstream=("silver.products", "silver.order_items"),
            refresh=ByKey(
                "product_key",
                on={
                    "silver.products": by_hash("product_id"),
                    "silver.order_items": by_hash(
                        "product_id", "product_id", unless_in="silver.products"
                    ),
                },
            ),
            audits=(fact_rows_join("product_key", "product_key"), *members),
        ),
    )
