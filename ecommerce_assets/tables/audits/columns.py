"""Audit of bronze: does a delivery have the same columns as the one before?"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from ecommerce_assets.engine.queries import query
from ecommerce_assets.engine.relation import ROWS
from ecommerce_assets.intervals import lies_in
from ecommerce_assets.landing.layout import INGESTION_DATE, RESCUED
from ecommerce_assets.model.audit import Audit, Check, Finding, Report
from ecommerce_assets.sql import quoted
from ecommerce_assets.tables.audits import SAMPLE_ROWS, Filled, Scope, counted
from ecommerce_assets.tables.types import DATE, TEXT

SCHEMA = Check(
    "schema_as_usual",
    "Each date's files have, and fill, the columns of the delivery before.",
    False,
)
LOOKED_BACK = timedelta(days=31)
EXPECTED = 10  # expected values of a column that is now empty, by its share in the delivery before
_NAMES = {INGESTION_DATE: str(DATE), "name": str(TEXT)}


def _schema_as_usual(scope: Scope) -> Report:
    """Columns come from the table's metadata; only a difference costs a Spark job."""
    counted = scope.rows_by_date
    earlier = sorted(day for day in counted if counted[day] and day < min(scope.dates, default=day))
    days = [*earlier[-1:], *[day for day in scope.dates if counted.get(day)]]
    columns = scope.filled(days)
    unknown = _unknown_columns(scope, [day for day in days if RESCUED in columns[day].there])
    differing, lost = [], set[date]()
    for before, day in pairwise(days):
        found = {
            "date": day.isoformat(),
            "before": before.isoformat(),
            "new": sorted((_names(columns[day]) | unknown.get(day, set()))
                          - _names(columns[before]) - unknown.get(before, set())),
            "gone": sorted((_names(columns[before]) | unknown.get(before, set()))
                           - _names(columns[day]) - unknown.get(day, set())),
            "newly_empty": sorted(_newly_empty(scope, before, day, columns)),
        }  # fmt: skip
        # Of a column that is not declared, nothing was used.
        if found["newly_empty"] or _names(columns[before]) - _names(columns[day]):
            lost.add(day)
        if found["new"] or found["gone"] or found["newly_empty"]:
            differing.append(found)
    compared = max(len(days) - 1, 0)
    message = f"{len(differing):,} of {compared:,} dates have other columns than the one before"
    if differing:
        first = differing[0]
        odd = [f"{what.replace('_', ' ')}: {', '.join(first[what])}"
               for what in ("new", "gone", "newly_empty") if first[what]]  # fmt: skip
        message += f"; {first['date']} beside {first['before']}: {'; '.join(odd)}"
    finding = Finding(
        SCHEMA,
        passed=not differing,
        counts={"dates": compared, "dates_that_differ": len(differing)},
        sample=differing[:SAMPLE_ROWS],
        message=f"{message}.",
        advice=_advice(differing, {day.isoformat() for day in lost}),
        by_date=differing,
    )
    return Report([finding])


def _advice(differing: Sequence[Mapping[str, Any]], lost: Collection[str]) -> str:
    """What to do about the columns that differ.

    Args:
        lost: the dates that lack a declared column, or its values.
    """
    if not lost:
        return (
            "Nothing is lost: the values of a new column are in _rescued_data. To have it as a "
            "column, add it to its source in the shop file."
        )
    if not any(found["new"] and found["date"] in lost for found in differing):
        return (
            "Its values are missing from these dates: ask the shop, and have them delivered again."
        )
    return (
        "If the shop renamed a column, it counts as empty, and its values are only in "
        "_rescued_data: name the new header in the shop file, or have the dates delivered again "
        "with the old one."
    )


def _names(columns: Filled) -> set[str]:
    return {name for name in columns.there if not name.startswith("_")}


def _newly_empty(
    scope: Scope, before: date, day: date, columns: Mapping[date, Filled]
) -> list[str]:
    """Empty columns that enough rows of the delivery before fill."""
    odd = sorted(
        (_names(columns[day]) - columns[day].filled) & _names(columns[before])
        & columns[before].filled
    )  # fmt: skip
    if not odd:
        return []
    rows = scope.snapshot.where(lies_in(INGESTION_DATE, [before])).select(*odd)
    filled = counted(rows, {name: f"trim({quoted(name)}) <> ''" for name in odd})
    share = scope.rows_by_date[day] / scope.rows_by_date[before]
    return [name for name in odd if filled[name] * share >= EXPECTED]


def _unknown_columns(scope: Scope, days: Sequence[date]) -> dict[date, set[str]]:
    """By date, the names of columns that the contract does not know."""
    if not days:
        return {}
    rows = scope.snapshot.where(f"{lies_in(INGESTION_DATE, days)} AND {RESCUED} IS NOT NULL")
    named = rows.select(INGESTION_DATE, RESCUED).row_wise(
        f"SELECT DISTINCT {INGESTION_DATE}, unnest(json_keys({RESCUED})) FROM {ROWS}", _NAMES
    )
    distinct = query(f"SELECT DISTINCT {INGESTION_DATE}, name FROM named", named=named)
    found: dict[date, set[str]] = {}
    for row in distinct.rows():
        if not row["name"].startswith("_"):
            found.setdefault(row[INGESTION_DATE], set()).add(row["name"])
    return found


schema_as_usual = Audit((SCHEMA,), _schema_as_usual, looks_back=LOOKED_BACK)
