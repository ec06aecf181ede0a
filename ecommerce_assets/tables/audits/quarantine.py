"""Audits of quarantine: number of rows, their value, older versions in their place."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ecommerce_assets.intervals import lies_in
from ecommerce_assets.landing.layout import INGESTION_DATE, PROVENANCE
from ecommerce_assets.shop import Shop
from ecommerce_assets.tables.audits import (
    WARNING_FRACTION,
    Audit,
    Check,
    Finding,
    Report,
    Scope,
    sample,
    share_finding,
)
from ecommerce_assets.tables.audits.shares import Share
from ecommerce_assets.tables.contract import IMPLAUSIBLE
from ecommerce_assets.thresholds import exceeds

QUARANTINE_SHARE = Check(
    "quarantine_share",
    "At most ECOMMERCE_QUARANTINE_LIMIT (5 %) of the run's rows are quarantined; warns from a "
    "fifth of that.",
    True,
)


@dataclass(frozen=True)
class Keyed:
    """What the audits of a silver table need from its contract.

    Attributes:
        table: identifier of the silver table.
        key: the key.
        parent: the column that should be the same in all versions of a key; None for none.
        detail: the column that should be the same in the versions that one file holds.
        value: the column with a row's value, in the shop's currency; None for none.
        parse: returns typed values and reasons of rows in quarantine.
        selects: whether some rows of bronze do not speak of the table.
        shop: the shop.
    """

    table: str
    key: str
    parent: str | None
    detail: str | None
    value: str | None
    parse: Callable[[DataFrame], DataFrame]
    selects: bool
    shop: Shop

    @property
    def quarantine(self) -> str:
        """Identifier of the quarantine table."""
        return f"{self.table}_quarantine"


def quarantine_share(keyed: Keyed, scope: Scope, by_date: Sequence[dict[str, Any]]) -> Finding:
    """The share of quarantined rows; blocks above the limit."""
    by_date = [row | {"rows": row["bronze"] - row["not_selected"]} for row in by_date]
    rows = sum(row["rows"] for row in by_date)
    bad = sum(row["quarantined"] for row in by_date)
    limit = scope.thresholds.quarantine_limit
    share = Share(bad, rows, "quarantine_limit", warns_from=1 / WARNING_FRACTION, blocks=True)
    over = [
        {"date": row["_ingestion_date"].isoformat(), "rows": row["rows"],
         "quarantined": row["quarantined"], "share": round(row["quarantined"] / row["rows"], 6)}
        for row in by_date
        if exceeds(row["quarantined"], row["rows"], limit / WARNING_FRACTION)
    ]  # fmt: skip
    over.sort(key=lambda found: -found["quarantined"])
    offending: list[dict[str, Any]] = []
    message = (
        f"{bad:,} of {rows:,} rows ({share.described(scope.thresholds)}) of "
        f"{_dates(scope.dates)} broke the contract"
    )
    if not share.passes(scope.thresholds):
        offending, common = _offending(keyed, scope)
        message += f". Most common: {common}"
        if len(by_date) > 1 and over:
            message += f". {_worst(over, limit)}"
    above = share.severity(scope.thresholds) == "ERROR"
    return share_finding(
        QUARANTINE_SHARE,
        share,
        scope.thresholds,
        {"rows": rows, "quarantined": bad},
        sample=offending,
        message=f"{message}.",
        advice=f"{_see_them(keyed, scope.dates)} Correct the delivery, or take it out of landing, "
        "and run its date again, or raise ECOMMERCE_QUARANTINE_LIMIT."
        + (" Until then no other date gets into this table either." if above else ""),
        by_date=over,
    )


def _worst(over: Sequence[Mapping[str, Any]], limit: float) -> str:
    """The date with the most quarantined rows, and all dates above the limit."""
    worst = over[0]
    described = f"{worst['date']} with {worst['quarantined']:,} of {worst['rows']:,} rows"
    above = sorted(
        found["date"] for found in over if exceeds(found["quarantined"], found["rows"], limit)
    )
    if worst["date"] not in above:
        return f"Worst date: {described}" + (
            f". Over the limit: {', '.join(above)}" if above else ""
        )
    others = [day for day in above if day != worst["date"]]
    return f"Over the limit: {', '.join([described, *others])}"


def _offending(keyed: Keyed, scope: Scope) -> tuple[list[dict[str, Any]], str]:
    """A sample of quarantined rows, most common reason first; and a sentence on that reason."""
    broken = _broken(scope)
    reasons = broken.select("*", F.explode("_reasons").alias("reason")).groupBy("reason")
    first = F.min(F.struct("_source_file", "_row_number")).alias("first")
    top = reasons.agg(F.count("*").alias("rows"), first).orderBy(F.desc("rows"), "reason").first()
    assert top is not None  # there are quarantined rows
    rows = sample(
        broken.where(F.array_contains("_reasons", F.lit(top["reason"]))).select(
            "_received.*", "_reasons"
        ),
        ["_source_file", "_row_number"],
    )
    column = top["reason"].split(":")[0]
    named = column in rows[0] and not scope.is_personal(column)
    value = f"{rows[0][column]!r} in " if named else "in "
    where = scope.location(top["first"]["_source_file"], top["first"]["_row_number"])
    for row in rows:
        row["_line"] = scope.line_of(row["_source_file"], row["_row_number"])
    return rows, f"{top['reason']} ({top['rows']:,}), e.g. {value}{where}"


def _broken(scope: Scope) -> DataFrame:
    """The rows of the run's deliveries that break the contract, parsed."""
    of_run = scope.versions.candidates.where(lies_in(INGESTION_DATE, scope.dates))
    return of_run.where("size(_reasons) > 0")


