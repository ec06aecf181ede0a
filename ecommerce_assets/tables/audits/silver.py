"""Audits of silver: what became of every bronze row, and whether keys and values are plausible."""

import json
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

from ecommerce_assets.engine.queries import query
from ecommerce_assets.model.audit import Audit, Check, Finding, Report
from ecommerce_assets.model.shares import Share
from ecommerce_assets.shop.model import MAY_BE_NONE
from ecommerce_assets.tables.audits import SAMPLE_ROWS, Scope, sample, share_finding
from ecommerce_assets.tables.audits.fates import HELD, Account, accounted
from ecommerce_assets.tables.audits.marked import (
    IS_ROUNDED,
    NAMED_BY_SALES,
    SELLS_NOTHING,
    SMALLEST_UNIT,
)
from ecommerce_assets.tables.audits.plausible import (
    in_smallest_unit,
    named_by_sales,
    not_repeated,
)
from ecommerce_assets.tables.audits.quarantine import (
    QUARANTINE_SHARE,
    Keyed,
    checks_of_held_back,
    held_back,
    quarantine_share,
)
from ecommerce_assets.tables.audits.repeated import NOT_REPEATED
from ecommerce_assets.tables.contract import VALID
from ecommerce_assets.thresholds import exceeds

CONSERVED = Check(
    "row_conservation",
    "For every ingestion date: bronze rows = not selected + current + superseded + quarantined "
    "rows; not selected are those of which the shop file says that they do not speak of the table.",
    True,
)
SELECTED = Check(
    "rows_selected",
    "The shop file's condition selects rows of the run's deliveries; blocks if the table has no "
    "row at all, unless the run allows it.",
    True,
)
ABSENT = Check(
    "rows_absent",
    "At most ECOMMERCE_ABSENCE_LIMIT (5 %) of the published rows are no longer in the latest "
    "delivery, which is the whole table, unless the run allows it.",
    True,
)
CHECKS_OF_MARKS = {IS_ROUNDED: SMALLEST_UNIT, SELLS_NOTHING: NAMED_BY_SALES}


def accounting(keyed: Keyed) -> Audit:
    """What became of each bronze row, counted independently on both sides.

    On one side, rows of bronze by date, from its metadata. On the other, by date: rows in the new
    silver snapshot; rows that are not selected; rows that break the contract; rows superseded by a
    higher version. A valid row
    is lost if silver lacks its key or has it only with a lower version.
    """
    checks = [CONSERVED, QUARANTINE_SHARE, *([SELECTED] if keyed.selects else [])]
    checks += [unambiguous(keyed)] if keyed.parent else []
    checks += [NOT_REPEATED] if keyed.repeats else []
    checks += [check for mark, check in CHECKS_OF_MARKS.items() if mark in keyed.marks]
    checks += [VALUE_AS_BEFORE] if keyed.value else []
    checks += [ABSENT] if keyed.absence and keyed.absence.complete else []
    checks += checks_of_held_back(keyed)
    return Audit(tuple(checks), partial(_account, keyed))


def _account(keyed: Keyed, scope: Scope) -> Report:
    account = Account()
    for row in accounted(keyed, scope).rows():
        account.add(row)
    counts = account.counts
    received = scope.received(scope.dates)
    by_date: list[dict[str, Any]] = [
        {
            "_ingestion_date": day,
            "bronze": received.get(day, 0),
            "not_selected": counts["not_selected"].get(day, 0),
            "current": counts[HELD].get(day, 0),
            "superseded": counts["superseded"].get(day, 0) + counts["gone"].get(day, 0),
            "gone": counts["gone"].get(day, 0),
            "quarantined": counts["quarantined"].get(day, 0),
            "lost": counts["lost"].get(day, 0),
            "found_again": counts["current"].get(day, 0),
        }
        for day in sorted({*scope.dates, *counts["lost"]})
    ]
    findings = [_conserved(scope, by_date), quarantine_share(keyed, scope, by_date)]
    if keyed.selects:
        findings.append(_selected(keyed, scope, by_date, account.left_out))
    if keyed.parent:
        findings.append(_unambiguous(keyed, scope, account.of_run, account.ambiguous))
    if keyed.repeats:
        findings.append(not_repeated(keyed, keyed.repeats, scope, account.repeated))
    if IS_ROUNDED in keyed.marks:
        findings.append(in_smallest_unit(keyed, scope, account))
    if SELLS_NOTHING in keyed.marks:
        findings.append(named_by_sales(scope, account))
    if keyed.value:
        findings.append(_value_as_before(keyed, scope, account.values))
    if keyed.absence and keyed.absence.complete:
        findings.append(_absent(keyed, scope))
    findings += held_back(keyed, scope, sum(row["quarantined"] for row in by_date))
    return Report(findings, {row["_ingestion_date"]: row["current"] for row in by_date})


