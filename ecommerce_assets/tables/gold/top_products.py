"""gold.top_products: the products sold, ranked by revenue, and what of them came back."""

import pandera.pandas as pa

from ecommerce_assets.engine.queries import Query
from ecommerce_assets.model.dependency import any_change
from ecommerce_assets.model.strategies import RunningSums
from ecommerce_assets.tables.gold import gold_table
from ecommerce_assets.tables.star import NET_REVENUE, RETURNS, REVENUE, SALES
from ecommerce_assets.tables.types import COUNT, KEY, MONEY_SUM, TEXT, WHOLE


class TopProducts(pa.DataFrameModel):
    """One row per product with a sale or a return."""

    product_key: KEY = pa.Field(description="Joins dim_product.")
    product_id: TEXT = pa.Field(description="Product number.")
    name: TEXT = pa.Field(description="Name.")
    category: TEXT = pa.Field(description="Category.")
    units: COUNT = pa.Field(ge=0, description="Pieces.")
    orders: COUNT = pa.Field(ge=0, description="Distinct orders.")
    revenue: MONEY_SUM = pa.Field(ge=0, description=REVENUE)
    returns: COUNT = pa.Field(ge=0, description="Returns.")
    units_returned: COUNT = pa.Field(ge=0, description="Pieces that came back.")
    returned: MONEY_SUM = pa.Field(ge=0, description="Revenue that came back.")
    net_revenue: MONEY_SUM = pa.Field(description=NET_REVENUE)
    revenue_rank: WHOLE = pa.Field(
        nullable=True,
        ge=1,
        description="1 = highest revenue; ties by product_id. Null of charges like postage, and of "
        "returns of no single product.",
    )

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
    (SALES,),
    "product_sales",
)
# One row per product with a return that counts: returns, pieces, revenue.
PRODUCT_RETURNS = Query(
    """
    SELECT product_key, count(return_id) AS returns,
        CAST(sum(coalesce(quantity, 0)) AS BIGINT) AS units_returned,
        CAST(sum(returned_amount) AS DECIMAL(18, 2)) AS returned
    FROM gold.fact_returns
    WHERE is_counted
    GROUP BY product_key""",
    (RETURNS,),
    "product_returns",
)
QUERY = """
    WITH figures AS (
        SELECT coalesce(s.product_key, r.product_key) AS product_key,
            coalesce(s.units, 0) AS units, coalesce(s.orders, 0) AS orders,
            CAST(coalesce(s.revenue, 0) AS DECIMAL(18, 2)) AS revenue,
            coalesce(r.returns, 0) AS returns, coalesce(r.units_returned, 0) AS units_returned,
            CAST(coalesce(r.returned, 0) AS DECIMAL(18, 2)) AS returned,
            CAST(coalesce(s.revenue, 0) - coalesce(r.returned, 0) AS DECIMAL(18, 2)) AS net_revenue
        FROM product_sales AS s FULL JOIN product_returns AS r ON r.product_key = s.product_key
    ), named AS (
        SELECT f.product_key, p.product_id, p.name, p.category, f.units, f.orders, f.revenue,
            f.returns, f.units_returned, f.returned, f.net_revenue,
            p.role = 'goods' AND f.orders > 0 AS is_ranked
        FROM figures AS f JOIN gold.dim_product AS p ON p.product_key = f.product_key
    ), ranked AS (
        SELECT *, CAST(row_number() OVER (PARTITION BY is_ranked
            ORDER BY revenue DESC, product_id) AS INTEGER) AS place
        FROM named
    )
    SELECT product_key, product_id, name, category, units, orders, revenue, returns, units_returned,
        returned, net_revenue, CASE WHEN is_ranked THEN place END AS revenue_rank
    FROM ranked"""


TABLE = gold_table(
    module=__name__,
    model=TopProducts,
    query=QUERY,
    upstream=(SALES, RETURNS, "gold.dim_product"),
    prepare={SALES: PRODUCT_SALES, RETURNS: PRODUCT_RETURNS},
    refresh=RunningSums(
        of={
            SALES: {"orders": "orders", "units": "units", "revenue": "revenue"},
            RETURNS: {
                "returns": "returns",
                "units_returned": "units_returned",
                "returned": "returned",
            },
        },
        key="product_key",
        on={
            "gold.dim_product": any_change("product_key", "product_id", "name", "category", "role")
        },
    ),
    adds_up={SALES: "revenue", RETURNS: "returned"},
)
