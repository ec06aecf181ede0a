"""gold.customer_lifetime_value: revenue by customer."""

import pandera.pyspark as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from ecommerce_assets.refresh.dependency import any_change
from ecommerce_assets.refresh.running_sums import RunningSums
from ecommerce_assets.tables.audits.gold import revenue_reconciles
from ecommerce_assets.tables.gold import gold_table
from ecommerce_assets.tables.gold.dim_customer import SEGMENTS
from ecommerce_assets.tables.star import NET_REVENUE, customer_sales, is_guest
from ecommerce_assets.tables.types import COUNT, KEY, MONEY_SUM, TEXT, WHOLE


class CustomerLifetimeValue(pa.DataFrameModel):
    """One row per customer of dim_customer; the guest is none."""

    customer_key: KEY = pa.Field(description="Joins dim_customer.")
    customer_id: TEXT = pa.Field(description="Customer number.")
    segment: TEXT = pa.Field(isin=SEGMENTS, description="Segment, as in dim_customer.")
    orders: COUNT = pa.Field(ge=0, description="Distinct orders.")
    lifetime_value: MONEY_SUM = pa.Field(ge=0, description=f"{NET_REVENUE} 0.00 without a sale.")
    value_rank: WHOLE = pa.Field(
        ge=1, description="1 = highest lifetime_value; ties by customer_id."
    )

    class Config:
        unique = "customer_id"


def customer_lifetime_value(sales: DataFrame, dim_customer: DataFrame) -> DataFrame:
    """Revenue of every customer, ranked."""
    customers = dim_customer.where(~is_guest())
    valued = customers.join(sales, "customer_key", "left").select(
        "customer_key",
        "customer_id",
        "segment",
        F.coalesce("orders", F.lit(0)).alias("orders"),
        F.coalesce("revenue", F.lit(0)).cast(MONEY_SUM).alias("lifetime_value"),
    )
    greatest_first = Window.orderBy(F.col("lifetime_value").desc(), "customer_id")
    return valued.select("*", F.row_number().over(greatest_first).alias("value_rank"))


TABLE = gold_table(
    module=__name__,
    model=CustomerLifetimeValue,
    transform=customer_lifetime_value,
    upstream=("gold.fact_sales", "gold.dim_customer"),
    prepare={"gold.fact_sales": customer_sales},
    refresh=RunningSums(
        of="gold.fact_sales",
        key="customer_key",
        sums={"orders": "orders", "revenue": "lifetime_value"},
        on={"gold.dim_customer": any_change("customer_key", "customer_id", "segment")},
    ),
    audits=(revenue_reconciles("lifetime_value", guests=False),),
)