def _conserved(scope: Scope, by_date: list[dict[str, Any]]) -> Finding:
    wrong = [
        row
        for row in by_date
        if row["lost"]
        or row["current"] != row["found_again"]
        or row["bronze"]
        != row["not_selected"] + row["current"] + row["superseded"] + row["quarantined"]
    ]
    names = ("bronze", "not_selected", "current", "superseded", "gone", "quarantined", "lost")
    total = {name: sum(row[name] for row in by_date) for name in names}
    not_selected = f"{total['not_selected']:,} not selected, " if total["not_selected"] else ""
    gone = f" ({total['gone']:,} by absence)" if total["gone"] else ""
    return Finding(
        CONSERVED,
        passed=not wrong,
        counts={"dates": len(scope.dates), "dates_that_fail": len(wrong), **total},
        sample=wrong[:SAMPLE_ROWS],
        message=f"{total['bronze']:,} rows of bronze: {not_selected}{total['current']:,} current, "
        f"{total['superseded']:,} superseded{gone}, {total['quarantined']:,} quarantined, "
        f"{total['lost']:,} lost.",
        advice="Rows were lost or added: this is a defect of the transformation, not of the "
        "delivery. The published table is unchanged.",
        by_date=by_date if len(by_date) > 1 else [],
    )


def _absent(keyed: Keyed, scope: Scope) -> Finding:
    """How many published rows the latest delivery of the whole table lacks."""
    published = scope.consult(keyed.table)
    gone, whole, rows = 0, 0, []
    if published is not None:
        left = query(
            f"SELECT published.{keyed.key} FROM published "
            f"ANTI JOIN kept ON published.{keyed.key} = kept.{keyed.key}",
            published=published,
            kept=scope.snapshot.select(keyed.key),
        )
        gone, whole = left.count(), published.count()
        rows = sample(left, [keyed.key]) if gone else []
    share = Share(gone, whole, "absence_limit", blocks=not scope.allow_removal)
    return share_finding(
        ABSENT,
        share,
        scope.thresholds,
        {"rows_before": whole, "absent": gone},
        sample=rows,
        message=f"{gone:,} of {whole:,} rows ({share.described(scope.thresholds)}) are in the "
        "latest delivery of the whole table no longer.",
        advice="Is the delivery complete? If it is, run it with --allow-removal (allow_removal in "
        "the launchpad).",
    )


def _selected(
    keyed: Keyed, scope: Scope, by_date: list[dict[str, Any]], left_out: Decimal | None
) -> Finding:
    rows = sum(row["bronze"] for row in by_date)
    left = sum(row["not_selected"] for row in by_date)
    name = keyed.table.removeprefix("silver.")
    nothing = left == rows and not scope.rows
    blocks = nothing and exceeds(left, rows, scope.thresholds.removal_limit)
    message = f"{rows - left:,} of {rows:,} rows speak of {name}"
    if left:
        worth = "" if left_out is None else f", worth {left_out:,.2f} {keyed.shop.unconverted},"
        conditions = " or ".join(
            f"{part.where!r} of {part.from_}"
            for part in keyed.shop.declared.tables[name]
            if part.where
        )
        message += f"; {left:,}{worth} do not, by where: {conditions}"
    return Finding(
        SELECTED,
        passed=not rows or left < rows or name in MAY_BE_NONE,
        severity="ERROR" if blocks and not scope.allow_removal else "WARN",
        counts={"rows": rows, "not_selected": left}
        | ({} if left_out is None else {"not_selected_value": str(left_out)}),
        message=f"{message}.",
        advice=f"Look at tables.{name}.where in {keyed.shop.file}: it fits no row of these "
        "deliveries. If that is meant, run it with --allow-removal (allow_removal in the "
        "launchpad).",
    )


def unambiguous(keyed: Keyed) -> Check:
    """The check that all versions of a key have the same parent."""
    detail = f", and those in one file the same {keyed.detail}" if keyed.detail else ""
    return Check(
        "key_unambiguous",
        f"All versions of a key name the same {keyed.parent}{detail}; blocks if more than "
        "ECOMMERCE_IDENTITY_LIMIT (5 %) of the run's rows name another one than the current "
        "version.",
        True,
    )


