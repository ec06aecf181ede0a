"""gold.orders_per_customer: how often and when each customer bought."""

import pandera.pyspark as pa
from pyspark.sql import DataFrame

from ecommerce_assets.refresh.by_key import ByKey
from ecommerce_assets.refresh.dependency import by_column
from ecommerce_assets.tables.audits.gold import orders_reconcile
from ecommerce_assets.tables.gold import gold_table
from ecommerce_assets.tables.star import average, customer_sales, is_guest
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
        ge=0, description="Average order value, rounded half up to the cent."
    )

    class Config:
        unique = "customer_id"


def orders_per_customer(sales: DataFrame, dim_customer: DataFrame) -> DataFrame:
    """Orders, units, revenue and order dates by customer."""
    return (
        sales.where(~is_guest())
        .join(dim_customer, "customer_key", "inner")
        .select(
            "customer_key",
            "customer_id",
            "orders",
            "units",
            "first_order_date",
            "last_order_date",
            average("revenue", "orders").alias("average_order_value"),
        )
    )


TABLE = gold_table(
    module=__name__,
    model=OrdersPerCustomer,
    transform=orders_per_customer,
    upstream=("gold.fact_sales", "gold.dim_customer"),
    prepare={"gold.fact_sales": customer_sales},
    refresh=ByKey(
        "customer_key",
        on={
            "gold.fact_sales": by_column("customer_key"),
            "gold.dim_customer": by_column("customer_key", "customer_key", "customer_id"),
        },
    ),
    audits=(orders_reconcile,),
)
