"""Audits of bronze: is a delivery complete, and as large as usual?"""

from collections.abc import Sequence
from datetime import timedelta
from statistics import median
from typing import Any

from ecommerce_assets.engine.relation import Relation
from ecommerce_assets.intervals import days_in
from ecommerce_assets.landing.layout import INGESTION_DATE, SURPLUS
from ecommerce_assets.landing.records import CUT_OFF, STRAY_QUOTE
from ecommerce_assets.model.audit import Audit, Check, Finding, Report
from ecommerce_assets.model.shares import Share
from ecommerce_assets.refresh.decision import LandingEvidence
from ecommerce_assets.tables.audits import SAMPLE_ROWS, Scope, counted, sample, share_finding

DELIVERED = Check(
    "delivery_not_empty", "Every ingestion date of the run brought at least one row.", False
)


def _empty_delivery(scope: Scope) -> Report:
    rows_by_date = {day: scope.rows_by_date.get(day, 0) for day in scope.dates}
    empty = [day.isoformat() for day, rows in rows_by_date.items() if not rows]
    finding = Finding(
        DELIVERED,
        passed=not empty,
        counts={"dates": len(rows_by_date), "empty_dates": len(empty)},
        sample=[{"empty_date": day} for day in empty[:SAMPLE_ROWS]],
        message=f"{len(empty):,} of {len(rows_by_date):,} dates brought no row{_first(empty)}.",
        advice="Nothing to do if the shop sent nothing; otherwise land the files and run again.",
    )
    return Report([finding], rows_by_date)


def _first(days: Sequence[object]) -> str:
    return f", the first of them {days[0]}" if days else ""


empty_delivery = Audit((DELIVERED,), _empty_delivery)

WEEKS = 4
FEWEST_WEEKS = 3  # with two, the median would be a mean

USUAL = Check(
    "volume_as_usual",
    "Each date's row count is within ECOMMERCE_VOLUME_CHANGE (50 %) of the median of the same "
    f"weekday in the previous {WEEKS} weeks, random variation of small counts allowed for; skipped "
    f"with fewer than {FEWEST_WEEKS} such weeks, and in a table's first load.",
    False,
)
CHANCE = 3  # standard deviations; that of a count is about its square root


def _volume_as_usual(scope: Scope) -> Report:
    unusual: list[dict[str, Any]] = []
    compared, limit = 0, scope.thresholds.volume_change
    for day in scope.dates if any(scope.rows_before.values()) else ():
        weeks = [scope.rows_by_date.get(day - timedelta(weeks=n), 0) for n in range(1, WEEKS + 1)]
        known = [rows for rows in weeks if rows]
        if len(known) < FEWEST_WEEKS:
            continue
        compared += 1
        usual, rows = median(known), scope.rows_by_date.get(day, 0)
        if abs(rows - usual) > max(limit * usual, CHANCE * usual**0.5):
            unusual.append({"date": day.isoformat(), "rows": rows, "usual": round(usual)})
    message = f"{len(unusual):,} of {compared:,} dates have an unusual number of rows"
    advice = []
    if any(found["rows"] < found["usual"] for found in unusual):
        advice.append("request the data that are missing")
    if any(found["rows"] > found["usual"] for found in unusual):
        advice.append("look for a file that was delivered twice, or belongs to another date")
    if unusual:
        worst = max(unusual, key=lambda found: abs(found["rows"] - found["usual"]))
        message += f"; {worst['date']} has {worst['rows']:,} rows, usual are {worst['usual']:,}"
    finding = Finding(
        USUAL,
        passed=not unusual,
        counts={"dates": compared, "unusual_dates": len(unusual), "limit": limit},
        sample=unusual[:SAMPLE_ROWS],
        message=f"{message}.",
        advice=f"Nothing to do if the shop had such a day; otherwise {' and '.join(advice)}.",
        by_date=unusual,
    )
    return Report([finding])


volume_as_usual = Audit((USUAL,), _volume_as_usual, looks_back=timedelta(weeks=WEEKS))

REPLACED = Check(
    "rows_as_before",
    "A date that is delivered again has as many rows as the delivery that it replaces, within "
    "ECOMMERCE_REDELIVERY_CHANGE (10 %).",
    False,
)


def _rows_as_before(scope: Scope) -> Report:
    other: list[dict[str, Any]] = []
    replaced, limit = 0, scope.thresholds.redelivery_change
    for day in scope.dates:
        before, rows = scope.rows_before.get(day, 0), scope.rows_by_date.get(day, 0)
        if not before:
            continue
        replaced += 1
        if abs(rows - before) > limit * before:
            other.append({"date": day.isoformat(), "rows": rows, "rows_before": before})
    message = f"{replaced:,} dates were delivered again, {len(other):,} of them of another size"
    if other:
        worst = min(other, key=lambda found: found["rows"] - found["rows_before"])
        message += f"; {worst['date']} has {worst['rows']:,} rows, before {worst['rows_before']:,}"
    finding = Finding(
        REPLACED,
        passed=not other,
        counts={"dates_again": replaced, "dates_that_differ": len(other), "limit": limit},
        sample=other[:SAMPLE_ROWS],
        message=f"{message}.",
        advice="Nothing to do if the shop corrected that much; otherwise the new file may be "
        "incomplete: put the old one back and run the date again.",
        by_date=other,
    )
    return Report([finding])


rows_as_before = Audit((REPLACED,), _rows_as_before)

WHOLE = Check(
    "last_record_complete",
    "No file ends in the middle of a record, without a line end and with too few fields.",
    False,
)


QUOTES = Check(
    "quotes_closed",
    "No quoted field holds line breaks and as many delimiters as whole lines have: a stray quote "
    "makes the lines up to the next one a part of its field.",
    False,
)