def _unambiguous(keyed: Keyed, scope: Scope, rows: int, ambiguous: dict[date, int]) -> Finding:
    odd = sum(ambiguous.values())
    share = Share(odd, rows, "identity_limit", warns_from=0, blocks=True)
    example: list[dict[str, Any]] = []
    parent, name = str(keyed.parent), keyed.table.removeprefix("silver.")
    named = f"{parent}, or in the same file another {keyed.detail}," if keyed.detail else parent
    message = (
        f"{odd:,} of {rows:,} rows ({share.described(scope.thresholds)}) name another "
        f"{named} than the current version of their {keyed.key}"
    )
    if odd:
        example = _versions_that_differ(keyed, scope)
    if example:
        first = example[0]
        message += (
            f"; {keyed.key} {scope.shown(keyed.key, first[keyed.key])!r} has {first['versions']:,} "
            f"versions that name {first['named']:,} different {first['column']}, like "
            f"{first['one']!r} and {first['another']!r}"
        )
    several = len(keyed.shop.declared.tables[name]) > 1
    return share_finding(
        unambiguous(keyed),
        share,
        scope.thresholds,
        {"rows": rows, "rows_that_differ": odd},
        sample=example,
        message=f"{message}.",
        advice=f"Only one row a {keyed.key} is current, so the others are lost to every figure. "
        + (
            "If several sources number their rows alike, give the keys of one a prefix. "
            if several
            else ""
        )
        + f"If the column numbers rows within a {parent}, make the key of both: tables.{name}.key "
        f"in {keyed.shop.file}, as key = {_headers(keyed, name)}; if rows really moved, raise "
        "ECOMMERCE_IDENTITY_LIMIT.",
        by_date=[{"date": day.isoformat(), "rows_that_differ": n}
                 for day, n in sorted(ambiguous.items()) if n],
    )  # fmt: skip


def _versions_that_differ(keyed: Keyed, scope: Scope) -> list[dict[str, Any]]:
    """Keys whose versions name several parents, or else several details."""
    valid = scope.versions.candidates.where(VALID)
    for column in (keyed.parent, keyed.detail):
        if column is None:
            continue
        by = [keyed.key] if column == keyed.parent else [keyed.key, "_source_file"]
        named = query(
            f"""
            SELECT * FROM (
                SELECT {", ".join(by)}, count(DISTINCT {column}) AS named, min({column}) AS one,
                    max({column}) AS another, count(*) AS versions
                FROM valid GROUP BY {", ".join(by)}
            ) AS counted
            WHERE named > 1""",
            valid=valid,
        )
        found = sample(named, by)
        if found:
            return [
                {**row, "column": column, "one": scope.shown(column, row["one"]),
                 "another": scope.shown(column, row["another"])}
                for row in found
            ]  # fmt: skip
    return []


def _headers(keyed: Keyed, name: str) -> str:
    """The headers of the parent and of the key, as the shop file would list them.

    If they are the same, the detail's as well.
    """
    table = keyed.shop.declared.tables[name][0]

    def headers_of(column: str | None) -> list[str]:
        value = table.values.get(str(column))
        given = (value.column, *(value.columns or ())) if value else (str(column),)
        return [header for header in given if header]

    headers = [*headers_of(keyed.parent), *(table.key or headers_of(keyed.key))]
    if len(set(headers)) == 1 and keyed.detail:
        headers += headers_of(keyed.detail)
    return json.dumps(list(dict.fromkeys(headers)), ensure_ascii=False)


VALUE_AS_BEFORE = Check(
    "value_as_before",
    "A date that is delivered again has the same value as the delivery that it replaces, within "
    "ECOMMERCE_REDELIVERY_CHANGE (10 %).",
    False,
)


def _value_as_before(keyed: Keyed, scope: Scope, values: dict[date, Decimal]) -> Finding:
    limit = Decimal(str(scope.thresholds.redelivery_change))
    before: dict[date, Decimal] = {}
    if (replaced := scope.versions.replaced) is not None:
        sums = query(
            f"""
            SELECT _ingestion_date, sum({keyed.value}) AS value FROM replaced
            WHERE {VALID} IS NOT NULL GROUP BY _ingestion_date""",
            replaced=replaced,
        )
        before = {row["_ingestion_date"]: row["value"] or Decimal(0) for row in sums.rows()}
    other: list[dict[str, Any]] = []
    for day, was in sorted(before.items()):
        now = values.get(day, Decimal(0))
        if abs(now - was) > limit * was:
            other.append({"date": day.isoformat(), "value": now, "value_before": was})
    message = f"{len(before):,} dates were delivered again, {len(other):,} of them of another value"
    if other:
        worst = max(other, key=lambda found: abs(found["value"] - found["value_before"]))
        message += (
            f"; the {keyed.value} of {worst['date']} adds up to {worst['value']:,.2f}, "
            f"before {worst['value_before']:,.2f}"
        )
    return Finding(
        VALUE_AS_BEFORE,
        passed=not other,
        counts={
            "dates_again": len(before), "dates_that_differ": len(other), "limit": float(limit),
        },
        sample=other[:SAMPLE_ROWS],
        message=f"{message}.",
        advice="Nothing to do if the shop corrected that much; otherwise put the old file back "
        "and run the date again.",
        by_date=other,
    )  # fmt: skip
