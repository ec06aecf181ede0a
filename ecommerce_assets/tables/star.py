"""Surrogate keys, and the measures that every KPI of sales shares."""

import pandera.pyspark as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ecommerce_assets.tables.types import COUNT, MONEY_SUM, SHARE

FACTS = "gold.fact_sales"
GUEST = "(guest)"  # the customer_id of orders without a customer


def surrogate_key(natural_key: str) -> Column:
    """The same 64-bit number for the same natural key forever, in whatever order data came."""
    return F.xxhash64(natural_key)


def is_guest() -> Column:
    """Whether `customer_key` is that of the guest, who stands for many people."""
    return F.col("customer_key") == F.xxhash64(F.lit(GUEST))


def date_key(day: str) -> Column:
    """The day as an int yyyymmdd."""
    return F.date_format(day, "yyyyMMdd").cast("int")


NET_REVENUE = "Net item revenue in the shop's currency: after discounts, before tax and shipping."


class SalesMeasures(pa.DataFrameModel):
    """The measures of sales (rows with is_sale) at some grain."""

    revenue: MONEY_SUM = pa.Field(ge=0, description=NET_REVENUE)
    discount: MONEY_SUM = pa.Field(description="Gross amount less revenue.")
    orders: COUNT = pa.Field(ge=1, description="Distinct orders.")
    units: COUNT = pa.Field(ge=1, description="Pieces.")
    customers: COUNT = pa.Field(ge=0, description="Distinct customers; guests are not counted.")
    average_order_value: MONEY_SUM = pa.Field(
        ge=0, description="Average order value: revenue / orders, rounded half up to the cent."
    )


MEASURES = ("revenue", "discount", "orders", "units", "customers", "average_order_value")


def sales_by_order(fact_sales: DataFrame, *grain: Column) -> DataFrame:
    """Day, customer, revenue, discount and units of each order with a sale, by the grain.

    As the preparation of a KPI, it is computed once a run for all KPIs that share it.
    """
    return (
        fact_sales.where("is_sale")
        .groupBy(*grain, "order_id", "order_date", "customer_key")
        .agg(
            F.sum("revenue").alias("revenue"),
            F.sum("discount").alias("discount"),
            F.sum("quantity").alias("units"),
        )
    )


def sales_by(by_order: DataFrame, *grain: Column) -> DataFrame:
    """The grain's columns and `MEASURES`; one row per value of the grain.

    Args:
        by_order: from `sales_by_order`. Each order has one row per grain, so the count of distinct
            orders is a plain count, which leaves a single distinct aggregation, the customers.
        grain: of the result.
    """
    measured = by_order.groupBy(*grain).agg(
        F.sum("revenue").cast(MONEY_SUM).alias("revenue"),
        F.sum("discount").cast(MONEY_SUM).alias("discount"),
        F.count("order_id").alias("orders"),
        F.sum("units").alias("units"),
        F.count_distinct(F.when(~is_guest(), F.col("customer_key"))).alias("customers"),
    )
    return measured.select("*", average("revenue", "orders").alias("average_order_value"))


def customer_sales(fact_sales: DataFrame) -> DataFrame:
    """Orders, units, revenue, first and last order's days; one row per customer with a sale.

    The guest is among them.
    """
    return (
        sales_by_order(fact_sales)
        .groupBy("customer_key")
        .agg(
            F.count("order_id").alias("orders"),
            F.sum("units").alias("units"),
            F.sum("revenue").cast(MONEY_SUM).alias("revenue"),
            F.min("order_date").alias("first_order_date"),
            F.max("order_date").alias("last_order_date"),
        )
    )


def business_day(moment: str, zone: str) -> Column:
    """The day of a time in the shop's time zone.

    Args:
        moment: the column, UTC.
    """
    return F.to_date(moment if zone == "UTC" else F.from_utc_timestamp(moment, zone))


def average(amount: str, count: str) -> Column:
    """`amount / count` as money, rounded once, half up; both are columns, none negative."""
    return rounded_ratio(amount, count, 2).cast(MONEY_SUM)


def share_of(part: str, whole: str) -> Column:
    """`part / whole` to six digits, half up; 0 where the whole is 0."""
    share = F.when(F.col(whole) != 0, rounded_ratio(part, whole, 6))
    return F.coalesce(share, F.lit(0)).cast(SHARE)


def rounded_ratio(numerator: str, denominator: str, digits: int) -> Column:
    """Two non-negative columns divided, rounded half up to `digits`.

    In whole numbers: Spark rounds a decimal quotient to its own scale first, and a second
    rounding of that is not always half up.
    """
    return F.expr(
        f"cast((2 * {numerator} * 1e{digits}BD + {denominator}) div (2 * {denominator}) "
        f"as decimal(28, 0)) * 1e-{digits}BD"
    )
