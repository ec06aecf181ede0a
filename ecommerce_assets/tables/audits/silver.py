"""Audits of silver: where every bronze row went, and how many were quarantined."""

from functools import partial
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ecommerce_assets.tables.audits import (
    SAMPLE_ROWS,
    WARNING_FRACTION,
    Audit,
    Check,
    Finding,
    Report,
    Scope,
    dates,
    sample,
)

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
