"""The input of a strategy: the table, its published snapshot, its upstream tables, the run."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache

from ecommerce_assets.engine.queries import Query, query
from ecommerce_assets.engine.relation import Engine, Relation
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.intervals import end_of_day, lies_in
from ecommerce_assets.lakehouse.catalog import Lakehouse
from ecommerce_assets.lakehouse.data_files import DataFile
from ecommerce_assets.lakehouse.history import History
from ecommerce_assets.lakehouse.metadata import BuildRecord
from ecommerce_assets.landing.layout import INGESTION_DATE
from ecommerce_assets.landing.source import Source
from ecommerce_assets.model.dependency import DependencyMapping
from ecommerce_assets.model.table import Table
from ecommerce_assets.refresh.keys import KEY, AffectedKeys, keys_of
from ecommerce_assets.refresh.limits import Limits
from ecommerce_assets.refresh.run_cache import Prepare, Prepared, RunCache


@dataclass(frozen=True)
class Request:
    """What a run was asked to do.

    Attributes:
        first, last: ingestion dates, inclusive.
        landing: folder or s3 prefix of the delivered files.
        sources: all sources of the shop.
        full_refresh: recompute everything.
        today: the date on which the run was started, UTC.
        landing_days: days that landing keeps deliveries; 0 forever.
        allow_removal: many rows may go, and those of deliveries that are gone from landing.
        damaged: by table, the data files of its published snapshot that are gone or cut.
    """

    first: date
    last: date
    landing: str
    sources: tuple[Source, ...]
    full_refresh: bool = False
    today: date = date.max
    landing_days: int = 0
    allow_removal: bool = False
    damaged: Mapping[str, Sequence[DataFile]] = field(default_factory=dict)

    @property
    def days(self) -> list[date]:
        """Every ingestion date of the run."""
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]


@dataclass(frozen=True)
class Known:
    """What is known of a table's refresh without an engine.

    Attributes:
        table: its declaration.
        published: its history as published now.
        upstream: the histories of its upstream tables, as published or as written by this run.
        request: what the run was asked to do.
    """

    table: Table
    published: History
    upstream: Mapping[str, History]
    request: Request

    @property
    def source_snapshots(self) -> dict[str, int | None]:
        """The upstream snapshots that this run reads; None for an empty table."""
        return {name: self.upstream[name].snapshot_id for name in self.table.upstream}

    @property
    def record(self) -> BuildRecord:
        """What the published snapshot was built from; strategies run only if it is known."""
        record = self.published.record
        assert record is not None
        return record

    def rows_by_date(self, snapshot: int | None, days: Sequence[date]) -> dict[date, int]:
        """Rows by ingestion date at a snapshot; empty if it is not partitioned by it."""
        if not self.published.partitioned_by(INGESTION_DATE):
            return {}
        found = self.published.rows_by_date(snapshot, INGESTION_DATE, days)
        return dict.fromkeys(days, 0) | found


@dataclass(frozen=True)
class Inputs(Known):
    """Everything that the refresh of one table reads.

    Attributes:
        engine: what computes the rows.
        lakehouse: its tables by name.
        tables: every declared table by identifier.
        cache: results shared by the tables of the run.
        limits: sizes at which another method is used.
    """

    engine: Engine
    lakehouse: Lakehouse
    tables: Mapping[str, Table]
    cache: RunCache
    limits: Limits

    def must_have_columns(self) -> None:
        """Check that the upstream tables have what the table's query reads.

        Raises:
            PipelineError: a declared column is not published yet.
        """
        texts = [self.table.transform, *self.table.prepare.values()]
        read = {word for text in texts if isinstance(text, Query) for word in _words(text.sql)}
        for name, history in self.upstream.items():
            if not isinstance(self.table.prepare.get(name, texts[0]), Query):
                continue  # a contract does without the headers that bronze lacks
            there = {column.lower() for column in history.column_names.values()}
            declared = {column.lower() for column in self.tables[name].columns}
            if lacking := sorted((declared & read) - there):
                raise PipelineError(
                    f"{name} has no column {', '.join(lacking)} yet: materialize it first"
                )

    def before(self, name: str) -> int | None:
        """The upstream snapshot from which the published rows were computed."""
        snapshot: int | None = self.record.sources[name]
        return snapshot

    def mapping(self, name: str) -> DependencyMapping:
        """How changes of an upstream table map to this table's refresh keys."""
        return self.table.refresh.on.get(name, DependencyMapping())

    def at(self, name: str, snapshot: int | None) -> Relation:
        """A table at a snapshot."""
        return self.engine.table(name, snapshot)

    def now(self, name: str) -> Relation:
        """An upstream table as this run sees it."""
        return self.at(name, self.upstream[name].snapshot_id)

    def published_rows(self) -> Relation:
        """The table's published rows."""
        return self.at(self.table.identifier, self.published.snapshot_id)

    def collected(self, keys: Relation) -> AffectedKeys:
        """The distinct refresh keys of rows, collected to the driver unless too many."""
        distinct = query(f"SELECT DISTINCT {KEY} FROM found", found=keys).checkpointed()
        most = self.limits.collected_keys
        rows = distinct.rows(most + 1)
        values = sorted(row[KEY] for row in rows if row[KEY] is not None)
        return AffectedKeys(distinct, values if len(rows) <= most else None, self.limits)

    def not_determined_elsewhere(self, keys: Relation, mapping: DependencyMapping) -> Relation:
        """The keys without a row in the table named by `unless_in`, if that is set."""
        if mapping.unless_in is None:
            return keys
        key = self.mapping(mapping.unless_in).key
        assert key is not None
        return query(
            f"""
            SELECT DISTINCT found.{KEY} FROM found
            ANTI JOIN known ON found.{KEY} = known.{KEY}""",
            found=keys,
            known=keys_of(self.now(mapping.unless_in), key),
        )

    def transformed(self, upstream: Mapping[str, Relation]) -> Relation:
        """The transformation's result for these upstream rows."""
        return self.table.transform(*[upstream[name] for name in self.table.upstream])

    def whole(self, name: str) -> Relation:
        """A whole upstream table as the transformation reads it, prepared once per run."""
        prepare = self.table.prepare.get(name)
        if prepare is None:
            return self.taken(name)
        key = Prepared(name, self.upstream[name].snapshot_id, prepare)
        return self._visible(name, self.cache.whole(key, lambda: self._taken(name, None)))

    def taken(self, name: str, affected: AffectedKeys | None = None) -> Relation:
        """An upstream table as the transformation reads it, in a new plan."""
        return self._visible(name, self._taken(name, affected))

    def of_keys(self, name: str, affected: AffectedKeys) -> Relation:
        """Like `whole`, limited to the affected keys."""
        mapping, prepare = self.mapping(name), self.table.prepare.get(name)
        if prepare is None:
            return self.taken(name, affected)
        if mapping.end_of and affected.values is not None:
            where = lies_in(str(mapping.column), affected.values, mapping.end_of)
            return self._part(name, prepare, where)
        key = Prepared(name, self.upstream[name].snapshot_id, prepare, mapping.column)
        keys, rows = self.cache.part(
            key, lambda: (affected, self._taken(name, affected).checkpointed())
        )
        if affected is keys:
            found: Relation = rows
            return found
        # Another table has already prepared this, possibly for more keys.
        if mapping.is_value and mapping.column in rows.columns and affected.among(keys):
            return affected.within(rows, str(mapping.column))
        return self._taken(name, affected)

    def of_days(self, name: str, column: str, days: Sequence[date]) -> Relation:
        """The prepared rows of an upstream table whose date `column` is one of these days."""
        where = lies_in(column, days, end_of_day)
        return self._part(name, self.table.prepare[name], where)

    def _part(self, name: str, prepare: Prepare, where: str) -> Relation:
        key = Prepared(name, self.upstream[name].snapshot_id, prepare, where)
        found: Relation = self.cache.part(
            key, lambda: prepare(self.now(name).where(where)).checkpointed()
        )
        return found

    def _taken(self, name: str, affected: AffectedKeys | None) -> Relation:
        mapping, prepare = self.mapping(name), self.table.prepare.get(name)
        rows = self.now(name)
        if mapping.columns and not prepare:
            rows = rows.select(*mapping.columns)
        if affected is not None:
            if mapping.unless_in:
                left = self.not_determined_elsewhere(affected.relation, mapping)
                affected = self.collected(left)
            rows = affected.of(rows, mapping)
        return prepare(rows) if prepare else rows

    def _visible(self, name: str, rows: Relation) -> Relation:
        columns = self.table.refresh.visible_columns(name)
        return rows.select(*columns) if columns else rows


@cache
def _words(sql: str) -> frozenset[str]:
    """The words of a query, in lower case; its columns are among them."""
    return frozenset(re.findall(r"\w+", sql.lower()))
