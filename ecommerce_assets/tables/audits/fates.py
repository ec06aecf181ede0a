"""What became of each row of bronze, counted from the candidates and the new snapshot."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from ecommerce_assets.engine.queries import query
from ecommerce_assets.engine.relation import Relation
from ecommerce_assets.intervals import lies_in
from ecommerce_assets.model.versions import is_lower, latest_first
from ecommerce_assets.tables.absence import PRESENT
from ecommerce_assets.tables.audits import Scope
from ecommerce_assets.tables.audits.marked import IS_OWN
from ecommerce_assets.tables.audits.quarantine import Keyed
from ecommerce_assets.tables.audits.repeated import content
from ecommerce_assets.tables.contract import IS_GONE, VALID
from ecommerce_assets.tables.provenance import VERSION_ORDER

HELD = "held"
KNOWN = "known"  # and a mark: the rows of the run for which it is known


@dataclass
class Account:
    """What `accounted` counts.

    Attributes:
        counts: by fate, the rows by date.
        values: by date, the worth of the rows that speak of the table.
        ambiguous: by date, the rows that name another parent than the current one of their key.
        repeated: by the way in which rows were replaced, their number and their worth.
        left_out: the worth of the rows that do not speak of the table; None without any.
        marked: by mark, the rows of the run that have it; with `KNOWN`, those of which it is known.
        of_run: the rows of the run.
    """

    counts: dict[str, dict[date, int]] = field(default_factory=lambda: defaultdict(dict))
    values: dict[date, Decimal] = field(default_factory=dict)
    ambiguous: dict[date, int] = field(default_factory=dict)
    repeated: dict[str, tuple[int, Decimal | None]] = field(default_factory=dict)
    left_out: Decimal | None = None
    marked: Counter[str] = field(default_factory=Counter)
    of_run: int = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row of `accounted`."""
        day, fate, value = row["day"], self.counts[row["fate"]], row["value"]
        fate[day] = fate.get(day, 0) + row["n"]
        if row["repeats"]:
            rows, worth = self.repeated.get(row["repeats"], (0, None))
            self.repeated[row["repeats"]] = (rows + row["n"], _sum(worth, value))
        if row["fate"] == "not_selected":
            self.left_out = _sum(self.left_out, value)
        else:
            self.values[day] = _sum(self.values.get(day), value) or Decimal(0)
        self.marked.update({name: row[name] for name in row.keys() - _COUNTED})
        self.ambiguous[day] = self.ambiguous.get(day, 0) + row["ambiguous"]
        self.of_run += row["of_run"]


_COUNTED = {"day", "fate", "repeats", "n", "value", "ambiguous", "of_run"}


