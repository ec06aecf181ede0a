"""gold.fact_returns: what came back, return by return."""

from collections.abc import Sequence

import pandera.pandas as pa

from ecommerce_assets.model.dependency import by_column
from ecommerce_assets.model.strategies import ByKey
from ecommerce_assets.model.table import Table
from ecommerce_assets.shop import Shop
from ecommerce_assets.sql import ansi_literal
from ecommerce_assets.tables.audits.returns import returns_and_sales
from ecommerce_assets.tables.currencies import Currencies, currencies_of, part_of
from ecommerce_assets.tables.gold import STAR, gold_table
from ecommerce_assets.tables.star import WHOLE_ORDER, date_key, is_sold
from ecommerce_assets.tables.types import DATE, FLAG, KEY, MONEY_SUM, RATE, TEXT, WHOLE


class FactReturns(pa.DataFrameModel):
    """One row per return whose amount is known, from itself or from its order's items, and whose
    exchange rate is.
    """

    return_key: KEY = pa.Field(description="Surrogate key: xxhash64 of return_id.")
    return_id: TEXT = pa.Field(description="Return number.")
    sale_key: KEY = pa.Field(
        nullable=True, description="Joins fact_sales; null where no single item is known."
    )
    order_id: TEXT = pa.Field(description="Order number, or that of the credit note.")
    date_key: WHOLE = pa.Field(description="Day of the return as yyyymmdd; joins dim_date.")
    return_date: DATE = pa.Field(description="Day of the return, in the shop's time zone.")
    order_date: DATE = pa.Field(
        description="Day of the order; of the return where the order is not known."
    )
    customer_key: KEY = pa.Field(description="Joins dim_customer.")
    product_key: KEY = pa.Field(description="Joins dim_product.")
    reason: TEXT = pa.Field(nullable=True, description="Why it came back.")
    is_order_known: FLAG = pa.Field(description="Whether silver.orders has the order.")
    is_counted: FLAG = pa.Field(
        description="False if the order is no sale, so its revenue is not counted either; KPIs "
        "count only rows where it is true."
    )
    quantity: WHOLE = pa.Field(nullable=True, ge=1, description="Pieces; null of an amount.")
    returned_amount: MONEY_SUM = pa.Field(
        ge=0,
        description="Revenue that came back, before tax and shipping: the amount; else the order's "
        "revenue's part of what was paid back; else the pieces' share of the item's revenue.",
    )
    returned_tax: MONEY_SUM = pa.Field(
        ge=0, description="Tax on it, in proportion to that of the sale; 0.00 where it is unknown."
    )
    refunded_amount: MONEY_SUM = pa.Field(
        ge=0,
        description="What was paid back; where that is not delivered: returned_amount + "
        "returned_tax.",
    )
    currency: TEXT = pa.Field(description="Currency of the order, or of the return without one.")
    exchange_rate: RATE = pa.Field(
        gt=0,
        description="Units of the reporting currency for one unit of it, as of the order; of the "
        "day of the return where the order is not known.",
    )
    rate_date: DATE = pa.Field(
        nullable=True, description="Day of that rate; null of the reporting currency."
    )
    original_amount: MONEY_SUM = pa.Field(
        ge=0, description="returned_amount, in the order's currency."
    )
    exceeds_sale: FLAG = pa.Field(
        description="Whether more came back than was sold of its item or of its order, in pieces "
        "or in revenue; a smallest unit of each return apart, for rounding."
    )

    class Config:
        unique = "return_id"


