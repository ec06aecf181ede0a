"""gold.dim_product: products."""

import pandera.pandas as pa

from ecommerce_assets.model.dependency import by_hash
from ecommerce_assets.model.strategies import ByKey
from ecommerce_assets.model.table import Table
from ecommerce_assets.shop import Shop
from ecommerce_assets.sql import ansi_literal
from ecommerce_assets.tables.audits.gold import fact_rows_join, inferred_members
from ecommerce_assets.tables.gold import STAR, gold_table
from ecommerce_assets.tables.star import CHARGE, GOODS, ROLES, WHOLE_ORDER
from ecommerce_assets.tables.types import FLAG, KEY, PRICE, TEXT

UNKNOWN = "unknown"


class DimProduct(pa.DataFrameModel):
    """One row per product, plus an inferred member for each id seen only in items and returns.

    Returns of an amount, of no single product, belong to one member, the whole order.
    """

    product_key: KEY = pa.Field(description="Surrogate key: xxhash64 of product_id.")
    product_id: TEXT = pa.Field(description="Product number.")
    sku: TEXT = pa.Field(nullable=True, description="Stock keeping unit.")
    name: TEXT = pa.Field(description="Name; `unknown` while inferred.")
    category: TEXT = pa.Field(description="Category; `unknown` while inferred.")
    role: TEXT = pa.Field(
        isin=ROLES, description="goods, or charge: postage, fees, vouchers; charges have no rank."
    )
    subcategory: TEXT = pa.Field(nullable=True, description="Subcategory.")
    brand: TEXT = pa.Field(nullable=True, description="Brand.")
    price: PRICE = pa.Field(nullable=True, ge=0, description="List price.")
    cost: PRICE = pa.Field(nullable=True, ge=0, description="What the shop pays.")
    is_active: FLAG = pa.Field(nullable=True, description="Whether it is on sale.")
    is_inferred: FLAG = pa.Field(
        description="True while the product is known only from order items or returns."
    )

    class Config:
        unique = "product_id"


QUERY = f"""
    WITH named AS (
        SELECT DISTINCT product_id AS named_id FROM (
            SELECT product_id FROM silver.order_items
            UNION ALL SELECT product_id FROM silver.returns
        ) AS ids
    ), members AS (
        SELECT coalesce(p.product_id, n.named_id) AS product_id, p.sku,
            coalesce(p.name, CASE WHEN n.named_id = {ansi_literal(WHOLE_ORDER)}
                THEN 'whole order' ELSE {ansi_literal(UNKNOWN)} END) AS name,
            coalesce(p.category, {ansi_literal(UNKNOWN)}) AS category,
            coalesce(p.role, CASE WHEN n.named_id = {ansi_literal(WHOLE_ORDER)}
                THEN {ansi_literal(CHARGE)} ELSE {ansi_literal(GOODS)} END) AS role,
            p.subcategory, p.brand, p.price, p.cost, p.is_active,
            p.product_id IS NULL AND n.named_id <> {ansi_literal(WHOLE_ORDER)} AS is_inferred
        FROM silver.products AS p FULL JOIN named AS n ON n.named_id = p.product_id
    )
    SELECT surrogate_key(product_id) AS product_key, * FROM members"""


def tables_of_shop(shop: Shop) -> tuple[Table, ...]:
    """gold.dim_product."""
    members = [inferred_members("product_id")] if "products" in shop.declared.tables else []
    return (
        gold_table(
            module=__name__,
            model=DimProduct,
            query=QUERY,
            publish_group=STAR,
            upstream=("silver.products", "silver.order_items", "silver.returns"),
            refresh=ByKey(
                "product_key",
                on={
                    "silver.products": by_hash("product_id"),
                    "silver.order_items": by_hash(
                        "product_id", "product_id", unless_in="silver.products"
                    ),
                    "silver.returns": by_hash(
                        "product_id", "product_id", unless_in="silver.products"
                    ),
                },
            ),
            audits=(fact_rows_join("product_key"), *members),
        ),
    )
