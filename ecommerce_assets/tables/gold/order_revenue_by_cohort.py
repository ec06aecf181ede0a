"""gold.order_revenue_by_cohort: what came back of the orders of each day, whenever it came."""

import pandera.pandas as pa

from ecommerce_assets.model.dependency import by_day
from ecommerce_assets.model.strategies import ByKey
from ecommerce_assets.tables.gold import gold_table
from ecommerce_assets.tables.star import NET_REVENUE, ORDERS, RETURNS, REVENUE
from ecommerce_assets.tables.types import COUNT, DATE, MONEY_SUM


class OrderRevenueByCohort(pa.DataFrameModel):
    """One row per order date with a sale, or with a return of an order that is not known."""

    order_date: DATE = pa.Field(
        description="Day of the orders, in the shop's time zone; of the returns whose order is not "
        "known, their own day."
    )
    orders: COUNT = pa.Field(ge=0, description="Distinct orders.")
    revenue: MONEY_SUM = pa.Field(ge=0, description=REVENUE)
    returns: COUNT = pa.Field(ge=0, description="Returns of these orders.")
    returned: MONEY_SUM = pa.Field(
        ge=0, description="Revenue of these orders that came back, whenever it did."
    )
    net_revenue: MONEY_SUM = pa.Field(description=NET_REVENUE)

    class Config:
        unique = "order_date"


QUERY = f"""
    WITH sold AS (
        SELECT order_date, count(order_id) AS orders,
            CAST(sum(revenue) AS DECIMAL(18, 2)) AS revenue
        FROM {ORDERS}
        WHERE is_sale
        GROUP BY order_date
    ), came_back AS (
        SELECT order_date, count(return_id) AS returns,
            CAST(sum(returned_amount) AS DECIMAL(18, 2)) AS returned
        FROM {RETURNS}
        WHERE is_counted
        GROUP BY order_date
    )
    SELECT coalesce(sold.order_date, came_back.order_date) AS order_date,
        coalesce(sold.orders, 0) AS orders,
        coalesce(sold.revenue, CAST(0 AS DECIMAL(18, 2))) AS revenue,
        coalesce(came_back.returns, 0) AS returns,
        coalesce(came_back.returned, CAST(0 AS DECIMAL(18, 2))) AS returned,
        CAST(coalesce(sold.revenue, 0) - coalesce(came_back.returned, 0) AS DECIMAL(18, 2))
            AS net_revenue
    FROM sold FULL JOIN came_back ON sold.order_date = came_back.order_date"""


TABLE = gold_table(
    module=__name__,
    model=OrderRevenueByCohort,
    query=QUERY,
    upstream=(ORDERS, RETURNS),
    refresh=ByKey("order_date", on={ORDERS: by_day("order_date"), RETURNS: by_day("order_date")}),
    adds_up={ORDERS: "revenue", RETURNS: "returned"},
)
