"""Audits of silver: where every bronze row went, and how many were quarantined."""

from datetime import date
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
    sample,
)
from ecommerce_assets.tables.source import provenance

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

FATES = ("quarantined", "current", "superseded", "lost")
HELD = "held"


def accounting(bronze: str, key: str) -> Audit:
    """Where each bronze row went, counted from both ends.

    One end: rows of bronze by date, from its metadata. The other: rows that the new silver state
    holds by date, counted in it; rows that break the contract; rows of whose key silver holds a
    greater version. A valid row whose key silver lacks, or holds with a lesser version, is lost.
    """
    return Audit((CONSERVED, QUARANTINE_SHARE), partial(_account, bronze, key))


def _account(bronze: str, key: str, scope: Scope) -> Report:
    judged = set(scope.dates)
    counts: dict[str, dict[date, int]] = {fate: {} for fate in (*FATES, HELD)}
    for row in _accounted(scope, key).groupBy("day", "fate").count().collect():
        counts[row["fate"]][row["day"]] = row["count"]
    by_date: list[dict[str, Any]] = [
        {
            "_ingestion_date": day,
            "bronze": scope.received.get(day, 0),
            "current": counts[HELD].get(day, 0),
            "superseded": counts["superseded"].get(day, 0),
            "quarantined": counts["quarantined"].get(day, 0),
            "lost": counts["lost"].get(day, 0),
            "found_again": counts["current"].get(day, 0),
        }
        for day in sorted(judged | counts["lost"].keys())
    ]
    wrong = [
        row
        for row in by_date
        if row["lost"]
        or row["current"] != row["found_again"]
        or row["bronze"] != row["current"] + row["superseded"] + row["quarantined"]
    ]
    names = ("bronze", "current", "superseded", "quarantined", "lost")
    total = {name: sum(row[name] for row in by_date) for name in names}
    conserved = Finding(
        CONSERVED,
        passed=not wrong,
        counts={"dates": len(judged), "dates_that_fail": len(wrong), **total},
        sample=wrong[:SAMPLE_ROWS],
        advice="Rows were lost or invented: this is a defect of the transformation, not of the "
        "delivery. The published table is unchanged.",
    )
    rows_by_date = {row["_ingestion_date"]: row["current"] for row in by_date}
    share = _share(bronze, scope, total["bronze"], total["quarantined"])
    return Report([conserved, share], rows_by_date)


def _accounted(scope: Scope, key: str) -> DataFrame:
    """Day and fate of every candidate, and day of every row that the state holds of these days."""
    version = ["updated_at", *provenance()]
    received = scope.candidates.select(  # type: ignore[union-attr]
        F.col(key).alias("key"),
        F.struct(*version).alias("received"),
        (F.size("_reasons") > 0).alias("broken"),
    )
    touched = scope.only_touched(scope.state, key)
    kept = touched.select(F.col(key).alias("kept_key"), F.struct(*version).alias("kept"))
    same_row = (F.col("received._source_file") == F.col("kept._source_file")) & (
        F.col("received._row_number") == F.col("kept._row_number")
    )
    fate = (
        F.when(F.col("broken"), "quarantined")
        .when(same_row, "current")
        .when(F.col("received") < F.col("kept"), "superseded")
        .otherwise("lost")
    )
    fates = received.join(kept, F.col("key") == F.col("kept_key"), "left").select(
        F.col("received._ingestion_date").alias("day"), fate.alias("fate")
    )
    held = scope.state.where(F.col("_ingestion_date").isin(list(scope.dates))).select(
        F.col("_ingestion_date").alias("day"), F.lit(HELD).alias("fate")
    )
    return fates.unionAll(held)


def _share(bronze: str, scope: Scope, rows: int, bad: int) -> Finding:
    share = bad / rows if rows else 0.0
    above = share > scope.quarantine_limit
    offending: list[dict[str, Any]] = []
    if above:
        broken = scope.candidates.where(F.size("_reasons") > 0)  # type: ignore[union-attr]
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
    state = scope.only_touched(scope.state, "_ingestion_date")
    groups = state.groupBy("_ingestion_date", "_reasons").count().collect()
    by_reason: dict[str, int] = {}
    rows_by_date = dict.fromkeys(scope.dates, 0)
    for row in groups:
        for reason in row["_reasons"]:
            by_reason[reason] = by_reason.get(reason, 0) + row["count"]
        rows_by_date[row["_ingestion_date"]] += row["count"]
    unexplained = sum(row["count"] for row in groups if not row["_reasons"])
    finding = Finding(
        REASONED,
        passed=not unexplained,
        counts={"quarantined": sum(row["count"] for row in groups), **by_reason},
        sample=sample(state.where(F.size("_reasons") == 0)) if unexplained else [],
        advice="A row without a reason is a defect of the contract's rules.",
    )
    return Report([finding], rows_by_date)


quarantined_rows = Audit((REASONED,), _quarantined_rows)
