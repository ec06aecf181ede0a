"""gold.daily_revenue: what the shop sold and what came back, day by day."""

import pandera.pandas as pa

from ecommerce_assets.model.dependency import by_day
from ecommerce_assets.model.strategies import ByKey
from ecommerce_assets.tables.gold import gold_table
from ecommerce_assets.tables.star import ORDERS, RETURNS, SalesMeasures, measures_by
from ecommerce_assets.tables.types import DATE


class DailyRevenue(SalesMeasures):
    """One row per day with a sale or a return."""

    order_date: DATE = pa.Field(
        description="Day of the orders, and of the returns, in the shop's time zone."
    )

    class Config:
        unique = "order_date"


TABLE = gold_table(
    module=__name__,
    model=DailyRevenue,
    query=measures_by("{day}", "order_date"),
    upstream=(ORDERS, RETURNS),
    refresh=ByKey("order_date", on={ORDERS: by_day("order_date"), RETURNS: by_day("return_date")}),
    adds_up={ORDERS: "revenue", RETURNS: "returned"},
)
