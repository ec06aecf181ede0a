"""gold.dim_date: the calendar."""

from functools import partial

import pandera.pyspark as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ecommerce_assets.refresh.dependency import any_change
from ecommerce_assets.refresh.full import Full
from ecommerce_assets.shop import Shop
from ecommerce_assets.tables.audits.gold import fact_rows_join
from ecommerce_assets.tables.declaration import Table
from ecommerce_assets.tables.gold import STAR, gold_table
from ecommerce_assets.tables.star import business_day, date_key
from ecommerce_assets.tables.types import DATE, FLAG, TEXT, WHOLE


class DimDate(pa.DataFrameModel):
    """One row per day from 1 January of the first to 31 December of the last year with an order."""

    date_key: WHOLE = pa.Field(description="The day as yyyymmdd; the key.")
    date: DATE = pa.Field(description="The day.")
    day_of_week: WHOLE = pa.Field(
        description="1 = Monday to 7 = Sunday.", in_range={"min_value": 1, "max_value": 7}
    )
    day_name: TEXT = pa.Field(description="Name of the day, English.")
    week: WHOLE = pa.Field(description="ISO week.", in_range={"min_value": 1, "max_value": 53})
    week_start_date: DATE = pa.Field(description="Monday of the ISO week.")
    month: WHOLE = pa.Field(description="1 to 12.", in_range={"min_value": 1, "max_value": 12})
    month_name: TEXT = pa.Field(description="Name of the month, English.")
    quarter: WHOLE = pa.Field(description="1 to 4.", in_range={"min_value": 1, "max_value": 4})
    year: WHOLE = pa.Field(description="Year.")
    is_weekend: FLAG = pa.Field(description="Saturday or Sunday.")

    class Config:
        unique = "date_key"


def dim_date(orders: DataFrame, *, zone: str) -> DataFrame:
    """Every day of the years with orders; empty without orders.

    Args:
        zone: time zone of the business day.
    """
    ends = orders.agg(F.min("order_date").alias("earliest"), F.max("order_date").alias("latest"))
    years = ends.select(
        F.year(business_day("earliest", zone)).alias("first"),
        F.year(business_day("latest", zone)).alias("last"),
    ).where(F.col("first").isNotNull())
    days = years.select(
        F.explode(
            F.sequence(F.make_date("first", F.lit(1), F.lit(1)),
                       F.make_date("last", F.lit(12), F.lit(31)))
        ).alias("date")
    )  # fmt: skip
    day_of_week = F.weekday("date") + 1
    return days.select(
        date_key("date").alias("date_key"),
        "date",
        day_of_week.alias("day_of_week"),
        F.date_format("date", "EEEE").alias("day_name"),
        F.weekofyear("date").alias("week"),
        F.trunc("date", "week").alias("week_start_date"),
        F.month("date").alias("month"),
        F.date_format("date", "MMMM").alias("month_name"),
        F.quarter("date").alias("quarter"),
        F.year("date").alias("year"),
        (day_of_week >= 6).alias("is_weekend"),
    )


def tables_of_shop(shop: Shop) -> tuple[Table, ...]:
    """gold.dim_date."""
    return (
        gold_table(
            module=__name__,
            model=DimDate,
            transform=partial(dim_date, zone=shop.zone),
            publish_group=STAR,
            may_shrink=True,  # by years, as soon as a wrong order date is corrected
            upstream=("silver.orders",),
            refresh=Full(on={"silver.orders": any_change("order_date")}),
            audits=(fact_rows_join("date_key"),),
        ),
    )