def _dates(dates: Sequence[date]) -> str:
    if len(dates) == 1:
        return dates[0].isoformat()
    return f"{len(dates):,} dates from {min(dates)} to {max(dates)}" if dates else "no date"


def _see_them(keyed: Keyed, dates: Sequence[date]) -> str:
    """The command that shows the quarantined rows."""
    where = f" where {INGESTION_DATE} = date '{dates[0]}'" if len(dates) == 1 else ""
    return (
        f'See them: ecommerce query "select _source_file, _row_number, _reasons '
        f'from {keyed.quarantine}{where}".'
    )


NEWEST = Check(
    "newest_version_current",
    "At most ECOMMERCE_TOLERANCE (1 %) of the keys have their newest version in quarantine, so "
    "that an older one counts.",
    False,
)
VALUE_QUARANTINED = Check(
    "value_quarantined",
    "At most ECOMMERCE_TOLERANCE (1 %) of all value lies in quarantine, not replaced by a valid "
    "version.",
    False,
)


def checks_of_held_back(keyed: Keyed) -> list[Check]:
    """The checks of `held_back`."""
    return [NEWEST, VALUE_QUARANTINED] if keyed.value else [NEWEST]


def held_back(keyed: Keyed, scope: Scope, quarantined: int) -> list[Finding]:
    """Quarantined rows of all ingestion dates that no valid version has replaced.

    Args:
        quarantined: rows of the run's deliveries that are; without any row in quarantine, no Spark
            job is needed.
    """
    earlier = scope.consult(keyed.quarantine)
    if earlier is None and not quarantined:
        nothing = defaultdict[str, Any](int)
        findings = [_newest(keyed, scope, nothing)]
        return [*findings, _no_value_quarantined(keyed, scope)] if keyed.value else findings
    broken = _broken(scope)
    # An implausible time must not make a row newer than the day on which it arrived.
    updated_at = F.when(
        F.array_contains("_reasons", f"updated_at: {IMPLAUSIBLE}"),
        F.to_timestamp(INGESTION_DATE),
    ).otherwise(F.col("updated_at"))
    columns = [F.col(name) for name in (keyed.key, *PROVENANCE)]
    columns += [updated_at.alias("updated_at"), *([F.col(keyed.value)] if keyed.value else [])]
    broken = broken.select(*columns)
    if earlier is not None:
        others = earlier.where(~F.col(INGESTION_DATE).isin(list(scope.dates)))
        broken = broken.unionAll(keyed.parse(others).select(*columns))
    value = F.col(keyed.value) if keyed.value else F.lit(0)
    version = F.struct("updated_at", *PROVENANCE)
    newest = broken.groupBy(F.col(keyed.key).alias("held_key")).agg(
        F.max(version).alias("held"),
        # Rows without a key are counted one by one.
        F.when(F.first(keyed.key).isNull(), F.sum(value))
        .otherwise(F.max_by(value, version)).alias("held_value"),
    )  # fmt: skip
    current = scope.snapshot.select(
        F.col(keyed.key).alias("key"), version.alias("kept"), value.alias("value")
    )
    stale = F.col("held") > F.col("kept")
    # A broadcast would be another Spark job.
    joined = current.join(
        newest.hint("merge"), F.col("key") == F.col("held_key"), "full_outer"
    ).select(
        "*",
        F.coalesce(stale, F.lit(False)).alias("stale"),
        (F.col("held_key").isNotNull() | F.col("key").isNull()).alias("in_quarantine"),
    )
    unsettled = F.col("in_quarantine") & (F.col("stale") | F.col("key").isNull())
    row = joined.agg(
        F.count_if("stale").alias("stale"),
        F.count_if(F.col("key").isNull()).alias("missing"),
        F.sum(F.when(F.col("stale"), F.col("value"))).alias("stale_value"),
        F.sum("value").alias("value"),
        F.sum(F.when(unsettled, F.col("held_value"))).alias("held_value"),
        F.min(F.when(F.col("stale"), F.struct("key", "held", "kept"))).alias("example"),
    ).collect()[0]
    findings = [_newest(keyed, scope, row)]
    if keyed.value:
        findings.append(_value_quarantined(keyed, scope, row))
    return findings


