"""Checks beyond single rows: what a table's new state must satisfy beside its upstream tables.

An audit is one Spark job that answers one or more checks; samples of offending rows cost one
more, and only when a check fails.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

Severity = Literal["ERROR", "WARN"]
SAMPLE_ROWS = 5
WARNING_FRACTION = 5


@dataclass(frozen=True)
class Check:
    """A named question that an audit answers.

    Attributes:
        name: name of the Dagster asset check.
        description: what must hold.
        blocking: a failed check keeps the new state from being published.
    """

    name: str
    description: str
    blocking: bool


@dataclass(frozen=True)
class Finding:
    """An audit's answer to one check; `counts` and `sample` become its metadata."""

    check: Check
    passed: bool
    counts: Mapping[str, Any] = field(default_factory=dict)
    sample: list[dict[str, Any]] = field(default_factory=list)
    advice: str = ""
    severity: Severity | None = None

    @property
    def level(self) -> Severity:
        """How bad a failure is: as the finding says, else ERROR if and only if it blocks."""
        return self.severity or ("ERROR" if self.check.blocking else "WARN")

    @property
    def blocks(self) -> bool:
        """Whether the new state must not be published."""
        return not self.passed and self.check.blocking and self.level == "ERROR"


@dataclass(frozen=True)
class Scope:
    """What an audit may look at.

    Attributes:
        state: the new state of the table, written and not yet published.
        rows: its rows.
        upstream: the frames the state was made from, by identifier, prepared as it takes them.
        observed: the aggregates that the audits asked for, of the rows as they were written;
            None for a sum over no row.
        figure: `figure(identifier, name, compute)` is `compute(frame)` of that upstream frame,
            computed once for all tables of the run.
        rows_by_date: rows of the state by ingestion date, where the table is partitioned by it.
        first, last: the run's ingestion dates.
        quarantine_limit: share of a run's rows of a table above which it is not published.
    """

    state: DataFrame
    rows: int
    upstream: Mapping[str, DataFrame]
    observed: Mapping[str, Any]
    figure: Callable[[str, str, Callable[[DataFrame], Any]], Any]
    rows_by_date: Mapping[date, int]
    first: date
    last: date
    quarantine_limit: float


@dataclass(frozen=True)
class Report:
    """What one audit found.

    Attributes:
        findings: one a check.
        rows_by_date: rows of the new state by ingestion date, where the audit counted them anyway.
        metrics: figures for the table's page, by name.
    """

    findings: list[Finding]
    rows_by_date: dict[date, int] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Audit:
    """Checks answered together, by one Spark job at the most.

    Attributes:
        checks: what it answers.
        run: gives one finding a check.
        against: tables it reads beside those that the table is made from.
        observes: aggregates to take of the rows while they are written, by name.
    """

    checks: tuple[Check, ...]
    run: Callable[[Scope], Report]
    against: tuple[str, ...] = ()
    observes: Mapping[str, Callable[[], Column]] = field(default_factory=dict)


def sample(frame: DataFrame, order: list[str] | None = None) -> list[dict[str, Any]]:
    """The first few rows as dictionaries: `order` makes them the same on every run."""
    rows = frame.orderBy(*order) if order else frame
    return [row.asDict(recursive=True) for row in rows.limit(SAMPLE_ROWS).collect()]


def dates(scope: Scope) -> list[date]:
    """Every ingestion date of the run."""
    return [scope.first + timedelta(days=n) for n in range((scope.last - scope.first).days + 1)]


# --- bronze ---------------------------------------------------------------------------------

DELIVERED = Check(
    "delivery_not_empty", "Every ingestion date of the run brought at least one row.", False
)


def _empty_delivery(scope: Scope) -> Report:
    rows_by_date = {day: scope.rows_by_date.get(day, 0) for day in dates(scope)}
    empty = [day.isoformat() for day, rows in rows_by_date.items() if not rows]
    finding = Finding(
        DELIVERED,
        passed=not empty,
        counts={"dates": len(rows_by_date), "empty_dates": len(empty)},
        sample=[{"empty_date": day} for day in empty[:SAMPLE_ROWS]],
        advice="Nothing to do if the shop sent nothing; otherwise land the files and run again.",
    )
    return Report([finding], rows_by_date)


empty_delivery = Audit((DELIVERED,), _empty_delivery)


