"""What a run of a table has to do: which of its units are touched, and the rows to write.

A table's published state says what it was made from (its marker). What changed upstream since then
gives the touched units; the table's transformation, the same for a rebuild, makes their rows from
the upstream rows of these units. Where that can't be known the table is made as a whole.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from ecommerce_assets.jobs.arguments import JobArguments
from ecommerce_assets.jobs.changes import SIGN, TOO_MANY, changed_rows, differing
from ecommerce_assets.jobs.shared import Shared, kept
from ecommerce_assets.lakehouse.history import History, Partitions
from ecommerce_assets.lakehouse.lineage import Lineage, column_lineage, lineage_of_code
from ecommerce_assets.lakehouse.tables import read
from ecommerce_assets.tables import all_tables
from ecommerce_assets.tables.current import as_parsed, demoted_keys
from ecommerce_assets.tables.declaration import Table
from ecommerce_assets.tables.follows import Follow, by_day
from ecommerce_assets.tables.source import INGESTION_DATE
from ecommerce_assets.tables.spans import after_day, after_month, within
from ecommerce_assets.tables.sql import listed
from ecommerce_assets.tables.touched import UNIT, Touched

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

COLLECTED_UNITS = 100_000
Upstream = Mapping[str, History]


@dataclass(frozen=True)
class Plan:
    """What to write, and what an audit needs to know of it.

    Attributes:
        why: for people: why the whole table is made, or how many units are touched.
        written: the rows to write: those that the transformation made, and what stays of the
            partitions they go into; None where there is nothing to do.
        replace: SQL for the published rows that `written` takes the place of.
        touched: the units that are recomputed; None is all.
        made_from: for the marker.
        dates: ingestion dates whose deliveries are judged.
        candidates: for silver: the parsed rows from which the current ones are chosen.
        rewritten: where the rows of some units take the place of others: these as made now, and
            as published.
        whole: the rows are what the transformation makes of whole upstream tables.
        delivered_before: for silver: the parsed rows of the deliveries that were replaced since.
        unread: for bronze: paths below landing of what is there and is not read.
    """

    why: str
    written: "DataFrame | None"
    replace: str
    touched: Touched | None
    made_from: dict[str, Any]
    dates: tuple[date, ...] = ()
    candidates: "DataFrame | None" = None
    rewritten: "tuple[DataFrame, DataFrame] | None" = None
    whole: bool = False
    delivered_before: "DataFrame | None" = None
    unread: tuple[str, ...] = ()


@dataclass
class Planner:
    """Plans the run of one table."""

    spark: "SparkSession"
    table: Table
    base: History
    upstream: Upstream
    arguments: JobArguments
    shared: Shared

    def plan(self) -> Plan:
        """The plan for the table's published state and its upstream tables as published now."""
        made_from = {name: self.upstream[name].snapshot_id for name in self.table.upstream}
        changed = self._changed()
        if isinstance(changed, str):
            return self._whole(changed, made_from)
        if not any(changed.values()):
            return self._nothing(made_from)
        if self.table.versions:
            return self._versions(changed, made_from)
        if self.table.additive:
            return self._sums(changed, made_from)
        return self._units(changed, made_from)

    # ---- what changed

    def _changed(self) -> dict[str, Partitions] | str:
        """The partitions that changed by upstream table; or why the whole table is to be made."""
        marker = self.base.marker
        if self.arguments.full_refresh:
            return "a full refresh was asked for"
        if self.base.current is None:
            return "first run"
        if marker is None:
            return "nothing says what its state was made from"
        if marker.code_version != self.table.code_version:
            return f"its code changed from {marker.code_version} to {self.table.code_version}"
        changed = {}
        for name in self.table.upstream:
            if name not in marker.made_from:
                return f"its state was not made from {name}"
            history = self.upstream[name]
            since = marker.made_from[name]
            parts = history.changed_partitions(since, history.snapshot_id)
            if parts is None:
                return f"what has changed in {name} since it was made is not known any more"
            changed[name] = parts
        return changed

    def _at(self, name: str, snapshot: int | None) -> "DataFrame":
        return read(self.spark, name, snapshot)

    def _now(self, name: str) -> "DataFrame":
        return self._at(name, self.upstream[name].snapshot_id)

    def _then(self, name: str) -> int | None:
        assert self.base.marker is not None  # `_changed` has seen it
        return self.base.marker.made_from[name]

    def _rows_that_changed(self, name: str, parts: Partitions) -> "DataFrame | None":
        """As `changed_rows`, found once for all tables of the run that follow the same change."""
        then, now = self._then(name), self.upstream[name].snapshot_id
        where = _condition(parts)

        def find() -> "DataFrame | None":
            before = self._at(name, then).where(where) if then is not None else None
            return changed_rows(self._now(name).where(where), before, _unit(name))

        found: DataFrame | None = self.shared.figure(_change(name, then, now), find)
        return found

    def offer_changes(self, plan: Plan, staged: int) -> None:
        """Tables of this run that follow the staged state compare only what this run rewrote."""
        if plan.rewritten is not None:
            name, (now, then) = self.table.identifier, plan.rewritten
            place = _change(name, self.base.snapshot_id, staged)
            self.shared.offer(place, lambda: changed_rows(now, then, _unit(name)))

    def _touched(self, changed: Mapping[str, Partitions]) -> Touched | str:
        """The units that the changes touch; or why that is all of them."""
        found = []
        for name, parts in changed.items():
            if not parts:
                continue
            follow = self.table.follow(name)
            if follow.plain and follow.column == parts.column and not parts.monthly:
                found.append(dates_as_units(self.spark, parts.firsts))
                continue
            rows = self._keys_that_may_differ(name, follow)
            if rows is None:
                rows = self._rows_that_changed(name, parts)
            if rows is None:
                return f"much of {name} changed"
            if follow.columns:
                rows = differing(rows, follow.columns)
            if follow.unit is not None:
                units = rows.select(follow.unit().alias(UNIT))
                found.append(self._lacking(units, follow))
            elif not rows.isEmpty():
                return f"{name} changed"
        if not found:
            return self._collected(dates_as_units(self.spark, []))
        return self._collected(reduce(lambda a, b: a.unionAll(b), found))

    def _keys_that_may_differ(self, name: str, follow: Follow) -> "DataFrame | None":
        """Keys of a silver table whose current version came in deliveries that changed since then.

        Of any other key the version that was current then is there still, and none that is
        greater has come: so its row is the same. None where that can't be told, or where a table
        follows by more than the key.
        """
        declared, history, then = all_tables()[name], self.upstream[name], self._then(name)
        if not declared.versions or follow.columns or (follow.column,) != declared.key:
            return None
        before, after = history.marker_at(then), history.marker
        if before is None or after is None or before.code_version != after.code_version:
            return None
        (bronze,) = declared.upstream
        if bronze not in before.made_from or bronze not in after.made_from:
            return None
        deliveries = History(self.spark, bronze)
        parts = deliveries.changed_partitions(before.made_from[bronze], after.made_from[bronze])
        if parts is None or parts.column != INGESTION_DATE:
            return None
        came = within(INGESTION_DATE, parts.firsts, after_day)
        states = [self._at(name, then), self._now(name)]
        old, new = [rows.where(came).select(*declared.key) for rows in states]
        keys = kept(old.unionAll(new).distinct())
        return keys if keys.count() <= TOO_MANY else None

    def _lacking(self, units: "DataFrame", follow: Follow) -> "DataFrame":
        """The units that the table named by `lacking`, if there is one, has no row of."""
        if follow.lacking is None:
            return units
        there = self.table.follow(follow.lacking).unit
        assert there is not None
        known = self._now(follow.lacking).select(there().alias(UNIT))
        return units.distinct().join(known, UNIT, "left_anti")

    def _collected(self, units: "DataFrame") -> Touched:
        distinct = kept(units.distinct())
        rows = distinct.limit(COLLECTED_UNITS + 1).collect()
        values = sorted(row[0] for row in rows if row[0] is not None)
        return Touched(distinct, values if len(rows) <= COLLECTED_UNITS else None)

    # ---- what to write

    def _taken(self, name: str, touched: Touched | None = None) -> "DataFrame":
        """An upstream frame as the transformation takes it, of the touched units."""
        follow, prepare = self.table.follow(name), self.table.prepare.get(name)
        frame = self._now(name)
        if follow.columns and not prepare:
            frame = frame.select(*follow.columns)
        if touched is not None and follow.lacking:
            touched = self._collected(self._lacking(touched.frame, follow))
        if touched is not None:
            frame = touched.of(frame, follow)
        return prepare(frame) if prepare else frame

    def _prepared(self, name: str, touched: Touched | None = None) -> "DataFrame":
        """As `_taken`, once for all tables of the run that prepare the same alike."""
        follow, prepare = self.table.follow(name), self.table.prepare.get(name)
        if prepare is None:
            return self._taken(name, touched)
        place = (name, self.upstream[name].snapshot_id, prepare)
        if touched is None:
            return self.shared.frame(place, lambda: self._taken(name))
        if follow.span and touched.values is not None:
            return self._of_spans(name, follow, touched.values)
        units, rows = self.shared.figure(
            ("of units", *place, follow.column),
            lambda: (touched, kept(self._taken(name, touched))),
        )
        if touched is units:
            return rows
        # A table before had the same prepared, maybe of more units.
        if follow.plain and follow.column in rows.columns and touched.among(units):
            return touched.within(rows, str(follow.column))
        return self._taken(name, touched)

    def _of_spans(self, name: str, follow: Follow, firsts: Sequence[date]) -> "DataFrame":
        """As `_prepared`, of the rows in some spans of days."""
        history, prepare = self.upstream[name], self.table.prepare[name]
        column, span = str(follow.column), follow.span or after_day
        where = within(column, firsts, span)
        place = (name, history.snapshot_id, prepare, where)
        found: DataFrame = self.shared.figure(
            place, lambda: kept(prepare(self._now(name).where(where)))
        )
        return found

    def _made(self, frames: "Mapping[str, DataFrame]") -> "DataFrame":
        return self.table.transform(*[frames[name] for name in self.table.upstream])

    def _sums_only(self, name: str, frame: "DataFrame") -> "DataFrame":
        if not self.table.additive or name != self.table.upstream[0]:
            return frame
        return frame.select(str(self.table.unit), *self.table.additive)

    def _whole(self, why: str, made_from: dict[str, Any]) -> Plan:
        frames = {n: self._sums_only(n, self._prepared(n)) for n in self.table.upstream}
        return Plan(
            why,
            self._made(frames),
            "true",
            None,
            made_from,
            self._dates_received(),
            frames[self.table.upstream[0]] if self.table.versions else None,
            whole=True,
        )

    def _dates_received(self) -> tuple[date, ...]:
        """Every ingestion date of the bronze table that a silver table is made from."""
        history = self.upstream[self.table.upstream[0]]
        return tuple(sorted(history.rows_by_date(history.snapshot_id, INGESTION_DATE)))

    def _nothing(self, made_from: dict[str, Any]) -> Plan:
        return Plan("nothing changed upstream", None, "false", None, made_from)

    def lineage(self, plan: Plan) -> Lineage:
        """Column lineage: by what the transformation does with its upstream tables as a whole."""
        if not self.upstream:
            found: Lineage = {name: [] for name in self.table.columns}
        else:
            version = self.table.code_version
            found = lineage_of_code(self.base, version, lambda: self._analysed(plan))
        if self.table.copies:
            found |= {name: [(self.table.copies, name)] for name in self.table.copied_columns}
        return found

    def _analysed(self, plan: Plan) -> Lineage:
        if plan.whole and plan.written is not None:
            return column_lineage(plan.written)
        frames = {n: self._sums_only(n, self._taken(n)) for n in self.table.upstream}
        return column_lineage(self._made(frames))

    def _units(self, changed: Mapping[str, Partitions], made_from: dict[str, Any]) -> Plan:
        touched = self._touched(changed)
        if isinstance(touched, str):
            return self._whole(touched, made_from)
        if touched.values is not None and not touched.values:
            return self._nothing(made_from)
        frames = {name: self._prepared(name, touched) for name in self.table.upstream}
        dates = tuple(touched.values or ()) if self.table.unit == INGESTION_DATE else ()
        return self._replacing(touched, self._made(frames), made_from, dates)

    def _replacing(
        self,
        touched: Touched,
        made: "DataFrame",
        made_from: dict[str, Any],
        dates: tuple[date, ...] = (),
        candidates: "DataFrame | None" = None,
        published: "DataFrame | None" = None,
    ) -> Plan:
        """The plan that puts the rows `made` in the place of those of the touched units.

        Args:
            published: the published rows of these units, if they are at hand.
        """
        unit = str(self.table.unit)
        number = "many" if touched.values is None else f"{len(touched.values):,}"
        why = f"{number} touched by what changed upstream, by {unit}"
        old = self._at(self.table.identifier, self.base.snapshot_id)
        if self.table.unit_is_partition:
            replace = within(unit, touched.values or (), after_day)
            return Plan(why, made, replace, touched, made_from, dates, candidates)
        made = kept(made)
        replaced = touched.within(old, unit) if published is None else published
        replaced = replaced.select(*made.columns)
        replace = self._partitions(replaced, made) if self.table.partitioned_by else "true"
        stays = touched.without(old.where(replace), unit)
        written = stays.select(*made.columns).unionAll(made)
        rewritten = (made, replaced)
        return Plan(why, written, replace, touched, made_from, dates, candidates, rewritten)

    def _partitions(self, *frames: "DataFrame") -> str:
        """SQL for the days or months, as the table is partitioned, in which rows of frames lie."""
        (transform,) = self.table.partitioned_by
        column = transform.removeprefix("months(").removesuffix(")")
        monthly = column != transform
        first = (F.trunc(column, "month") if monthly else F.col(column)).alias("first")
        spans = reduce(lambda a, b: a.unionAll(b), [frame.select(first) for frame in frames])
        firsts = [row["first"] for row in spans.distinct().collect()]
        return within(column, firsts, after_month if monthly else after_day)

    def _sums(self, changed: Mapping[str, Partitions], made_from: dict[str, Any]) -> Plan:
        """Sums: what the changed rows give now is added, what they gave is taken away."""
        facts, *others = self.table.upstream
        rows = self._rows_that_changed(facts, changed[facts]) if changed[facts] else None
        if changed[facts] and rows is None:
            return self._whole(f"much of {facts} changed", made_from)
        rest = {name: changed[name] for name in others}
        if (rows is None or rows.isEmpty()) and not isinstance(self._touched(rest), str):
            return self._nothing(made_from)
        unit, additive = str(self.table.unit), self.table.additive
        prepare = self.table.prepare[facts]
        old = self._at(self.table.identifier, self.base.snapshot_id)
        parts = [old.select(unit, *[F.col(here).alias(there) for there, here in additive.items()])]
        if rows is not None:
            for sign in (1, -1):
                part = prepare(rows.where(F.col(SIGN) == sign).drop(SIGN))
                signed = [(F.col(name) * sign).alias(name) for name in additive]
                parts.append(part.select(unit, *signed))
        kinds = {name: parts[0].schema[name].dataType for name in additive}
        total = reduce(lambda a, b: a.unionAll(b), parts).groupBy(unit)
        sums = total.agg(*[F.sum(name).cast(kinds[name]).alias(name) for name in additive]).where(
            F.col(next(iter(additive))) != 0
        )
        made = self._made({facts: sums} | {name: self._prepared(name) for name in others})
        why = f"sums brought up to date with the rows of {facts} that changed"
        return Plan(why, made, "true", None, made_from)

    def _versions(self, changed: Mapping[str, Partitions], made_from: dict[str, Any]) -> Plan:
        """Silver: what the changed deliveries hold, beside the current versions of their keys.

        A key whose current version came from one of these deliveries and has no greater or equal
        version there any more is looked for in all of bronze; no other key needs the past.
        """
        (bronze,) = self.table.upstream
        key = str(self.table.unit)
        parts = changed[bronze]
        dates = sorted(parts.firsts)
        delivered = self._of_spans(bronze, by_day(INGESTION_DATE), dates)
        valid = delivered.where(F.size("_reasons") == 0)
        old = self._at(self.table.identifier, self.base.snapshot_id)
        keys = valid.select(F.col(key).alias(UNIT))
        in_dates = F.expr(within(INGESTION_DATE, dates, after_day))
        came_before = bool(parts.removed)
        if came_before:
            keys = keys.unionAll(old.where(in_dates).select(F.col(key).alias(UNIT)))
        touched = self._collected(keys)
        current = kept(touched.within(old, key))
        candidates = delivered.unionByName(as_parsed(current.where(~in_dates), delivered))
        if came_before:
            demoted = self._collected(
                demoted_keys(current.where(in_dates), valid, key).select(F.col(key).alias(UNIT))
            )
            if demoted.values is None or demoted.values:
                parse = self.table.prepare[bronze]
                earlier = self._now(bronze).where(~in_dates)
                # Spark parses the key of every row, the other columns only of the keys sought.
                candidates = candidates.unionByName(demoted.within(parse(earlier), key))
        candidates = kept(candidates)
        made = self._made({bronze: candidates})
        plan = self._replacing(touched, made, made_from, tuple(dates), candidates, current)
        return dataclasses.replace(plan, delivered_before=self._replaced(bronze, parts))

    def _replaced(self, bronze: str, parts: Partitions) -> "DataFrame | None":
        """The parsed rows of deliveries that are not there any more."""
        if not parts.removed:
            return None
        where = within(INGESTION_DATE, parts.removed, after_day)
        return self.table.prepare[bronze](self._at(bronze, self._then(bronze)).where(where))


def _change(name: str, then: int | None, now: int | None) -> object:
    """Where the rows of a table that changed between two states are kept."""
    return ("changed", name, then, now)


def _unit(name: str) -> tuple[str, ...]:
    """The columns by which rows of a table are compared between two states."""
    declared = all_tables()[name]
    return (declared.unit,) if declared.unit else declared.key


def _condition(parts: Partitions) -> str:
    """SQL that is true for the rows in these partitions, and that prunes the others."""
    if parts.column is None:
        return "true" if parts else "false"
    return within(parts.column, parts.firsts, after_month if parts.monthly else after_day)


def dates_as_units(spark: "SparkSession", days: Iterable[date]) -> "DataFrame":
    """Days as a frame of units."""
    dates = f"cast(array({listed(sorted(days))}) as array<date>)"
    return spark.sql(f"select explode({dates}) as {UNIT}")
