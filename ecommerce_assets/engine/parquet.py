"""Rows as Parquet files of a table, written by DuckDB in every engine, and the snapshot of them."""

from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import duckdb
from pyiceberg.io.pyarrow import parquet_file_to_data_file
from pyiceberg.manifest import DataFile

from ecommerce_assets.engine.relation import Overwrite
from ecommerce_assets.engine.storage import SIDE_BY_SIDE, Storage
from ecommerce_assets.engine.types import of_iceberg
from ecommerce_assets.lakehouse.catalog import commit
from ecommerce_assets.lakehouse.history import History
from ecommerce_assets.lakehouse.manifests import files_of
from ecommerce_assets.lakehouse.partitions import first_day
from ecommerce_assets.lakehouse.schemas import with_schema
from ecommerce_assets.lakehouse.staging import change_files
from ecommerce_assets.sql import ansi_literal, quoted

if TYPE_CHECKING:
    from pyiceberg.schema import Schema

_PARTITION = "_partition_of_file"


@dataclass(frozen=True)
class Layout:
    """How rows become files; can be sent to another process.

    Attributes:
        location: the table's.
        kinds: by column, in order, its type in DuckDB's words.
        ids: by column, its field id and those of the parts of its values, as COPY takes them.
        partition: SQL of the name of a row's partition; empty without partitions.
    """

    location: str
    kinds: Mapping[str, str]
    ids: Mapping[str, str]
    partition: str

    def select(self, rows: str, there: Collection[str]) -> str:
        """The query of rows with all columns of the table, in order; those they lack are empty.

        Args:
            rows: as the query knows them.
            there: their columns.
        """
        named = {name.lower(): quoted(name) for name in there}
        columns = ", ".join(
            f"CAST({named.get(name.lower(), 'NULL')} AS {kind}) AS {quoted(name)}"
            for name, kind in self.kinds.items()
        )
        return f"SELECT {columns} FROM {rows}"

    def lacking(self, there: Iterable[str]) -> list[str]:
        """The table's columns that rows with these columns lack."""
        known = {name.lower() for name in there}
        return [name for name in self.kinds if name.lower() not in known]


def layout_of(base: History, schema: "Schema") -> Layout:
    """How rows of a schema become files of a table."""
    partition = ""
    if base.partition_column is not None:
        day, form = quoted(base.partition_column), "%Y-%m-%d"
        if base.monthly:
            day, form = f"date_trunc('month', {day})", "%Y-%m"
        partition = f"strftime({day}, '{form}')"
    return Layout(
        base.location,
        {field.name: of_iceberg(field.field_type) for field in schema.fields},
        {field.name: _field_ids(field) for field in schema.fields},
        partition,
    )


def write_files(
    cursor: duckdb.DuckDBPyConnection, layout: Layout, storage: Storage, query: str
) -> list[str]:
    """Write the rows of a query, one file for each partition; returns where the files are.

    Args:
        query: in DuckDB's SQL; its columns are those of the table, in order.
    """
    folder = storage.folder(layout.location)
    ids = ", ".join(f"{quoted(name)}: {number}" for name, number in layout.ids.items())
    options = [
        "FORMAT parquet", "COMPRESSION zstd", "RETURN_FILES true", f"FIELD_IDS {{{ids}}}",
    ]  # fmt: skip
    place = folder
    if not layout.partition:
        place = folder / f"{uuid4()}.parquet"
    else:
        # A name of its own, as the column is written as well.
        query = f"SELECT *, {layout.partition} AS {_PARTITION} FROM ({query})"
        options += [
            f"PARTITION_BY ({_PARTITION})", "WRITE_PARTITION_COLUMNS false", "APPEND true",
            "FILENAME_PATTERN '{uuid}'",
        ]  # fmt: skip
    copied = cursor.execute(f"COPY ({query}) TO {ansi_literal(place)} ({', '.join(options)})")
    (row,) = copied.fetchall()
    rows, paths = row
    if not rows:
        for path in paths:
            Path(path).unlink()
        return []
    return storage.stored(layout.location, folder, map(Path, paths))


def _field_ids(field: Any) -> str:
    kind = field.field_type
    parts = {}
    if hasattr(kind, "element_id"):
        parts = {"element": kind.element_id}
    elif hasattr(kind, "key_id"):
        parts = {"key": kind.key_id, "value": kind.value_id}
    if not parts:
        return str(field.field_id)
    within = ", ".join(f"{name}: {number}" for name, number in parts.items())
    return f"{{__duckdb_field_id: {field.field_id}, {within}}}"


def add_snapshot(
    cursor: duckdb.DuckDBPyConnection,
    write: Overwrite,
    files: Iterable[str],
    branch: str,
    summary: Mapping[str, str],
) -> None:
    """Add a snapshot to a branch, with these files in place of those that the rows replace."""
    table, schema = write.base.table, write.schema.schema_id
    seen = with_schema(table, schema)
    # The footer of each file is read, on S3 by requests of its own.
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        added = list(pool.map(partial(parquet_file_to_data_file, seen.io, seen.metadata), files))
    replaced = _files_to_replace(cursor, write.base, write.replace)
    commit(
        table,
        lambda table: change_files(with_schema(table, schema), branch, summary, added, replaced),
    )


def _files_to_replace(
    cursor: duckdb.DuckDBPyConnection, base: History, replace: str
) -> list[DataFile]:
    """The files of the published snapshot whose rows satisfy a condition.

    Args:
        replace: `true`, `false`, or intervals of the column by which the table is partitioned.

    Raises:
        ValueError: files are of another partitioning, so that it can't be told.
    """
    if base.snapshot_id is None or replace == "false":
        return []
    files = list(files_of(base.table, base.snapshot_id))
    if replace == "true":
        return files
    if any(file.spec_id != base.spec_id for file in files):
        raise ValueError(f"{base.identifier}: files of another partitioning must be replaced whole")
    column = base.partition_column or ""
    days = [first_day(file.partition[0], monthly=base.monthly) for file in files]
    listed = ", ".join(f"({n}, {ansi_literal(day)})" for n, day in enumerate(days))
    if not listed:
        return []
    found = cursor.execute(
        f"SELECT n FROM (VALUES {listed}) AS files(n, {quoted(column)}) WHERE {replace}"
    ).fetchall()
    return [files[n] for (n,) in found]
