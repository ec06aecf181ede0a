"""gold.customer_lifetime_value: revenue by customer."""

import pandera.pandas as pa

from ecommerce_assets.model.dependency import any_change
from ecommerce_assets.model.strategies import RunningSums
from ecommerce_assets.tables.audits.gold import revenue_reconciles
from ecommerce_assets.tables.gold import gold_table
from ecommerce_assets.tables.gold.dim_customer import SEGMENTS
from ecommerce_assets.tables.star import CUSTOMER_SALES, NET_REVENUE, NO_GUEST
from ecommerce_assets.tables.types import COUNT, KEY, MONEY_SUM, TEXT, WHOLE


class CustomerLifetimeValue(pa.DataFrameModel):
    """One row per customer of dim_customer; the guest is none."""

    customer_key: KEY = pa.Field(description="Joins dim_customer.")
    customer_id: TEXT = pa.Field(description="Customer number.")
    segment: TEXT = pa.Field(isin=SEGMENTS, description="Segment, as in dim_customer.")
    orders: COUNT = pa.Field(ge=0, description="Distinct orders.")
    lifetime_value: MONEY_SUM = pa.Field(ge=0, description=f"{NET_REVENUE} 0.00 without a sale.")
    value_rank: WHOLE = pa.Field(
        ge=1, description="1 = highest lifetime_value; ties by customer_id."
    )

    class Config:
        unique = "customer_id"


QUERY = f"""
    WITH valued AS (
        SELECT c.customer_key, c.customer_id, c.segment, coalesce(s.orders, 0) AS orders,
            CAST(coalesce(s.revenue, 0) AS DECIMAL(18, 2)) AS lifetime_value
        FROM gold.dim_customer AS c LEFT JOIN customer_sales AS s
            ON s.customer_key = c.customer_key
        WHERE c.{NO_GUEST}
    )
    SELECT *, CAST(row_number() OVER (ORDER BY lifetime_value DESC, customer_id) AS INTEGER)
        AS value_rank
    FROM valued"""


TABLE = gold_table(
    module=__name__,
    model=CustomerLifetimeValue,
    query=QUERY,
    upstream=("gold.fact_sales", "gold.dim_customer"),
    prepare={"gold.fact_sales": CUSTOMER_SALES},
    refresh=RunningSums(
        of="gold.fact_sales",
        key="customer_key",
        sums={"orders": "orders", "revenue": "lifetime_value"},
        on={"gold.dim_customer": any_change("customer_key", "customer_id", "segment")},
    ),
    audits=(revenue_reconciles("lifetime_value", guests=False),),
)
