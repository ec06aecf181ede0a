"""gold.weekly_revenue: what the shop sold and what came back, week by week."""

import pandera.pandas as pa

from ecommerce_assets.model.dependency import by_week
from ecommerce_assets.model.table import Table
from ecommerce_assets.shop import Shop
from ecommerce_assets.tables.gold import revenue_table
from ecommerce_assets.tables.star import SalesMeasures
from ecommerce_assets.tables.types import DATE


class WeeklyRevenue(SalesMeasures):
    """One row per ISO week with a sale or a return."""

    week_start_date: DATE = pa.Field(description="Monday of the ISO week.")

    class Config:
        unique = "week_start_date"


def tables_of_shop(shop: Shop) -> tuple[Table, ...]:
    """gold.weekly_revenue."""
    interval = "CAST(date_trunc('week', {day}) AS DATE)"
    return (
        revenue_table(shop, module=__name__, model=WeeklyRevenue, interval=interval, by=by_week),
    )