# --- silver ---------------------------------------------------------------------------------

CONSERVED = Check(
    "row_conservation",
    "For every ingestion date: bronze rows = current + superseded + quarantined rows.",
    True,
)
QUARANTINE_SHARE = Check(
    "quarantine_share",
    "The share of the run's rows that went to quarantine is within ECOMMERCE_QUARANTINE_LIMIT; "
    "a warning from a fifth of it.",
    True,
)


def accounting(bronze: str, key: str) -> Audit:
    """Where each bronze row went, found by joining bronze with the new silver state.

    A bronze row is quarantined if it breaks the contract, current if silver names its file and
    row, superseded if silver holds a greater version of its key; else it is lost. Silver rows
    beyond the current ones are phantoms: no bronze row accounts for them.
    """
    return Audit((CONSERVED, QUARANTINE_SHARE), partial(_account, bronze, key))


def _account(bronze: str, key: str, scope: Scope) -> Report:
    kinds = ("quarantined", "current", "superseded", "lost")
    by_date = (
        _fates(scope.upstream[bronze], scope.state, key)
        .groupBy("_ingestion_date")
        .agg(*[F.count_if(F.col("fate") == kind).alias(kind) for kind in kinds])
        .collect()
    )
    by_date.sort(key=lambda row: row["_ingestion_date"])
    total = {kind: sum(row[kind] for row in by_date) for kind in kinds}
    phantoms = scope.rows - total["current"]
    wrong = [row.asDict() for row in by_date if row["lost"]]
    conserved = Finding(
        CONSERVED,
        passed=not wrong and not phantoms,
        counts={"bronze": sum(total.values()), **total, "phantom": phantoms},
        sample=wrong[:SAMPLE_ROWS],
        advice="Rows were lost or invented: this is a defect of the transformation, not of the "
        "delivery. The published table is unchanged.",
    )
    in_run = [row for row in by_date if scope.first <= row["_ingestion_date"] <= scope.last]
    rows = sum(row[kind] for row in in_run for kind in kinds)
    bad = sum(row["quarantined"] for row in in_run)
    rows_by_date = dict.fromkeys(dates(scope), 0)
    rows_by_date |= {row["_ingestion_date"]: row["current"] for row in in_run}
    return Report([conserved, _share(bronze, scope, rows, bad)], rows_by_date)


def _fates(parsed: DataFrame, state: DataFrame, key: str) -> DataFrame:
    version = ["updated_at", "_ingestion_date", "_source_file", "_row_number"]
    received = parsed.select(
        F.col(key).alias("key"),
        F.struct(*version).alias("received"),
        (F.size("_reasons") > 0).alias("broken"),
    )
    kept = state.select(F.col(key).alias("kept_key"), F.struct(*version).alias("kept"))
    same_row = (F.col("received._source_file") == F.col("kept._source_file")) & (
        F.col("received._row_number") == F.col("kept._row_number")
    )
    fate = (
        F.when(F.col("broken"), "quarantined")
        .when(same_row, "current")
        .when(F.col("received") < F.col("kept"), "superseded")
        .otherwise("lost")
    )
    joined = received.join(kept, F.col("key") == F.col("kept_key"), "left")
    return joined.select("received._ingestion_date", fate.alias("fate"))


def _share(bronze: str, scope: Scope, rows: int, bad: int) -> Finding:
    share = bad / rows if rows else 0.0
    above = share > scope.quarantine_limit
    offending: list[dict[str, Any]] = []
    if above:
        in_run = F.col("_ingestion_date").between(F.lit(scope.first), F.lit(scope.last))
        broken = scope.upstream[bronze].where(in_run & (F.size("_reasons") > 0))
        offending = sample(
            broken.select("_received.*", "_reasons"), ["_source_file", "_row_number"]
        )
    return Finding(
        QUARANTINE_SHARE,
        passed=share <= scope.quarantine_limit / WARNING_FRACTION,
        severity="ERROR" if above else "WARN",
        counts={
            "rows": rows,
            "quarantined": bad,
            "share": round(share, 6),
            "limit": scope.quarantine_limit,
        },
        sample=offending,
        advice=f"The rows and their reasons are in {bronze.replace('bronze', 'silver')}_quarantine:"
        " correct the delivery and run its date again, or raise ECOMMERCE_QUARANTINE_LIMIT.",
    )


