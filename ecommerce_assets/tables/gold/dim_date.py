"""gold.dim_date: the calendar."""

import pandera.pandas as pa

from ecommerce_assets.model.dependency import any_change
from ecommerce_assets.model.strategies import Full
from ecommerce_assets.tables.audits.gold import fact_rows_join
from ecommerce_assets.tables.gold import STAR, gold_table
from ecommerce_assets.tables.star import date_key
from ecommerce_assets.tables.types import DATE, FLAG, TEXT, WHOLE


class DimDate(pa.DataFrameModel):
    """One row per day of the years with an order or a return, and of those between."""

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


# Every day of the years with orders or returns; none without any.
QUERY = f"""
    WITH years AS (
        SELECT year(min(business_date)) AS earliest, year(max(business_date)) AS latest
        FROM (
            SELECT business_date FROM silver.orders
            UNION ALL SELECT business_date FROM silver.returns
        ) AS days
    ), days AS (
        SELECT unnest(generate_series(
            make_date(earliest, 1, 1), make_date(latest, 12, 31), INTERVAL 1 DAY)) AS day
        FROM years
        WHERE earliest IS NOT NULL
    ), dates AS (
        SELECT CAST(day AS DATE) AS date, CAST(date_trunc('week', day) AS DATE) AS monday
        FROM days
    ), numbered AS (
        SELECT *, CAST(date_diff('day', monday, date) + 1 AS INTEGER) AS day_of_week
        FROM dates
    )
    SELECT {date_key("date")} AS date_key, date, day_of_week,
        strftime(date, '%A') AS day_name, CAST(week(date) AS INTEGER) AS week,
        monday AS week_start_date, CAST(month(date) AS INTEGER) AS month,
        strftime(date, '%B') AS month_name, CAST(quarter(date) AS INTEGER) AS quarter,
        CAST(year(date) AS INTEGER) AS year, day_of_week >= 6 AS is_weekend
    FROM numbered"""


TABLE = gold_table(
    module=__name__,
    model=DimDate,
    query=QUERY,
    publish_group=STAR,
    may_shrink=True,  # by years, as soon as a wrong order date is corrected
    upstream=("silver.orders", "silver.returns"),
    refresh=Full(
        on={
            "silver.orders": any_change("business_date"),
            "silver.returns": any_change("business_date"),
        }
    ),
    audits=(fact_rows_join("date_key"),),
)
