"""Audits of gold: facts join their dimensions, KPIs add up to the facts, orders to their items."""

from decimal import Decimal
from typing import Any

from pyspark.sql import functions as F

from ecommerce_assets.tables.audits import Audit, Check, Finding, Report, Scope, sample

FACTS = "gold.fact_sales"
TOGETHER = f"Materialize {FACTS} together with its dimensions, which may be older; else the table"

JOINED = Check("fact_rows_join", "Every row of gold.fact_sales finds its row here.", True)
RECONCILED = Check(
    "revenue_reconciles",
    "The table's revenue adds up to that of the sales in gold.fact_sales.",
    True,
)
COUNTED = Check(
    "orders_reconcile",
    "The customers' orders add up to the distinct orders sold in gold.fact_sales.",
    True,
)
WAITING = Check("items_without_order", "Every order item belongs to a known order.", False)
AMOUNTS = Check(
    "order_amounts_agree",
    "An order's subtotal is the sum of its items, and its total that of its parts, to the cent; "
    "judged for the orders that the run recomputed.",
    False,
)


def fact_rows_join(key: str, unit: str | None = None) -> Audit:
    """Every fact row joins this dimension on the surrogate key `key`.

    Args:
        unit: the facts' column that holds the dimension's unit: only facts of touched units can
            have won or lost their row.
    """

    def run(scope: Scope) -> Report:
        facts = scope.upstream[FACTS]
        if unit:
            facts = scope.only_touched(facts, unit)
        orphans = facts.join(scope.state, key, "left_anti")
        lost = orphans.count()
        finding = Finding(
            JOINED,
            passed=not lost,
            counts={"fact_rows_without_a_match": lost},
            sample=sample(orphans.select("order_item_id", key), ["order_item_id"]) if lost else [],
            advice="Materialize gold.fact_sales together with this dimension.",
        )
        return Report([finding])

    return Audit((JOINED,), run, against=(FACTS,))


def revenue_reconciles(column: str) -> Audit:
    """The sum of `column` equals the revenue of the rows with `is_sale` in gold.fact_sales."""

    def run(scope: Scope) -> Report:
        here = scope.observed["revenue"] or Decimal("0.00")
        sold = _sold(scope)["revenue"] or Decimal("0.00")
        finding = Finding(
            RECONCILED,
            passed=here == sold,
            counts={"here": str(here), FACTS: str(sold), "difference": str(here - sold)},
            advice=f"{TOGETHER} loses or doubles sales: look at the grain of its joins.",
        )
        return Report([finding])

    return Audit((RECONCILED,), run, (FACTS,), {"revenue": lambda: F.sum(column)})


def _sold(scope: Scope) -> Any:
    """Revenue of the sales: one job for all tables of a run."""
    return scope.figure(
        FACTS,
        "sold",
        lambda facts: facts.where("is_sale").agg(F.sum("revenue").alias("revenue")).collect()[0],
    )


def _orders_reconcile(scope: Scope) -> Report:
    facts = scope.only_touched(scope.upstream[FACTS], "customer_key").where("is_sale")
    sold = facts.select("order_id").distinct().agg(F.count("*").alias("sold"))
    state = scope.only_touched(scope.state, "customer_key")
    row = state.agg(F.sum("orders").alias("here")).crossJoin(sold).collect()[0]
    here = row["here"] or 0
    finding = Finding(
        COUNTED,
        passed=here == row["sold"],
        counts={"here": here, FACTS: row["sold"]},
        advice=f"{TOGETHER} loses or doubles orders: look at the grain of its joins.",
    )
    average = (scope.observed["orders"] or 0) / scope.rows if scope.rows else 0.0
    return Report([finding], metrics={"average_orders_per_customer": round(average, 4)})


orders_reconcile = Audit(
    (COUNTED,), _orders_reconcile, (FACTS,), {"orders": lambda: F.sum("orders")}
)


def _orders_and_items(scope: Scope) -> Report:
    items = scope.only_touched(scope.upstream["silver.order_items"], "order_id")
    per_order = items.groupBy(F.col("order_id").alias("item_order_id")).agg(
        F.sum("line_total").alias("items_total")
    )
    orders = scope.only_touched(scope.upstream["silver.orders"], "order_id")
    # A broadcast would be a Spark job of its own.
    per_order = per_order.hint("merge")
    joined = orders.join(per_order, orders.order_id == per_order.item_order_id, "left")
    parts = F.expr("subtotal + tax_amount + shipping_amount - discount_amount")
    disagrees = F.coalesce(
        (F.col("subtotal") != F.col("items_total")) | (F.col("total_amount") != parts), F.lit(False)
    )
    row = joined.agg(
        F.count_if(disagrees).alias("disagreeing"), F.count("*").alias("orders")
    ).collect()[0]
    # Every fact row is an item, and every item whose order is known is a fact row.
    waiting = scope.upstream_rows("silver.order_items") - scope.rows
    unknown = items.join(orders, "order_id", "left_anti").select("order_item_id", "order_id")
    amounts = [
        "order_id", "subtotal", "items_total", "tax_amount", "shipping_amount", "discount_amount",
        "total_amount",
    ]  # fmt: skip
    return Report(
        [
            Finding(
                WAITING,
                passed=not waiting,
                counts={"items": waiting},
                sample=sample(unknown, ["order_item_id"]) if waiting else [],
                advice="They enter gold.fact_sales as soon as their order arrives.",
            ),
            Finding(
                AMOUNTS,
                passed=not row["disagreeing"],
                counts={"orders": row["orders"], "disagreeing": row["disagreeing"]},
                sample=sample(joined.where(disagrees).select(*amounts), ["order_id"])
                if row["disagreeing"]
                else [],
                advice="Items may still be on their way; else ask the shop about these orders.",
            ),
        ]
    )


orders_and_items = Audit((WAITING, AMOUNTS), _orders_and_items)
