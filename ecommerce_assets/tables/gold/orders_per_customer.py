"""gold.orders_per_customer: how often and when each customer bought."""

import pandera.pandas as pa

from ecommerce_assets.model.dependency import by_column
from ecommerce_assets.model.strategies import ByKey
from ecommerce_assets.model.table import Table
from ecommerce_assets.shop import Shop
from ecommerce_assets.shop.model import digits_of
from ecommerce_assets.tables.audits.gold import orders_reconcile
from ecommerce_assets.tables.gold import gold_table
from ecommerce_assets.tables.star import CUSTOMER_SALES, NO_GUEST, ORDERS, average
from ecommerce_assets.tables.types import COUNT, DATE, KEY, MONEY_SUM, TEXT


class OrdersPerCustomer(pa.DataFrameModel):
    """One row per customer with a sale; the guest is none."""

    customer_key: KEY = pa.Field(description="Joins dim_customer.")
    customer_id: TEXT = pa.Field(description="Customer number.")
    orders: COUNT = pa.Field(ge=1, description="Distinct orders.")
    units: COUNT = pa.Field(ge=1, description="Pieces.")
    first_order_date: DATE = pa.Field(description="Day of the first order.")
    last_order_date: DATE = pa.Field(description="Day of the last order.")
    average_order_value: MONEY_SUM = pa.Field(
        ge=0, description="Average order value, rounded half up to the currency's smallest unit."
    )

    class Config:
        unique = "customer_id"


def tables_of_shop(shop: Shop) -> tuple[Table, ...]:
    """gold.orders_per_customer."""
    value = average("s.revenue", "s.orders", digits_of(shop.currency))
    query = f"""
        SELECT c.customer_key, c.customer_id, s.orders, s.units, s.first_order_date,
            s.last_order_date, {value} AS average_order_value
        FROM customer_sales AS s JOIN gold.dim_customer AS c ON c.customer_key = s.customer_key
        WHERE s.{NO_GUEST}"""
    return (
        gold_table(
            module=__name__,
            model=OrdersPerCustomer,
            query=query,
            upstream=(ORDERS, "gold.dim_customer"),
            prepare={ORDERS: CUSTOMER_SALES},
            refresh=ByKey(
                "customer_key",
                on={
                    ORDERS: by_column("customer_key"),
                    "gold.dim_customer": by_column("customer_key", "customer_key", "customer_id"),
                },
            ),
            audits=(orders_reconcile,),
        ),
    )
