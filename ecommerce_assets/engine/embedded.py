"""DuckDB as an engine, in this process: queries as they stand, row-wise ones within them."""

import os
import shutil
import tempfile
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import cached_property
from itertools import chain, count
from pathlib import Path
from threading import Lock
from typing import Any

import duckdb
import pyarrow as pa

from ecommerce_assets.engine.duck import connect
from ecommerce_assets.engine.parquet import add_snapshot, layout_of, write_files
from ecommerce_assets.engine.queries import Query
from ecommerce_assets.engine.relation import ROWS, Engine, JoinedBy, Observed, Overwrite, Relation
from ecommerce_assets.engine.storage import InPlace, OnS3
from ecommerce_assets.engine.surrogate_keys import add_surrogate_key
from ecommerce_assets.engine.translation import duckdb_sql
from ecommerce_assets.engine.types import Kind, in_ddl, in_duckdb, of_iceberg
from ecommerce_assets.lakehouse.catalog import Lakehouse
from ecommerce_assets.lakehouse.schemas import as_written
from ecommerce_assets.sql import ansi_literal, quoted

ROWS_AT_ONCE = 200_000
MEMORY_SHARE = 0.5  # of the memory there is; beyond it, DuckDB spills
CONTAINERS = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")


class EmbeddedEngine(Engine):
    """A database in memory, for one run; `close` it.

    Args:
        lakehouse: whose tables it reads and writes.
    """

    def __init__(self, lakehouse: Lakehouse) -> None:
        self._lakehouse = lakehouse
        self._spilled = tempfile.mkdtemp(prefix="ecommerce-")
        self.storage = InPlace() if lakehouse.is_local else OnS3(Path(self._spilled))
        self._numbers = count()
        self._tables: dict[tuple[str, int | None], DuckRelation] = {}
        self._lock = Lock()
        self._unused: deque[str] = deque()  # what a relation had that nobody refers to any more
        self._database = self._opened()

    def _opened(self) -> duckdb.DuckDBPyConnection:
        database = connect()
        settings = {
            "memory_limit": f"'{int(_memory() * MEMORY_SHARE)}B'",
            "threads": str(os.cpu_count() or 1),
            "temp_directory": ansi_literal(self._spilled),
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
        for name, value in settings.items():
            database.execute(f"SET GLOBAL {name} = {value}")
        add_surrogate_key(database)
        return database

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection for one thread."""
        with self._lock:
            return self._database.cursor()

    def close(self) -> None:
        """Give memory and disk back."""
        self._tables.clear()
        self._database.close()
        shutil.rmtree(self._spilled, ignore_errors=True)

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a statement."""
        with self.cursor() as cursor:
            return cursor.execute(sql).fetchall()

    def new_name(self) -> str:
        """A name for a view or a table; drops those that are of no use any more."""
        with self._lock:
            unused = [self._unused.popleft() for _ in range(len(self._unused))]
        for drop in unused:
            self.execute(drop)
        return f"relation_{next(self._numbers)}"

    def relation(self, sql: str, *made_of: Relation) -> "DuckRelation":
        """The rows of a query of DuckDB's, which reads these relations by their views."""
        name = self.new_name()
        self.execute(f"CREATE VIEW {name} AS {sql}")
        return self._known(name, "VIEW", made_of)

    def kept(self, sql: str) -> "DuckRelation":
        """The rows of a query, computed now."""
        name = self.new_name()
        self.execute(f"CREATE TABLE {name} AS {sql}")
        return self._known(name, "TABLE", ())

    def _known(self, name: str, kind: str, made_of: Sequence[Relation]) -> "DuckRelation":
        found = DuckRelation(self, name, tuple(made_of))
        # Not dropped at once: Python's collector may come in the middle of another statement.
        weakref.finalize(found, self._unused.append, f"DROP {kind} IF EXISTS {name}")
        return found

    def table(self, identifier: str, snapshot: int | None) -> "DuckRelation":
        """See `Engine`."""
        with self._lock:
            found = self._tables.get((identifier, snapshot))
        if found is None:
            found = self.relation(self._scan(identifier, snapshot))
            with self._lock:
                self._tables[identifier, snapshot] = found
        return found

    def _scan(self, identifier: str, snapshot: int | None) -> str:
        """The query of a table's files, whose columns are found by their ids.

        Raises:
            LookupError: there is no such snapshot any more.
        """
        table = as_written(self._lakehouse.table(identifier), snapshot)
        fields = [(one.field_id, one.name, of_iceberg(one.field_type))
                  for one in table.schema().fields]  # fmt: skip
        files = [] if snapshot is None else self.storage.files(identifier, table, snapshot)
        if not files:
            empty = ", ".join(f"CAST(NULL AS {kind}) AS {quoted(name)}" for _, name, kind in fields)
            return f"SELECT {empty} WHERE false"
        listed = ", ".join(ansi_literal(file) for file in files)
        columns = ", ".join(
            f"{number}: {{name: {ansi_literal(name)}, type: {ansi_literal(kind)}, "
            "default_value: NULL}"
            for number, name, kind in fields
        )
        return (
            f"SELECT * FROM read_parquet([{listed}], schema = MAP {{{columns}}}, "
            "hive_partitioning = false)"
        )

    def days(self, column: str, days: Iterable[date]) -> "DuckRelation":
        """See `Engine`."""
        listed = ", ".join(map(ansi_literal, sorted(days)))
        return self.relation(f"SELECT unnest(CAST([{listed}] AS DATE[])) AS {column}")

    def of_parts(
        self,
        parts: int,
        read: "Callable[[int], Iterator[pa.RecordBatch]]",
        kinds: Mapping[str, str],
    ) -> "DuckRelation":
        """See `Engine`."""
        columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in kinds.items())
        name = self.new_name()
        with self.cursor() as cursor:
            cursor.execute(f"CREATE TABLE {name} ({columns})")
            # Read here, so that an error in a part is raised as it is.
            for rows in _joined(chain.from_iterable(map(read, range(parts)))):
                cursor.register("batches", rows)
                cursor.execute(f"INSERT INTO {name} BY NAME SELECT * FROM batches")
        return self._known(name, "TABLE", ())

    def answer(self, query: Query, relations: Mapping[str, Relation]) -> "DuckRelation":
        """See `Engine`."""
        there = {name: view_of(relation) for name, relation in relations.items()}
        return self.relation(duckdb_sql(query.tree, there), *relations.values())

    def overwrite(self, write: Overwrite, branch: str, summary: Mapping[str, str]) -> list[str]:
        """See `Engine`."""
        layout = layout_of(write.base, write.schema)
        parts = [part for part in (write.rows, write.stays) if part is not None]
        query = " UNION ALL ".join(layout.select(view_of(part), part.columns) for part in parts)
        with self.cursor() as cursor:
            written = write_files(cursor, layout, self.storage, query)
            add_snapshot(cursor, write, written, branch, summary)
        return layout.lacking(write.rows.columns)