def _sum(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return one if other is None else (one or Decimal(0)) + other


def accounted(keyed: Keyed, scope: Scope) -> Relation:
    """By date and fate, the candidates; by date, the snapshot's rows of these days.

    `of_run` are valid rows of the run's deliveries, and those that they superseded; with the marks,
    their number.
    """
    counted = [mark for mark in keyed.marks if mark != IS_OWN]
    marks = "".join(f", CASE WHEN of_run THEN {mark} END AS {mark}" for mark in counted)
    no_marks = "".join(f", CAST(NULL AS BOOLEAN) AS {mark}" for mark in counted)
    # Of rows that are published already, the marks are not known any more.
    marked = "".join(
        f", count(CASE WHEN {mark} THEN 1 END) AS {mark}, count({mark}) AS {KNOWN}{mark}"
        for mark in counted
    )
    return query(
        f"""
        WITH rows_with_fates AS (
            SELECT day, fate, value, of_run AND another AS ambiguous, of_run,
                CASE WHEN of_run THEN repeats END AS repeats{marks}
            FROM fates
            UNION ALL
            SELECT _ingestion_date AS day, '{HELD}' AS fate, CAST(NULL AS DECIMAL(18, 2)) AS value,
                false AS ambiguous, false AS of_run, CAST(NULL AS VARCHAR) AS repeats{no_marks}
            FROM snapshot WHERE {lies_in("_ingestion_date", scope.dates)}
        )
        SELECT day, fate, repeats, count(*) AS n, sum(value) AS value,
            count(CASE WHEN ambiguous THEN 1 END) AS ambiguous,
            count(CASE WHEN of_run THEN 1 END) AS of_run{marked}
        FROM rows_with_fates GROUP BY day, fate, repeats""",
        fates=with_fates(keyed, scope),
        snapshot=scope.snapshot,
    )


def with_fates(keyed: Keyed, scope: Scope) -> Relation:
    """The candidates, each with its fate and the current row of its key."""
    parent, detail = [name or "CAST(NULL AS VARCHAR)" for name in (keyed.parent, keyed.detail)]
    value = keyed.value or "NULL"
    version = ", ".join(VERSION_ORDER)
    delivered, replaces = [
        lies_in(f"{side}._ingestion_date", scope.dates) for side in ("received", "kept")
    ]
    same_file = "received._source_file = kept._source_file"
    told, marks = keyed.repeats, "".join(f", {mark}" for mark in keyed.marks)
    repeats, values, of_delivery = "CAST(NULL AS VARCHAR)", "0", "1 AS place"
    if told:
        repeats = f"CASE WHEN {IS_OWN} THEN {told.kind('received', 'kept')} END"
        values = content([*scope.snapshot.columns])
        of_delivery = told.of_delivery("key", "is_valid", VERSION_ORDER)
    row = (
        f"{keyed.key} AS key, {version}, {parent} AS parent, {detail} AS detail, "
        f"CAST({value} AS DECIMAL(18, 2)) AS value, {VALID} AS is_valid, {values} AS content{marks}"
    )
    rows, place, is_absent = f"SELECT {row} FROM candidates", "", "false"
    if keyed.absence:
        rows = f"""
            SELECT {row}, {PRESENT}, {IS_GONE}
            FROM ({keyed.absence.versions("candidates")}) AS speaking
            UNION ALL SELECT {row}, 1 AS {PRESENT}, false AS {IS_GONE} FROM candidates
            WHERE {VALID} IS NULL"""
        # Of the key's rows that the latest deliveries hold, the highest version.
        place = f""", row_number() OVER (PARTITION BY key, is_valid, {PRESENT}
            ORDER BY {latest_first(VERSION_ORDER)}) AS key_place"""
        is_absent = f"""{PRESENT} = 0 OR max(CASE WHEN is_valid AND {PRESENT} = 1
            AND key_place = 1 AND {IS_GONE} THEN 1 ELSE 0 END) OVER (PARTITION BY key) = 1"""
    return query(
        f"""
        WITH rows_received AS (
            {rows}
        ), numbered AS (
            SELECT *, {of_delivery}{place} FROM rows_received
        ), received AS (
            SELECT *, {is_absent} AS is_absent FROM numbered
        ), kept AS (
            SELECT {keyed.key} AS kept_key, {version}, {parent} AS parent, {detail} AS detail,
                {values} AS content
            FROM affected
        )
        SELECT received._ingestion_date AS day, key,
            CASE WHEN is_valid IS NULL THEN 'not_selected'
                WHEN NOT is_valid THEN 'quarantined'
                WHEN {same_file} AND received._row_number = kept._row_number THEN 'current'
                WHEN is_absent THEN 'gone'
                WHEN {is_lower("received", "kept", VERSION_ORDER)} THEN 'superseded'
                ELSE 'lost' END AS fate,
            value, is_valid AND ({delivered} OR coalesce({replaces}, false)) AS of_run,
            received.parent <> kept.parent
                OR ({same_file} AND received.detail <> kept.detail) AS another,
            CASE WHEN is_valid AND NOT is_absent THEN {repeats} END AS repeats,
            received._source_file, received._row_number{marks}, kept._source_file AS kept_file,
            kept._row_number AS kept_row_number
        FROM received LEFT JOIN kept ON received.key = kept.kept_key""",
        # A broadcast would be another Spark job.
        candidates=scope.versions.candidates.joined_by("merge"),
        affected=scope.only_affected(scope.snapshot, keyed.key),
    )
