"""Audits of gold: facts join their dimensions, KPIs add up to the facts, orders to their items."""

from decimal import Decimal

from ecommerce_assets.engine.queries import query
from ecommerce_assets.model.audit import Audit, Check, Finding, Report
from ecommerce_assets.model.shares import Share
from ecommerce_assets.tables.audits import Scope, sample, share_finding
from ecommerce_assets.tables.star import FACTS, NO_GUEST, ORDERS, RETURNS, SALES

TOGETHER = f"Materialize {SALES} together with its dimensions, which may be older; else the table"

JOINED = Check("fact_rows_join", "Every row of the fact tables has its row in this table.", True)
RECONCILED = Check(
    "revenue_reconciles",
    "The table's revenue adds up to that of the sales in the facts.",
    True,
)
CAME_BACK = Check(
    "returned_reconciles",
    "What came back adds up to that of the returns that count in gold.fact_returns.",
    True,
)
COUNTED = Check(
    "orders_reconcile",
    "The customers' orders add up to the orders sold in gold.fact_orders.",
    True,
)
INFERRED = Check(
    "inferred_members",
    "At most ECOMMERCE_INFERRED_LIMIT (5 %) of the members are known only from orders or items.",
    False,
)


def fact_rows_join(key: str) -> Audit:
    """Every fact row joins this dimension on the surrogate key `key`.

    Where that is the dimension's refresh key, only facts of affected keys are checked.
    """
    tables = [name for name in FACTS if (key, name) != ("product_key", ORDERS)]

    def run(scope: Scope) -> Report:
        facts = {name.replace(".", "_"): scope.only_affected(scope.upstream[name], key)
                 for name in tables}  # fmt: skip
        ids = " UNION ALL ".join(
            f"SELECT '{name}' AS facts, {FACTS[name]} AS id, {key} FROM {name.replace('.', '_')}"
            for name in tables
        )
        orphans = query(
            f"""
            SELECT named.facts, named.id, named.{key} FROM ({ids}) AS named
            ANTI JOIN members ON named.{key} = members.{key}""",
            **facts,
            # A broadcast would be another Spark job.
            members=scope.snapshot.select(key).joined_by("shuffle_hash"),
        )
        lost = orphans.count()
        finding = Finding(
            JOINED,
            passed=not lost,
            counts={"fact_rows_without_a_match": lost},
            sample=sample(orphans, ["facts", "id"]) if lost else [],
            advice="Materialize the facts together with this dimension.",
        )
        return Report([finding])

    return Audit((JOINED,), run, against=tuple(tables))


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


AMOUNTS = {
    SALES: (RECONCILED, "CASE WHEN is_sale THEN revenue END"),
    ORDERS: (RECONCILED, "CASE WHEN is_sale THEN revenue END"),
    RETURNS: (CAME_BACK, "CASE WHEN is_counted THEN returned_amount END"),
}


def reconciles(table: str, amount: str, *, guests: bool = True) -> Audit:
    """The sum of an amount equals that of the facts; theirs is computed once for all tables.

    Args:
        table: of the facts.
        amount: SQL, on the columns of the audited table, which a run writes as a whole.
        guests: whether it counts orders without a customer.
    """
    check, fact = AMOUNTS[table]

    def run(scope: Scope) -> Report:
        here = scope.observed[check.name] or Decimal("0.00")
        facts = scope.figure(table, "sums", lambda rows: query(_sums(fact), facts=rows).rows()[0])
        there = facts["of_all" if guests else "of_customers"] or Decimal("0.00")
        return Report([_adds_up(check, table, here, there)])

    return Audit((check,), run, (table,), {check.name: f"sum({amount})"})


def reconciles_by(key: str, table: str, amount: str) -> Audit:
    """As `reconciles`, of the rows of the affected keys, where a run writes a part of the table.

    The table of the facts is one of its upstream tables.
    """
    check, fact = AMOUNTS[table]
    sums = f"""
        SELECT sum(here) AS here, sum(there) AS there FROM (
            SELECT {amount} AS here, CAST(NULL AS DECIMAL(18, 2)) AS there FROM snapshot
            UNION ALL SELECT CAST(NULL AS DECIMAL(18, 2)) AS here, {fact} AS there FROM facts
        ) AS both"""

    def run(scope: Scope) -> Report:
        (found,) = query(
            sums,
            snapshot=scope.only_affected(scope.snapshot, key),
            facts=scope.only_affected(scope.upstream[table], key),
        ).rows()
        here, there = (found[side] or Decimal("0.00") for side in ("here", "there"))
        return Report([_adds_up(check, table, here, there)])

    return Audit((check,), run)


def _sums(amount: str) -> str:
    return (
        f"SELECT sum({amount}) AS of_all, "
        f"sum(CASE WHEN {NO_GUEST} THEN {amount} END) AS of_customers FROM facts"
    )


def _adds_up(check: Check, table: str, here: Decimal, there: Decimal) -> Finding:
    return Finding(
        check,
        passed=here == there,
        counts={"here": str(here), table: str(there), "difference": str(here - there)},
        advice=f"{TOGETHER} loses or duplicates facts: check the grain of its joins.",
    )


def _orders_reconcile(scope: Scope) -> Report:
    facts = scope.only_affected(scope.upstream[ORDERS], "customer_key")
    counted = query(
        f"""
        SELECT 'here' AS side, CAST(sum(orders) AS BIGINT) AS orders FROM customers
        UNION ALL
        SELECT 'sold' AS side, count(order_id) AS orders FROM facts
        WHERE is_sale AND {NO_GUEST}""",
        customers=scope.only_affected(scope.snapshot, "customer_key"),
        facts=facts,
    )
    orders = {row["side"]: row["orders"] or 0 for row in counted.rows()}
    finding = Finding(
        COUNTED,
        passed=orders["here"] == orders["sold"],
        counts={"here": orders["here"], ORDERS: orders["sold"]},
        advice=f"{TOGETHER} loses or duplicates orders: check the grain of its joins.",
    )
    average = (scope.observed["orders"] or 0) / scope.rows if scope.rows else 0.0
    return Report([finding], metrics={"average_orders_per_customer": round(average, 4)})


orders_reconcile = Audit((COUNTED,), _orders_reconcile, (ORDERS,), {"orders": "sum(orders)"})
