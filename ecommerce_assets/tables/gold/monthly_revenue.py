"""gold.monthly_revenue: what the shop sold and what came back, month by month."""

import pandera.pandas as pa

from ecommerce_assets.model.dependency import by_month
from ecommerce_assets.model.strategies import ByKey
from ecommerce_assets.tables.gold import gold_table
from ecommerce_assets.tables.star import ORDERS, RETURNS, SalesMeasures, measures_by
from ecommerce_assets.tables.types import DATE


class MonthlyRevenue(SalesMeasures):
    """One row per month with a sale or a return."""

    month_start_date: DATE = pa.Field(description="First day of the month.")

    class Config:
        unique = "month_start_date"


TABLE = gold_table(
    module=__name__,
    model=MonthlyRevenue,
    query=measures_by("CAST(date_trunc('month', {day}) AS DATE)", "month_start_date"),
    upstream=(ORDERS, RETURNS),
    refresh=ByKey(
        "month_start_date",
        on={ORDERS: by_month("order_date"), RETURNS: by_month("return_date")},
    ),
    adds_up={ORDERS: "revenue", RETURNS: "returned"},
)
