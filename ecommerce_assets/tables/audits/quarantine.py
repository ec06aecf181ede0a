"""Audits of quarantine: number of rows, their value, older versions in their place."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from ecommerce_assets.engine.queries import all_rows, query
from ecommerce_assets.engine.relation import ROWS, Relation
from ecommerce_assets.engine.types import Kind
from ecommerce_assets.intervals import lies_in
from ecommerce_assets.landing.layout import INGESTION_DATE, PROVENANCE
from ecommerce_assets.model.audit import Audit, Check, Finding, Report
from ecommerce_assets.model.shares import Share
from ecommerce_assets.model.versions import is_lower, latest_first
from ecommerce_assets.shop import Shop
from ecommerce_assets.sql import ansi_literal
from ecommerce_assets.tables.absence import Absence
from ecommerce_assets.tables.audits import WARNING_FRACTION, Scope, sample, share_finding
from ecommerce_assets.tables.audits.repeated import Repeats
from ecommerce_assets.tables.casting import IMPLAUSIBLE
from ecommerce_assets.tables.contract import VALID
from ecommerce_assets.tables.provenance import VERSION_ORDER
from ecommerce_assets.tables.types import DATE, TEXT
from ecommerce_assets.thresholds import exceeds

QUARANTINE_SHARE = Check(
    "quarantine_share",
    "At most ECOMMERCE_QUARANTINE_LIMIT (5 %) of the run's rows are quarantined; warns from a "
    "fifth of that.",
    True,
)

_REASON = {"reason": str(TEXT)}
_REASONS = {INGESTION_DATE: str(DATE), "reasons": str(TEXT)}


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
        as_received: returns parsed rows that break the contract as quarantine holds them.
        kinds: the columns of parsed rows, and their types.
        selects: whether some rows of bronze do not speak of the table.
        repeats: which rows are told, if another one of their key replaces them; None for none.
        marks: the marks of parsed rows.
        shop: the shop.
        absence: what the deliveries say by what they lack; None for nothing.
    """

    table: str
    key: str
    parent: str | None
    detail: str | None
    value: str | None
    parse: Callable[[Relation], Relation]
    as_received: Callable[[Relation], Relation]
    kinds: Mapping[str, Kind]
    selects: bool
    repeats: Repeats | None
    marks: tuple[str, ...]
    shop: Shop
    absence: Absence | None

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
    reasons = broken.select("_reasons").row_wise(f"SELECT unnest(_reasons) FROM {ROWS}", _REASON)
    top = query(
        """
        SELECT reason, n FROM (
            SELECT reason, count(*) AS n FROM reasons GROUP BY reason
        ) AS counted
        ORDER BY n DESC, reason""",
        reasons=reasons,
    ).rows(1)[0]  # there are quarantined rows
    of_it = broken.where_row_wise(f"list_contains(_reasons, {ansi_literal(top['reason'])})")
    rows = sample(keyed.as_received(of_it), ["_source_file", "_row_number"])
    column = top["reason"].split(":")[0]
    named = column in rows[0] and not scope.is_personal(column)
    value = f"{rows[0][column]!r} in " if named else "in "
    where = scope.location(rows[0]["_source_file"], rows[0]["_row_number"])
    for row in rows:
        row["_line"] = scope.line_of(row["_source_file"], row["_row_number"])
    return rows, f"{top['reason']} ({top['n']:,}), e.g. {value}{where}"


def _broken(scope: Scope) -> Relation:
    """The rows of the run's deliveries that break the contract, parsed."""
    of_run = scope.versions.candidates.where(lies_in(INGESTION_DATE, scope.dates))
    return of_run.where(f"NOT {VALID}")


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
    broken = _held(keyed, _broken(scope))
    if earlier is not None:
        others = earlier.where(f"NOT {lies_in(INGESTION_DATE, scope.dates)}")
        broken = all_rows([broken, _held(keyed, keyed.parse(others))])
    joined = _joined(keyed, broken, scope.snapshot)
    (row,) = query(
        """
        SELECT count(CASE WHEN stale THEN 1 END) AS stale,
            count(CASE WHEN key IS NULL THEN 1 END) AS missing,
            sum(CASE WHEN stale THEN value END) AS stale_value,
            sum(value) AS value,
            sum(CASE WHEN stale OR key IS NULL THEN held_value END) AS held_value
        FROM joined""",
        joined=joined,
    ).rows()
    row["joined"] = joined
    findings = [_newest(keyed, scope, row)]
    if keyed.value:
        findings.append(_value_quarantined(keyed, scope, row))
    return findings


