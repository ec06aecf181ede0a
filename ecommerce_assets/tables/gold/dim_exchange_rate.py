"""gold.dim_exchange_rate: the rate at which each day's orders are converted."""

import pandera.pandas as pa

from ecommerce_assets.model.dependency import any_change
from ecommerce_assets.model.strategies import Full
from ecommerce_assets.model.table import Table
from ecommerce_assets.model.versions import latest_first
from ecommerce_assets.shop import Shop
from ecommerce_assets.sql import ansi_literal
from ecommerce_assets.tables.currencies import DAYS_VALID, currencies_of
from ecommerce_assets.tables.gold import gold_table
from ecommerce_assets.tables.provenance import VERSION_ORDER
from ecommerce_assets.tables.types import DATE, RATE, TEXT


class DimExchangeRate(pa.DataFrameModel):
    """One row per currency of orders and day with a rate of that day or of the week before."""

    currency: TEXT = pa.Field(description="Currency, ISO 4217.")
    date: DATE = pa.Field(description="The day.")
    rate_date: DATE = pa.Field(description="Day of the rate: the latest on or before the day.")
    exchange_rate: RATE = pa.Field(
        gt=0, description="Units of the reporting currency for one unit of the currency."
    )

    class Config:
        unique = ["currency", "date"]


def tables_of_shop(shop: Shop) -> tuple[Table, ...]:
    """gold.dim_exchange_rate; none where orders have one currency."""
    others = currencies_of(shop).others
    if not others:
        return ()
    # Of two rates of a currency and day, whose keys are written differently, the later version.
    order = latest_first(("rate_date", *VERSION_ORDER))
    query = f"""
        WITH days AS (
            SELECT *, unnest(generate_series(rate_date,
                CAST(rate_date + INTERVAL {DAYS_VALID} DAY AS DATE), INTERVAL 1 DAY)) AS day
            FROM silver.exchange_rates
            WHERE currency IN ({", ".join(map(ansi_literal, others))})
        ), ranked AS (
            SELECT currency, CAST(day AS DATE) AS date, rate_date, rate,
                row_number() OVER (PARTITION BY currency, day ORDER BY {order}) AS place
            FROM days
        )
        SELECT currency, date, rate_date, rate AS exchange_rate FROM ranked WHERE place = 1"""
    return (
        gold_table(
            module=__name__,
            model=DimExchangeRate,
            query=query,
            upstream=("silver.exchange_rates",),
            refresh=Full(
                on={
                    "silver.exchange_rates": any_change(
                        "rate_date", "currency", "rate", *VERSION_ORDER
                    )
                }
            ),
            may_shrink=True,  # where rates are taken back
        ),
    )