def query(not_sold: Sequence[str], currencies: Currencies) -> str:
    """Returns with what they are returns of: an item, a product of an order, or a whole order.

    All in the order's currency, and then converted at the order's rate. A return of pieces waits in
    silver until its order's items are known; one of an order that waits for a rate, or in another
    currency than its order, waits as well.

    Args:
        not_sold: the statuses of orders that are no sales.
        currencies: of the orders.
    """
    whole, own = ansi_literal(WHOLE_ORDER), ansi_literal(currencies.own)
    money = "DECIMAL(18, 2)"
    base = "CASE WHEN r.order_item_id IS NOT NULL THEN i.{0} WHEN r.product_id <> {1} THEN p.{0}"
    item, of_product = base.format("{0}", whole), f"{base} END".format("sale_key", whole)
    sold = {
        name: f"{item} ELSE s.{{0}} END".format(name)
        for name in ("original_revenue", "original_tax", "quantity")
    }
    received = currencies.all_rounded(
        "joined.currency",
        {
            "received_amount": "amount",
            "received_tax": "tax_amount",
            "received_refund": "refund_amount",
            "received_total": "total_amount",
            "received_shipping": "shipping_amount",
        },
    )
    return f"""
        WITH products AS (
            SELECT order_id, product_key, sum(original_revenue) AS original_revenue,
                sum(original_tax) AS original_tax, CAST(sum(quantity) AS BIGINT) AS quantity,
                CASE WHEN count(*) = 1 THEN min(sale_key) END AS sale_key
            FROM gold.fact_sales
            GROUP BY order_id, product_key
        ), sold AS (
            SELECT order_id, sum(original_revenue) AS original_revenue,
                sum(original_tax) AS original_tax, CAST(sum(quantity) AS BIGINT) AS quantity
            FROM gold.fact_sales
            GROUP BY order_id
        ), joined AS (
            SELECT r.return_id, r.order_id, r.reason, r.quantity, r.amount AS received_amount,
                r.tax_amount AS received_tax, r.refund_amount AS received_refund,
                r.business_date AS return_date,
                coalesce(o.business_date, r.business_date) AS order_date,
                coalesce(o.customer_id, r.customer_id) AS customer_id,
                coalesce(i.product_key, surrogate_key(r.product_id)) AS product_key,
                o.order_id IS NOT NULL AS is_order_known,
                coalesce({is_sold(not_sold, "o.status")}, true) AS is_counted,
                coalesce(o.prices_include_tax, false) AS prices_include_tax,
                coalesce(o.currency, r.currency, {own}) AS currency,
                coalesce(r.currency <> o.currency, false) AS is_of_another,
                {of_product} AS sale_key, {sold["original_revenue"]} AS revenue,
                {sold["original_tax"]} AS tax, {sold["quantity"]} AS sold_quantity,
                s.original_revenue AS order_revenue, s.original_tax AS order_tax,
                o.total_amount AS received_total,
                coalesce(o.shipping_amount, 0) AS received_shipping
            FROM silver.returns AS r
                LEFT JOIN silver.orders AS o ON o.order_id = r.order_id
                LEFT JOIN gold.fact_sales AS i
                    ON i.order_id = r.order_id AND i.order_item_id = r.order_item_id
                LEFT JOIN products AS p ON p.order_id = r.order_id
                    AND p.product_key = surrogate_key(r.product_id)
                LEFT JOIN sold AS s ON s.order_id = r.order_id
        ), rated AS (
            SELECT joined.*, {received}, {currencies.rate("joined.currency")},
                {currencies.units("joined.currency")}
            FROM joined {currencies.joined("joined.currency", "joined.order_date")}
        ), with_total AS (
            SELECT *, coalesce(total_amount, order_revenue + order_tax + shipping_amount)
                AS order_total
            FROM rated
            WHERE exchange_rate IS NOT NULL AND NOT is_of_another
        ), of_refund AS (
            SELECT *, CASE WHEN refund_amount > 0 AND order_total > 0
                    THEN least({part_of("refund_amount", "order_revenue", "order_total")},
                        refund_amount)
                    ELSE refund_amount END AS refunded_revenue,
                CASE WHEN refund_amount > 0 AND order_total > 0
                    THEN {part_of("refund_amount", "order_tax", "order_total")} END AS refunded_tax,
                CASE WHEN sold_quantity > 0 THEN {part_of("revenue", "quantity", "sold_quantity")}
                    END AS revenue_of_pieces,
                CASE WHEN sold_quantity > 0 THEN {part_of("tax", "quantity", "sold_quantity")}
                    END AS tax_of_pieces,
                CASE WHEN tax_amount IS NOT NULL THEN tax_amount
                    WHEN prices_include_tax AND revenue + tax > 0
                        THEN least({part_of("amount", "tax", "(revenue + tax)")}, amount)
                    WHEN NOT prices_include_tax AND revenue > 0
                        THEN {part_of("amount", "tax", "revenue")}
                    ELSE CAST(0 AS {money}) END AS tax_of_amount
            FROM with_total
        ), valued AS (
            SELECT *, CASE WHEN amount IS NOT NULL
                    THEN amount - CASE WHEN prices_include_tax THEN tax_of_amount ELSE 0 END
                    WHEN refund_amount IS NOT NULL THEN refunded_revenue
                    ELSE revenue_of_pieces END AS returned,
                coalesce(CASE WHEN amount IS NOT NULL THEN tax_of_amount
                    WHEN refund_amount IS NOT NULL THEN refunded_tax
                    ELSE tax_of_pieces END, 0) AS returned_with_it
            FROM of_refund
        ), counted AS (
            SELECT *, sum(quantity) OVER (PARTITION BY sale_key) AS item_pieces,
                sum(returned) OVER (PARTITION BY sale_key) AS item_amount,
                sum(unit) OVER (PARTITION BY sale_key) AS item_off_by,
                sum(returned) OVER (PARTITION BY order_id) AS order_amount,
                sum(unit) OVER (PARTITION BY order_id) AS order_off_by,
                CAST(returned AS {money}) AS original_amount,
                {currencies.converted("returned")} AS returned_amount,
                {currencies.converted("returned_with_it")} AS returned_tax
            FROM valued
            WHERE returned IS NOT NULL
        )
        SELECT surrogate_key(return_id) AS return_key, return_id, sale_key, order_id,
            {date_key("return_date")} AS date_key, return_date, order_date,
            surrogate_key(customer_id) AS customer_key, product_key, reason, is_order_known,
            is_counted, quantity, returned_amount, returned_tax,
            CAST(CASE WHEN refund_amount IS NULL THEN returned_amount + returned_tax
                ELSE {currencies.converted("refund_amount")} END AS {money}) AS refunded_amount,
            currency, exchange_rate, rate_date, original_amount,
            coalesce(sale_key IS NOT NULL AND (item_pieces > sold_quantity
                OR item_amount > revenue + item_off_by), false)
                OR coalesce(order_amount > order_revenue + order_off_by, false) AS exceeds_sale
        FROM counted"""


def tables_of_shop(shop: Shop) -> tuple[Table, ...]:
    """gold.fact_returns."""
    currencies = currencies_of(shop)
    return (
        gold_table(
            module=__name__,
            model=FactReturns,
            query=query(shop.not_sold, currencies),
            publish_group=STAR,
            upstream=("silver.returns", "silver.orders", "gold.fact_sales", *currencies.upstream),
            refresh=ByKey(
                "order_id",
                on={
                    "silver.returns": by_column("order_id"),
                    "silver.orders": by_column(
                        "order_id",
                        "order_id",
                        "customer_id",
                        "business_date",
                        "status",
                        "prices_include_tax",
                        "shipping_amount",
                        "total_amount",
                        "currency",
                    ),
                    "gold.fact_sales": by_column(
                        "order_id",
                        "order_id",
                        "order_item_id",
                        "sale_key",
                        "product_key",
                        "quantity",
                        "original_revenue",
                        "original_tax",
                    ),
                    **currencies.on("silver.orders", "silver.returns"),
                },
            ),
            partitioned_by=("months(return_date)",),
            audits=(returns_and_sales(currencies),),
            may_shrink=True,
        ),
    )
