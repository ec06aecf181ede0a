"""gold.dim_customer: customers, with their segment."""

import pandera.pyspark as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ecommerce_assets.refresh.by_key import ByKey
from ecommerce_assets.refresh.dependency import by_column, by_hash
from ecommerce_assets.shop import Shop
from ecommerce_assets.tables.audits.gold import fact_rows_join, inferred_members
from ecommerce_assets.tables.declaration import Table
from ecommerce_assets.tables.gold import STAR, gold_table
from ecommerce_assets.tables.star import GUEST, customer_sales, surrogate_key
from ecommerce_assets.tables.types import FLAG, KEY, TEXT, TIMESTAMP

SEGMENTS = ("guest", "inactive", "new", "vip", "regular")
VIP_REVENUE = "5000.00"


class DimCustomer(pa.DataFrameModel):
    """One row per customer, plus an inferred member for each id seen only in orders.

    Orders without a customer, where the shop file allows them, belong to one member, the guest.
    """

    customer_key: KEY = pa.Field(description="Surrogate key: xxhash64 of customer_id.")
    customer_id: TEXT = pa.Field(description="Customer number.")
    email: TEXT = pa.Field(nullable=True, description="E-mail address; null while inferred.")
    first_name: TEXT = pa.Field(nullable=True, description="First name.")
    last_name: TEXT = pa.Field(nullable=True, description="Last name.")
    country: TEXT = pa.Field(nullable=True, description="Country, two letters.")
    city: TEXT = pa.Field(nullable=True, description="City.")
    created_at: TIMESTAMP = pa.Field(nullable=True, description="When the account was opened, UTC.")
    segment: TEXT = pa.Field(
        isin=SEGMENTS,
        description="From sales: guest (orders without a customer), inactive (no order), new "
        "(one), vip (revenue of 5000.00 or more), regular; the first that fits.",
    )
    is_inferred: FLAG = pa.Field(
        description="True while the customer is known only from orders; false for the guest."
    )

    class Config:
        unique = "customer_id"


def dim_customer(customers: DataFrame, orders: DataFrame, sales: DataFrame) -> DataFrame:
    """Known customers and inferred members; segments depend on sales, not on the clock."""
    named = orders.select(F.col("customer_id").alias("named_id")).distinct()
    everyone = customers.join(named, F.col("customer_id") == F.col("named_id"), "full_outer")
    members = everyone.select(
        F.coalesce("customer_id", "named_id").alias("customer_id"),
        "email",
        "first_name",
        "last_name",
        "country",
        "city",
        "created_at",
        (F.col("customer_id").isNull() & (F.col("named_id") != GUEST)).alias("is_inferred"),
    ).select(surrogate_key("customer_id").alias("customer_key"), "*")
    segment = (
        F.when(F.col("customer_id") == GUEST, "guest")
        .when(F.col("orders").isNull(), "inactive")
        .when(F.col("orders") == 1, "new")
        .when(F.col("revenue") >= F.lit(VIP_REVENUE).cast("decimal(18,2)"), "vip")
        .otherwise("regular")
    )
    return members.join(sales, "customer_key", "left").select(
        "customer_key",
        "customer_id",
        "email",
        "first_name",
        "last_name",
        "country",
        "city",
        "created_at",
        segment.alias("segment"),
        "is_inferred",
    )


def tables_of_shop(shop: Shop) -> tuple[Table, ...]:
    """gold.dim_customer."""
    members = [inferred_members("customer_id")] if "customers" in shop.declared.tables else []
    return (
        gold_table(
            module=__name__,
            model=DimCustomer,
            transform=dim_customer,
            publish_group=STAR,
            upstream=("silver.customers", "silver.orders", "gold.fact_sales"),
            prepare={"gold.fact_sales": customer_sales},
            refresh=ByKey(
                "customer_key",
                on={
                    "silver.customers": by_hash("customer_id"),
                    "silver.orders": by_hash("customer_id", "customer_id"),
                    "gold.fact_sales": by_column("customer_key"),
                },
            ),
            audits=(fact_rows_join("customer_key", "customer_key"), *members),
        ),
    )
