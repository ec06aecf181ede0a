"""gold.dim_customer: customers, with their segment."""

import pandera.pandas as pa

from ecommerce_assets.model.dependency import by_column, by_hash
from ecommerce_assets.model.strategies import ByKey
from ecommerce_assets.model.table import Table
from ecommerce_assets.shop import Shop
from ecommerce_assets.sql import ansi_literal
from ecommerce_assets.tables.audits.gold import fact_rows_join, inferred_members
from ecommerce_assets.tables.gold import STAR, gold_table
from ecommerce_assets.tables.star import CUSTOMER_SALES, GUEST, ORDERS
from ecommerce_assets.tables.types import FLAG, KEY, TEXT, TIMESTAMP

SEGMENTS = ("guest", "inactive", "new", "vip", "regular")
VIP_REVENUE = "5000.00"


class DimCustomer(pa.DataFrameModel):
    """One row per customer, plus an inferred member for each id seen only in orders and returns.

    Orders without a customer, where the shop file allows them, belong to one member, the guest.
    Names and addresses stay in silver.customers: gold holds no personal data.
    """

    customer_key: KEY = pa.Field(description="Surrogate key: xxhash64 of customer_id.")
    customer_id: TEXT = pa.Field(description="Customer number.")
    country: TEXT = pa.Field(
        nullable=True, description="Country, two letters; null while inferred."
    )
    created_at: TIMESTAMP = pa.Field(nullable=True, description="When the account was opened, UTC.")
    segment: TEXT = pa.Field(
        isin=SEGMENTS,
        description="From sales: guest (orders without a customer), inactive (no order), new "
        "(one), vip (revenue of 5000.00 or more), regular; the first that fits.",
    )
    is_inferred: FLAG = pa.Field(
        description="True while the customer is known only from orders and returns; false for the "
        "guest."
    )

    class Config:
        unique = "customer_id"


QUERY = f"""
    WITH named AS (
        SELECT DISTINCT customer_id AS named_id FROM (
            SELECT customer_id FROM silver.orders UNION ALL SELECT customer_id FROM silver.returns
        ) AS ids
    ), members AS (
        SELECT coalesce(c.customer_id, n.named_id) AS customer_id, c.country, c.created_at,
            c.customer_id IS NULL AND n.named_id <> {ansi_literal(GUEST)} AS is_inferred
        FROM silver.customers AS c FULL JOIN named AS n ON n.named_id = c.customer_id
    ), keyed AS (
        SELECT surrogate_key(customer_id) AS customer_key, * FROM members
    )
    SELECT k.customer_key, k.customer_id, k.country, k.created_at,
        CASE WHEN k.customer_id = {ansi_literal(GUEST)} THEN 'guest'
            WHEN s.orders IS NULL THEN 'inactive'
            WHEN s.orders = 1 THEN 'new'
            WHEN s.revenue >= CAST({VIP_REVENUE} AS DECIMAL(18, 2)) THEN 'vip'
            ELSE 'regular' END AS segment,
        k.is_inferred
    FROM keyed AS k LEFT JOIN customer_sales AS s ON s.customer_key = k.customer_key"""


def tables_of_shop(shop: Shop) -> tuple[Table, ...]:
    """gold.dim_customer."""
    members = [inferred_members("customer_id")] if "customers" in shop.declared.tables else []
    return (
        gold_table(
            module=__name__,
            model=DimCustomer,
            query=QUERY,
            publish_group=STAR,
            upstream=("silver.customers", "silver.orders", "silver.returns", ORDERS),
            prepare={ORDERS: CUSTOMER_SALES},
            refresh=ByKey(
                "customer_key",
                on={
                    "silver.customers": by_hash("customer_id"),
                    "silver.orders": by_hash("customer_id", "customer_id"),
                    "silver.returns": by_hash("customer_id", "customer_id"),
                    ORDERS: by_column("customer_key"),
                },
            ),
            audits=(fact_rows_join("customer_key"), *members),
        ),
    )