def _of_mark(check: Check, mark: str, said: str, advice: str) -> Audit:
    """Tells the records that the reader has marked in what it rescued.

    Args:
        check: that there are none.
        mark: the key in `_rescued_data`.
        said: what is wrong with them, behind their number.
        advice: what to do.
    """
    condition = f"""contains(_rescued_data, '"{mark}": true')"""
    figure = f"records{mark}"

    def tell(scope: Scope) -> Report:
        number = scope.observed[figure] or 0
        rows, where = _records(scope.snapshot, condition, scope) if number else ([], "")
        message = f"{number:,} {said}{where}."
        counts = {"records": number}
        finding = Finding(check, not number, counts, rows, advice, message=message)
        return Report([finding])

    return Audit((check,), tell, observes={figure: f"count_if({condition})"})


def _records(rows: Relation, condition: str, scope: Scope) -> tuple[list[dict[str, Any]], str]:
    """A sample of records, and where the first one is."""
    records = rows.where_row_wise(condition).select("_source_file", "_row_number")
    found = sample(records, ["_source_file", "_row_number"])
    if not found:
        return [], ""
    return found, f", like {scope.location(found[0]['_source_file'], found[0]['_row_number'])}"


last_record_complete = _of_mark(
    WHOLE,
    CUT_OFF,
    "files end in the middle of a record",
    "Rows are missing, and the last value may be cut off: have the file delivered again, and run "
    "its date. If the file is complete, end it with a line end.",
)
quotes_closed = _of_mark(
    QUOTES,
    STRAY_QUOTE,
    "records have a quoted field that holds what looks like lines",
    "If a quote opens there by mistake, the lines that follow are lost in it: have the file "
    'delivered again, or set quote = "" of the source if it never quotes.',
)


FIELDS = Check("fields_as_in_header", "No row has more fields than its file's header.", True)
_MAY_HAVE_MORE = f"""contains(_rescued_data, '"{SURPLUS}": [')"""
# Delimiters at the end of a line are no fields.
_HAS_MORE = (
    f"len(list_filter(json_extract_string(_rescued_data, '$.{SURPLUS}[*]'), "
    "lambda field: trim(field) <> '')) > 0"
)


def _fields_as_in_header(scope: Scope) -> Report:
    rows, found, where = 0, list[dict[str, Any]](), ""
    if scope.observed["more_fields"]:
        written = scope.only_affected(scope.snapshot, INGESTION_DATE)
        rows = counted(written, {"n": _HAS_MORE})["n"]
        found, where = _records(written, _HAS_MORE, scope)
    message = f"{rows:,} of {scope.added:,} rows have more fields than their file's header{where}"
    share = Share(rows, scope.added, "quarantine_limit", warns_from=0, blocks=True)
    finding = share_finding(
        FIELDS, share, scope.thresholds, {"rows": rows}, sample=found, message=f"{message}.",
        advice="A delimiter within a text that has no quotes shifts the columns behind it, so "
        "their values are wrong: have the file delivered with quotes, or another delimiter.",
    )  # fmt: skip
    return Report([finding])


fields_as_in_header = Audit(
    (FIELDS,),
    _fields_as_in_header,
    observes={"more_fields": f"count_if({_MAY_HAVE_MORE})"},
)


def rows_of_no_table(conditions: Sequence[str]) -> Audit:
    """Counts the run's rows that speak of no table: a figure of the bronze table, not a check.

    Args:
        conditions: SQL conditions of the tables that the source feeds, never null.
    """
    of_none = {"n": f"NOT ({' OR '.join(conditions)})"}

    def count(scope: Scope) -> Report:
        written = scope.only_affected(scope.snapshot, INGESTION_DATE)
        rows = counted(written, of_none)["n"] if scope.added else 0
        return Report([], metrics={"rows_of_no_table": rows})

    return Audit((), count)


READ = Check("all_files_read", "Every file in the landing folder is read.", False)


def all_files_read(unread: Sequence[str]) -> Finding:
    """The finding on files that are not read."""
    example = f", like {unread[0]}" if unread else ""
    return Finding(
        READ,
        passed=not unread,
        counts={"not_read": len(unread)},
        sample=[{"path": path} for path in unread[:SAMPLE_ROWS]],
        message=f"{len(unread):,} files or folders are not read{example}.",
        advice="Deliveries are TABLE/ingestion_date=YYYY-MM-DD/NAME.csv or .csv.gz, in lower case: "
        "rename the files, or move away what does not belong there.",
    )


CURRENT = Check(
    "read_by_this_code",
    "Every published date was read by the present version of the code.",
    False,
)


def read_by_this_code(other_code: Sequence[str]) -> Finding:
    """The finding on dates read by another version of the code.

    Args:
        other_code: intervals of ISO dates.
    """
    days = sorted(days_in(other_code))
    again = [interval.split("/") for interval in other_code]
    commands = [f"ecommerce run --from {first} --to {last}" for first, last in again]
    return Finding(
        CURRENT,
        passed=not days,
        counts={"dates": len(days)},
        sample=[{"from": first, "to": last} for first, last in again[:SAMPLE_ROWS]],
        message=f"{len(days):,} dates were read by another version of the code{_first(days)}.",
        advice=f"Run them again, or backfill them: {' && '.join(commands[:SAMPLE_ROWS])}",
    )


def every_run(seen: LandingEvidence) -> list[Finding]:
    """The findings that need no row, so that a run with nothing to read reports them too."""
    return [all_files_read(seen.unread), read_by_this_code(seen.other_code)]


every_run_audit = Audit((READ, CURRENT), lambda scope: Report(every_run(scope.landing)))
