"""Audits of gold: facts join their dimensions, KPIs add up to the facts, orders to their items."""

from decimal import Decimal
from typing import Any

from ecommerce_assets.engine.queries import query
from ecommerce_assets.model.audit import Audit, Check, Finding, Report
from ecommerce_assets.model.shares import Share
from ecommerce_assets.tables.audits import Scope, sample, share_finding
from ecommerce_assets.tables.star import FACTS, NO_GUEST

TOGETHER = f"Materialize {FACTS} together with its dimensions, which may be older; else the table"

JOINED = Check("fact_rows_join", "Every row of gold.fact_sales has its row in this table.", True)
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
INFERRED = Check(
    "inferred_members",
    "At most ECOMMERCE_INFERRED_LIMIT (5 %) of the members are known only from orders or items.",
    False,
)


def fact_rows_join(key: str, refresh_key: str | None = None) -> Audit:
    """Every fact row joins this dimension on the surrogate key `key`.

    Args:
        refresh_key: the facts' column with the dimension's refresh key; only facts of affected
            keys have to be checked.
    """

    def run(scope: Scope) -> Report:
        facts = scope.upstream[FACTS]
        if refresh_key:
            facts = scope.only_affected(facts, refresh_key)
        orphans = query(
            f"""
            SELECT facts.order_item_id, facts.{key} FROM facts
            ANTI JOIN members ON facts.{key} = members.{key}""",
            facts=facts,
            # A broadcast would be another Spark job.
            members=scope.snapshot.select(key).joined_by("shuffle_hash"),
        )
        lost = orphans.count()
        finding = Finding(
            JOINED,
            passed=not lost,
            counts={"fact_rows_without_a_match": lost},
            sample=sample(orphans, ["order_item_id"]) if lost else [],
            advice="Materialize gold.fact_sales together with this dimension.",
        )
        return Report([finding])

    return Audit((JOINED,), run, against=(FACTS,))


def inferred_members(key: str) -> Audit:
    """The share of a dimension's members that are inferred; `key` is the natural key."""

    def run(scope: Scope) -> Report:
        inferred = scope.observed["inferred"] or 0
        share = Share(inferred, scope.rows, "inferred_limit")
        inferred_ids = scope.snapshot.where("is_inferred").select(key)
        rows = [] if share.passes(scope.thresholds) else sample(inferred_ids, [key])
        message = (
            f"{inferred:,} of {scope.rows:,} members ({share.described(scope.thresholds)}) "
            "are known only from orders or items"
        )
        if rows:
            message += f", e.g. {key} {rows[0][key]!r}"
        finding = share_finding(
            INFERRED,
            share,
            scope.thresholds,
            {"members": scope.rows, "inferred": inferred},
            sample=rows,
            message=f"{message}.",
            advice="Their rows may still come; if they are there, the ids are written differently, "
            "like '1' and '001', or their rows are in quarantine.",
        )  # fmt: skip
        return Report([finding])

    return Audit((INFERRED,), run, observes={"inferred": "count_if(is_inferred)"})


def revenue_reconciles(column: str, *, guests: bool = True) -> Audit:
    """The sum of `column` equals the revenue of the rows with `is_sale` in gold.fact_sales.

    Args:
        column: of the audited table.
        guests: whether it counts orders without a customer.
    """

    def run(scope: Scope) -> Report:
        here = scope.observed["revenue"] or Decimal("0.00")
        sold = _sold(scope)["revenue" if guests else "of_customers"] or Decimal("0.00")
        finding = Finding(
            RECONCILED,
            passed=here == sold,
            counts={"here": str(here), FACTS: str(sold), "difference": str(here - sold)},
            advice=f"{TOGETHER} loses or duplicates sales: check the grain of its joins.",
        )
        return Report([finding])

    return Audit((RECONCILED,), run, (FACTS,), {"revenue": f"sum({column})"})


def _sold(scope: Scope) -> Any:
    """Revenue of the sales, of all and of those to customers; computed once for all tables."""
    sums = f"""
        SELECT sum(revenue) AS revenue, sum(CASE WHEN {NO_GUEST} THEN revenue END) AS of_customers
        FROM facts WHERE is_sale"""
    return scope.figure(FACTS, "sold", lambda facts: query(sums, facts=facts).rows()[0])


def _orders_reconcile(scope: Scope) -> Report:
    facts = scope.only_affected(scope.upstream[FACTS], "customer_key")
    counted = query(
        f"""
        SELECT 'here' AS side, CAST(sum(orders) AS BIGINT) AS orders FROM customers
        UNION ALL
        SELECT 'sold' AS side, count(DISTINCT order_id) AS orders FROM facts
        WHERE is_sale AND {NO_GUEST}""",
        customers=scope.only_affected(scope.snapshot, "customer_key"),
        facts=facts,
    )
    orders = {row["side"]: row["orders"] or 0 for row in counted.rows()}
    finding = Finding(
        COUNTED,
        passed=orders["here"] == orders["sold"],
        counts={"here": orders["here"], FACTS: orders["sold"]},
        advice=f"{TOGETHER} loses or duplicates orders: check the grain of its joins.",
    )
    average = (scope.observed["orders"] or 0) / scope.rows if scope.rows else 0.0
    return Report([finding], metrics={"average_orders_per_customer": round(average, 4)})


orders_reconcile = Audit((COUNTED,), _orders_reconcile, (FACTS,), {"orders": "sum(orders)"})
