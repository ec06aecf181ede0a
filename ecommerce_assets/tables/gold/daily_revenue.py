"""gold.daily_revenue: what the shop sold and what came back, day by day."""

import pandera.pandas as pa

from ecommerce_assets.model.dependency import by_day
from ecommerce_assets.model.table import Table
from ecommerce_assets.shop import Shop
from ecommerce_assets.tables.gold import revenue_table
from ecommerce_assets.tables.star import SalesMeasures
from ecommerce_assets.tables.types import DATE


class DailyRevenue(SalesMeasures):
    """One row per day with a sale or a return."""

    order_date: DATE = pa.Field(
        description="Day of the orders, and of the returns, in the shop's time zone."
    )

    class Config:
        unique = "order_date"


def tables_of_shop(shop: Shop) -> tuple[Table, ...]:
    """gold.daily_revenue."""
    interval = "{day}"
    return (revenue_table(shop, module=__name__, model=DailyRevenue, interval=interval, by=by_day),)