def _held(keyed: Keyed, broken: Relation) -> Relation:
    """Key, version and value of parsed rows that break the contract."""
    # An implausible time must not make a row newer than the day on which it arrived.
    implausible = f"list_contains(_reasons, {ansi_literal(f'updated_at: {IMPLAUSIBLE}')})"
    arrived = f"CAST({INGESTION_DATE} AS TIMESTAMPTZ)"
    columns = [keyed.key, *PROVENANCE, *([keyed.value] if keyed.value else [])]
    return broken.row_wise(
        f"SELECT {', '.join(columns)}, CASE WHEN {implausible} THEN {arrived} ELSE updated_at END "
        f"FROM {ROWS}",
        {name: keyed.kinds[name] for name in [*columns, "updated_at"]},
    )


def _joined(keyed: Keyed, broken: Relation, snapshot: Relation) -> Relation:
    """Each key of the snapshot or in quarantine, with its current and its newest broken version."""
    value = keyed.value or "0"
    version = ", ".join(VERSION_ORDER)
    return query(
        f"""
        WITH current_rows AS (
            SELECT {keyed.key} AS key, {version}, {value} AS value FROM snapshot
        ), ranked AS (
            SELECT {keyed.key} AS held_key, {version}, {value} AS newest_value,
                sum({value}) OVER (PARTITION BY {keyed.key}) AS all_values,
                row_number() OVER (PARTITION BY {keyed.key}
                    ORDER BY {latest_first(VERSION_ORDER)}) AS place
            FROM broken
        ), newest AS (SELECT * FROM ranked WHERE place = 1)
        SELECT key, held_key, value,
            -- Rows without a key are counted one by one.
            CASE WHEN held_key IS NULL THEN all_values ELSE newest_value END AS held_value,
            coalesce({is_lower("current_rows", "newest", VERSION_ORDER)}, false)
                AND key IS NOT NULL AND held_key IS NOT NULL AS stale,
            newest._source_file, newest._row_number, current_rows._source_file AS older_file,
            current_rows._row_number AS older_row_number
        FROM current_rows FULL JOIN newest ON key = held_key""",
        broken=broken,
        snapshot=snapshot,
    )


def _newest(keyed: Keyed, scope: Scope, row: Any) -> Finding:
    keys, share = row["stale"], Share(row["stale"], scope.rows, "tolerance")
    example = []
    message = (
        f"{keys:,} of {scope.rows:,} keys ({share.described(scope.thresholds)}) have their "
        "newest version in quarantine; an older one counts"
    )
    if keyed.value:
        message += f", worth {row['stale_value'] or 0:,.2f} {keyed.shop.unconverted}"
    if not share.passes(scope.thresholds):
        stale = query("SELECT * FROM joined WHERE stale ORDER BY key", joined=row["joined"])
        found = stale.rows(1)[0]
        files = ("_source_file", "_row_number", "older_file", "older_row_number")
        first = {keyed.key: found["key"]} | {name: found[name] for name in files}
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
        message=f"{held:,.2f} {keyed.shop.unconverted} of {whole:,.2f} "
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
        message=f"0 {keyed.shop.unconverted} ({share.described(scope.thresholds)}) lie in "
        "quarantine.",
    )


REASONED = Check("reasons_given", "Every quarantined row says why it is here.", True)


def _quarantined_rows(scope: Scope) -> Report:
    snapshot = scope.only_affected(scope.snapshot, INGESTION_DATE)
    reasons = snapshot.select(INGESTION_DATE, "_reasons").row_wise(
        f"SELECT {INGESTION_DATE}, array_to_string(_reasons, chr(31)) FROM {ROWS}", _REASONS
    )
    grouped = query(
        f"""
        SELECT {INGESTION_DATE}, reasons, count(*) AS n FROM quarantined
        GROUP BY {INGESTION_DATE}, reasons""",
        quarantined=reasons,
    )
    groups = grouped.rows() if scope.added else []
    by_reason: dict[str, int] = {}
    rows_by_date = dict.fromkeys(scope.dates, 0)
    for row in groups:
        for reason in row["reasons"].split("\x1f") if row["reasons"] else ():
            by_reason[reason] = by_reason.get(reason, 0) + row["n"]
        rows_by_date[row[INGESTION_DATE]] += row["n"]
    unexplained = sum(row["n"] for row in groups if not row["reasons"])
    finding = Finding(
        REASONED,
        passed=not unexplained,
        counts={"quarantined": sum(row["n"] for row in groups), **by_reason},
        sample=sample(snapshot.where_row_wise("len(_reasons) = 0")) if unexplained else [],
        advice="A row without a reason is a defect of the contract.",
    )
    return Report([finding], rows_by_date)


quarantined_rows = Audit((REASONED,), _quarantined_rows)