REASONED = Check("reasons_given", "Every quarantined row says why it is here.", True)


def _quarantined_rows(scope: Scope) -> Report:
    groups = scope.state.groupBy("_ingestion_date", "_reasons").count().collect()
    by_reason: dict[str, int] = {}
    rows_by_date = dict.fromkeys(dates(scope), 0)
    for row in groups:
        for reason in row["_reasons"]:
            by_reason[reason] = by_reason.get(reason, 0) + row["count"]
        if scope.first <= row["_ingestion_date"] <= scope.last:
            rows_by_date[row["_ingestion_date"]] += row["count"]
    unexplained = sum(row["count"] for row in groups if not row["_reasons"])
    finding = Finding(
        REASONED,
        passed=not unexplained,
        counts={"quarantined": sum(row["count"] for row in groups), **by_reason},
        sample=sample(scope.state.where(F.size("_reasons") == 0)) if unexplained else [],
        advice="A row without a reason is a defect of the contract's rules.",
    )
    return Report([finding], rows_by_date)


quarantined_rows = Audit((REASONED,), _quarantined_rows)


# --- gold -----------------------------------------------------------------------------------

FACTS = "gold.fact_sales"

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
    "An order's subtotal is the sum of its items, and its total that of its parts, to the cent.",
    False,
)


def fact_rows_join(key: str) -> Audit:
    """Every fact row joins this dimension on the surrogate key `key`."""

    def run(scope: Scope) -> Report:
        facts = scope.upstream[FACTS]
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
            advice="The table loses or doubles sales: look at the grain of its joins.",
        )
        return Report([finding])

    return Audit((RECONCILED,), run, (FACTS,), {"revenue": lambda: F.sum(column)})


def _sold(scope: Scope) -> Any:
    """Revenue and distinct orders of the sales: one job for all tables of a run."""
    return scope.figure(
        FACTS,
        "sold",
        lambda facts: (
            facts.where("is_sale")
            .agg(F.sum("revenue").alias("revenue"), F.count_distinct("order_id").alias("orders"))
            .collect()[0]
        ),
    )


def _orders_reconcile(scope: Scope) -> Report:
    here, sold = scope.observed["orders"] or 0, _sold(scope)["orders"]
    finding = Finding(
        COUNTED,
        passed=here == sold,
        counts={"here": here, FACTS: sold},
        advice="The table loses or doubles orders: look at the grain of its joins.",
    )
    customers = scope.observed["customers"]
    average = here / customers if customers else 0.0
    return Report([finding], metrics={"average_orders_per_customer": round(average, 4)})


orders_reconcile = Audit(
    (COUNTED,),
    _orders_reconcile,
    (FACTS,),
    {"orders": lambda: F.sum("orders"), "customers": lambda: F.count("*")},
)


def _orders_and_items(scope: Scope) -> Report:
    items = scope.upstream["silver.order_items"]
    per_order = items.groupBy(F.col("order_id").alias("item_order_id")).agg(
        F.count("*").alias("items"), F.sum("line_total").alias("items_total")
    )
    orders = scope.upstream["silver.orders"]
    joined = orders.join(per_order, orders.order_id == per_order.item_order_id, "full_outer")
    waiting = F.col("order_id").isNull()
    parts = F.expr("subtotal + tax_amount + shipping_amount - discount_amount")
    disagrees = F.coalesce(
        (F.col("subtotal") != F.col("items_total")) | (F.col("total_amount") != parts), F.lit(False)
    )
    row = joined.agg(
        F.coalesce(F.sum(F.when(waiting, F.col("items"))), F.lit(0)).alias("items_waiting"),
        F.count_if(waiting).alias("orders_missing"),
        F.count_if(disagrees).alias("disagreeing"),
        F.count("order_id").alias("orders"),
    ).collect()[0]
    unknown = items.join(orders, "order_id", "left_anti").select("order_item_id", "order_id")
    amounts: list[str | Column] = [
        "order_id", "subtotal", "items_total", "tax_amount", "shipping_amount", "discount_amount",
        "total_amount",
    ]  # fmt: skip
    return Report(
        [
            Finding(
                WAITING,
                passed=not row["items_waiting"],
                counts={"items": row["items_waiting"], "unknown_orders": row["orders_missing"]},
                sample=sample(unknown, ["order_item_id"]) if row["items_waiting"] else [],
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