def _memory() -> int:
    """Bytes of memory of the machine, or those that its container may have."""
    there = [file.read_text().strip() for file in CONTAINERS if file.exists()]
    allowed = [int(limit) for limit in there if limit.isdecimal()]
    return min([os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *allowed])


def _joined(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The rows of many batches in few tables."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        if rows >= ROWS_AT_ONCE:
            yield pa.Table.from_batches(waiting)
            waiting, rows = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting)


class DuckRelation(Relation):
    """A view or a table of an engine's database.

    Args:
        own: the engine.
        view: its name.
        made_of: the relations that the view reads, so that they stay.
    """

    def __init__(self, own: EmbeddedEngine, view: str, made_of: tuple[Relation, ...]) -> None:
        self.own, self.view, self._made_of = own, view, made_of

    @property
    def engine(self) -> EmbeddedEngine:
        """See `Relation`."""
        return self.own

    @cached_property
    def kinds(self) -> dict[str, str]:
        """By column, DuckDB's type."""
        return {row[0]: row[1] for row in self.own.execute(f"DESCRIBE {self.view}")}

    @property
    def columns(self) -> tuple[str, ...]:
        """See `Relation`."""
        return tuple(self.kinds)

    @property
    def types(self) -> dict[str, str]:
        """See `Relation`."""
        return {name: in_ddl(kind) for name, kind in self.kinds.items()}

    def where(self, condition: str) -> "DuckRelation":
        """See `Relation`."""
        return self.own.relation(f"SELECT * FROM {self.view} WHERE {condition}", self)

    def where_row_wise(self, condition: str) -> "DuckRelation":
        """See `Relation`."""
        return self.where(condition)

    def select(self, *columns: str) -> "DuckRelation":
        """See `Relation`."""
        return self.own.relation(f"SELECT {', '.join(map(quoted, columns))} FROM {self.view}", self)

    def row_wise(self, query: str, kinds: Mapping[str, Kind]) -> "DuckRelation":
        """See `Relation`."""
        columns = [
            f"CAST(c{n} AS {in_duckdb(kind)}) AS {quoted(name)}"
            for n, (name, kind) in enumerate(kinds.items())
        ]
        answered = ", ".join(f"c{n}" for n in range(len(columns)))
        return self.own.relation(
            f"WITH {ROWS} AS (SELECT * FROM {self.view}) "
            f"SELECT {', '.join(columns)} FROM ({query}) AS answered({answered})",
            self,
        )

    def with_values(self, expression: str, values: Sequence[str]) -> "DuckRelation":
        """See `Relation`."""
        wanted = ", ".join(map(ansi_literal, values))
        return self.own.relation(
            f"SELECT {ROWS}.* FROM {self.view} AS {ROWS} SEMI JOIN "
            f"(SELECT unnest(CAST([{wanted}] AS VARCHAR[])) AS key) AS wanted "
            f"ON {expression} = wanted.key",
            self,
        )

    def checkpointed(self) -> "DuckRelation":
        """See `Relation`."""
        return self.own.kept(f"SELECT * FROM {self.view}")

    def cached(self) -> "DuckRelation":
        """See `Relation`."""
        return self.checkpointed()

    def release(self) -> None:
        """See `Relation`; nothing to do, as it goes with the last who refers to it."""

    def joined_by(self, way: JoinedBy) -> "DuckRelation":
        """See `Relation`; DuckDB chooses by itself."""
        return self

    def observed(self, figures: Mapping[str, str]) -> "tuple[DuckRelation, Observed]":
        """See `Relation`."""
        kept = self.checkpointed()
        asked = ", ".join(f"{sql} AS {name}" for name, sql in figures.items())

        def observe() -> dict[str, Any]:
            return self.own.relation(f"SELECT {asked} FROM {kept.view}", kept).rows()[0]

        return kept, observe

    def rows(self, most: int | None = None) -> list[dict[str, Any]]:
        """See `Relation`; times are in UTC, without a zone."""
        columns = ", ".join(
            f"timezone('UTC', {quoted(name)}) AS {quoted(name)}"
            if kind == "TIMESTAMP WITH TIME ZONE"
            else quoted(name)
            for name, kind in self.kinds.items()
        )
        limit = "" if most is None else f" LIMIT {most}"
        found = self.own.execute(f"SELECT {columns} FROM {self.view}{limit}")
        return [dict(zip(self.kinds, row, strict=True)) for row in found]

    def count(self) -> int:
        """See `Relation`."""
        (row,) = self.own.execute(f"SELECT count(*) FROM {self.view}")
        return int(row[0])

    @property
    def is_empty(self) -> bool:
        """See `Relation`."""
        return not self.own.execute(f"SELECT 1 FROM {self.view} LIMIT 1")


def view_of(relation: Relation) -> str:
    """The name of a relation's view."""
    assert isinstance(relation, DuckRelation)
    return relation.view
