"""gold.monthly_revenue: what the shop sold and what came back, month by month."""

import pandera.pandas as pa

from ecommerce_assets.model.dependency import by_month
from ecommerce_assets.model.table import Table
from ecommerce_assets.shop import Shop
from ecommerce_assets.tables.gold import revenue_table
from ecommerce_assets.tables.star import SalesMeasures
from ecommerce_assets.tables.types import DATE


class MonthlyRevenue(SalesMeasures):
    """One row per month with a sale or a return."""

    month_start_date: DATE = pa.Field(description="First day of the month.")

    class Config:
        unique = "month_start_date"


def tables_of_shop(shop: Shop) -> tuple[Table, ...]:
    """gold.monthly_revenue."""
    interval = "CAST(date_trunc('month', {day}) AS DATE)"
    return (
        revenue_table(shop, module=__name__, model=MonthlyRevenue, interval=interval, by=by_month),
    )
