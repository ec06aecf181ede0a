"""gold.top_products: the products sold, ranked by revenue."""

import pandera.pandas as pa

from ecommerce_assets.engine.queries import Query
from ecommerce_assets.model.dependency import any_change
from ecommerce_assets.model.strategies import RunningSums
from ecommerce_assets.tables.gold import gold_table
from ecommerce_assets.tables.star import FACTS, NET_REVENUE
from ecommerce_assets.tables.types import COUNT, KEY, MONEY_SUM, TEXT, WHOLE


class TopProducts(pa.DataFrameModel):
    """One row per product with a sale."""

    product_key: KEY = pa.Field(description="Joins dim_product.")
    product_id: TEXT = pa.Field(description="Product number.")
    name: TEXT = pa.Field(description="Name.")
    category: TEXT = pa.Field(description="Category.")
    units: COUNT = pa.Field(ge=1, description="Pieces.")
    orders: COUNT = pa.Field(ge=1, description="Distinct orders.")
    revenue: MONEY_SUM = pa.Field(ge=0, description=NET_REVENUE)
    revenue_rank: WHOLE = pa.Field(ge=1, description="1 = highest revenue; ties by product_id.")

    class Config:
        unique = "product_id"


# One row per product sold: orders, units, revenue.
PRODUCT_SALES = Query(
    """
    SELECT product_key, count(order_id) AS orders, CAST(sum(units) AS BIGINT) AS units,
        CAST(sum(revenue) AS DECIMAL(18, 2)) AS revenue
    FROM (
        SELECT product_key, order_id, CAST(sum(quantity) AS BIGINT) AS units,
            sum(revenue) AS revenue
        FROM gold.fact_sales
        WHERE is_sale
        GROUP BY product_key, order_id
    ) AS orders
    GROUP BY product_key""",
    (FACTS,),
    "product_sales",
)
QUERY = """
    SELECT p.product_key, p.product_id, p.name, p.category, s.units, s.orders, s.revenue,
        CAST(row_number() OVER (ORDER BY s.revenue DESC, p.product_id) AS INTEGER) AS revenue_rank
    FROM product_sales AS s JOIN gold.dim_product AS p ON p.product_key = s.product_key"""


TABLE = gold_table(
    module=__name__,
    model=TopProducts,
    query=QUERY,
    upstream=("gold.fact_sales", "gold.dim_product"),
    prepare={"gold.fact_sales": PRODUCT_SALES},
    refresh=RunningSums(
        of="gold.fact_sales",
        key="product_key",
        sums={"orders": "orders", "units": "units", "revenue": "revenue"},
        on={"gold.dim_product": any_change("product_key", "product_id", "name", "category")},
    ),
    revenue="revenue",
)
