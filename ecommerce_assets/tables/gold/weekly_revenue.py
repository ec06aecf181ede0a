"""gold.weekly_revenue: what the shop sold and what came back, week by week."""

import pandera.pandas as pa

from ecommerce_assets.model.dependency import by_week
from ecommerce_assets.model.strategies import ByKey
from ecommerce_assets.tables.gold import gold_table
from ecommerce_assets.tables.star import ORDERS, RETURNS, SalesMeasures, measures_by
from ecommerce_assets.tables.types import DATE


class WeeklyRevenue(SalesMeasures):
    """One row per ISO week with a sale or a return."""

    week_start_date: DATE = pa.Field(description="Monday of the ISO week.")

    class Config:
        unique = "week_start_date"


TABLE = gold_table(
    module=__name__,
    model=WeeklyRevenue,
    query=measures_by("CAST(date_trunc('week', {day}) AS DATE)", "week_start_date"),
    upstream=(ORDERS, RETURNS),
    refresh=ByKey(
        "week_start_date",
        on={ORDERS: by_week("order_date"), RETURNS: by_week("return_date")},
    ),
    adds_up={ORDERS: "revenue", RETURNS: "returned"},
)
