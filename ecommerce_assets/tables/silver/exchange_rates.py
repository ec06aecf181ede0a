"""silver.exchange_rates: what each currency was worth, day by day, as delivered."""

import pandera.pandas as pa

from ecommerce_assets.model.table import Table
from ecommerce_assets.shop import Shop
from ecommerce_assets.sql import ansi_literal
from ecommerce_assets.tables.contract import CrossFieldRule, essential, optional
from ecommerce_assets.tables.silver import silver_tables
from ecommerce_assets.tables.types import DATE, RATE, TEXT, TIMESTAMP


class ExchangeRates(pa.DataFrameModel):
    """One row per currency and day with a delivered rate."""

    rate_id: TEXT = essential("Currency and day; the key.")
    rate_date: DATE = essential("Day of the rate.")
    currency: TEXT = essential("Currency, ISO 4217.", case="upper", str_matches=r"^[A-Z]{3}$",
                               reason="not three letters")  # fmt: skip
    rate: RATE = essential("Units of the reporting currency for one unit of the currency.", gt=0)
    updated_at: TIMESTAMP = optional("When the rate was last changed, UTC.")

    class Config:
        unique = "rate_id"


def tables_of_shop(shop: Shop) -> tuple[Table, ...]:
    """silver.exchange_rates and its quarantine; none where orders have one currency."""
    if len(shop.currencies) == 1:
        return ()
    own = f"currency = {ansi_literal(shop.currency)} AND rate <> 1"
    return silver_tables(
        shop,
        name="exchange_rates",
        model=ExchangeRates,
        rules=(CrossFieldRule(f"rate: of {shop.currency} itself, which is 1", own),),
    )
