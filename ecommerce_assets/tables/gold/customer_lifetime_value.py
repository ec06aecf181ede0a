"""gold.customer_lifetime_value: net revenue by customer."""

import pandera.pandas as pa

from ecommerce_assets.engine.queries import Query
from ecommerce_assets.model.dependency import any_change
from ecommerce_assets.model.strategies import RunningSums
from ecommerce_assets.tables.audits.gold import reconciles
from ecommerce_assets.tables.gold import gold_table
from ecommerce_assets.tables.gold.dim_customer import SEGMENTS
from ecommerce_assets.tables.star import CUSTOMER_SALES, NO_GUEST, ORDERS, RETURNS, REVENUE
from ecommerce_assets.tables.types import COUNT, KEY, MONEY_SUM, TEXT, WHOLE


class CustomerLifetimeValue(pa.DataFrameModel):
    """One row per customer of dim_customer; the guest is none."""

    customer_key: KEY = pa.Field(description="Joins dim_customer.")
    customer_id: TEXT = pa.Field(description="Customer number.")
    segment: TEXT = pa.Field(isin=SEGMENTS, description="Segment, as in dim_customer.")
    orders: COUNT = pa.Field(ge=0, description="Distinct orders.")
    revenue: MONEY_SUM = pa.Field(ge=0, description=f"{REVENUE} 0.00 without a sale.")
    returns: COUNT = pa.Field(ge=0, description="Returns.")
    returned: MONEY_SUM = pa.Field(ge=0, description="Revenue that came back.")
    lifetime_value: MONEY_SUM = pa.Field(
        description="revenue less returned; negative where more came back than is known as sold."
    )
    value_rank: WHOLE = pa.Field(
        ge=1, description="1 = highest lifetime_value; ties by customer_id."
    )

    class Config:
        unique = "customer_id"


# One row per customer with a return that counts.
CUSTOMER_RETURNS = Query(
    """
    SELECT customer_key, count(return_id) AS returns,
        CAST(sum(returned_amount) AS DECIMAL(18, 2)) AS returned
    FROM gold.fact_returns
    WHERE is_counted
    GROUP BY customer_key""",
    (RETURNS,),
    "customer_returns",
)
QUERY = f"""
    WITH valued AS (
        SELECT c.customer_key, c.customer_id, c.segment, coalesce(s.orders, 0) AS orders,
            CAST(coalesce(s.revenue, 0) AS DECIMAL(18, 2)) AS revenue,
            coalesce(r.returns, 0) AS returns,
            CAST(coalesce(r.returned, 0) AS DECIMAL(18, 2)) AS returned,
            CAST(coalesce(s.revenue, 0) - coalesce(r.returned, 0) AS DECIMAL(18, 2))
                AS lifetime_value
        FROM gold.dim_customer AS c
            LEFT JOIN customer_sales AS s ON s.customer_key = c.customer_key
            LEFT JOIN customer_returns AS r ON r.customer_key = c.customer_key
        WHERE c.{NO_GUEST}
    )
    SELECT *, CAST(row_number() OVER (ORDER BY lifetime_value DESC, customer_id) AS INTEGER)
        AS value_rank
    FROM valued"""


TABLE = gold_table(
    module=__name__,
    model=CustomerLifetimeValue,
    query=QUERY,
    upstream=(ORDERS, RETURNS, "gold.dim_customer"),
    prepare={ORDERS: CUSTOMER_SALES, RETURNS: CUSTOMER_RETURNS},
    refresh=RunningSums(
        of={
            ORDERS: {"orders": "orders", "revenue": "revenue"},
            RETURNS: {"returns": "returns", "returned": "returned"},
        },
        key="customer_key",
        on={"gold.dim_customer": any_change("customer_key", "customer_id", "segment")},
    ),
    audits=(
        reconciles(ORDERS, "revenue", guests=False),
        reconciles(RETURNS, "returned", guests=False),
    ),
)