def _newest(keyed: Keyed, scope: Scope, row: Any) -> Finding:
    keys, share = row["stale"], Share(row["stale"], scope.rows, "tolerance")
    example = []
    message = (
        f"{keys:,} of {scope.rows:,} keys ({share.described(scope.thresholds)}) have their "
        "newest version in quarantine; an older one counts"
    )
    if keyed.value:
        message += f", worth {row['stale_value'] or Decimal('0.00'):,} {keyed.shop.currency}"
    if not share.passes(scope.thresholds):
        found = row["example"]
        first = {
            keyed.key: found["key"],
            "_source_file": found["held"]["_source_file"],
            "_row_number": found["held"]["_row_number"],
            "older_file": found["kept"]["_source_file"],
            "older_row_number": found["kept"]["_row_number"],
        }
        example = [first]
        where = scope.location(first["_source_file"], first["_row_number"])
        message += (
            f". E.g. {keyed.key} {scope.shown(keyed.key, found['key'])}: {where} is quarantined"
        )
    return share_finding(
        NEWEST,
        share,
        scope.thresholds,
        {"keys": keys}
        | ({"value": str(row["stale_value"] or 0)} if keyed.value else {}),
        sample=example,
        message=f"{message}.",
        advice="The shop changed these rows, and figures still follow what they were before: have "
        f"the versions in {keyed.quarantine} corrected and delivered again.",
    )  # fmt: skip


def _value_quarantined(keyed: Keyed, scope: Scope, row: Any) -> Finding:
    held, published = row["held_value"] or Decimal("0.00"), row["value"] or Decimal("0.00")
    whole, keys = held + published, scope.rows + row["missing"]
    share = Share(keys * float(held / whole) if whole else 0.0, keys, "tolerance")
    return share_finding(
        VALUE_QUARANTINED,
        share,
        scope.thresholds,
        {"quarantined_value": str(held), "published_value": str(published)},
        message=f"{held:,} {keyed.shop.currency} of {whole:,} "
        f"({share.described(scope.thresholds)}), by {keyed.value}, lie in quarantine.",
        advice=f"No figure counts them: have the rows in {keyed.quarantine} corrected and "
        "delivered again.",
    )  # fmt: skip


def _no_value_quarantined(keyed: Keyed, scope: Scope) -> Finding:
    share = Share(0, scope.rows, "tolerance")
    return share_finding(
        VALUE_QUARANTINED,
        share,
        scope.thresholds,
        {"quarantined_value": "0.00"},
        message=f"0 {keyed.shop.currency} ({share.described(scope.thresholds)}) lie in quarantine.",
    )


REASONED = Check("reasons_given", "Every quarantined row says why it is here.", True)


def _quarantined_rows(scope: Scope) -> Report:
    snapshot = scope.only_affected(scope.snapshot, "_ingestion_date")
    grouped = snapshot.groupBy("_ingestion_date", "_reasons").count()
    groups = grouped.collect() if scope.added else []
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
        sample=sample(snapshot.where(F.size("_reasons") == 0)) if unexplained else [],
        advice="A row without a reason is a defect of the contract.",
    )
    return Report([finding], rows_by_date)


quarantined_rows = Audit((REASONED,), _quarantined_rows)
