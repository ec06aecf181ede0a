"""Rows as Parquet files of a table, written by DuckDB, and the files that they replace."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
from pyiceberg.io.pyarrow import parquet_files_to_data_files
from pyiceberg.manifest import DataFile

from ecommerce_assets.engine.storage import Storage
from ecommerce_assets.lakehouse.history import History
from ecommerce_assets.lakehouse.manifests import files_of
from ecommerce_assets.lakehouse.partitions import first_day
from ecommerce_assets.sql import ansi_literal, quoted

_PARTITION = "_partition_of_file"


def write_files(
    cursor: duckdb.DuckDBPyConnection, storage: Storage, base: History, query: str
) -> list[DataFile]:
    """Write the rows of a query, one file for each partition.

    Args:
        query: in DuckDB's SQL; its columns are those of the table, in order.
    """
    table = base.table
    folder = storage.folder(table)
    options = [
        "FORMAT parquet", "COMPRESSION zstd", "RETURN_FILES true",
        f"FIELD_IDS {{{', '.join(_field_ids(field) for field in table.schema().fields)}}}",
    ]  # fmt: skip
    place = folder
    if base.partition_column is None:
        place = folder / f"{uuid4()}.parquet"
    else:
        day = f"date_trunc('month', {base.partition_column})" if base.monthly else (
            quoted(base.partition_column)
        )  # fmt: skip
        form = "%Y-%m" if base.monthly else "%Y-%m-%d"
        # A name of its own, as the column is written as well.
        query = f"SELECT *, strftime({day}, '{form}') AS {_PARTITION} FROM ({query})"
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
    named = storage.stored(table, folder, map(Path, paths))
    return list(parquet_files_to_data_files(table.io, table.metadata, iter(named)))


def _field_ids(field: Any) -> str:
    """The ids of a column, and of the parts of its values."""
    kind = field.field_type
    parts = {}
    if hasattr(kind, "element_id"):
        parts = {"element": kind.element_id}
    elif hasattr(kind, "key_id"):
        parts = {"key": kind.key_id, "value": kind.value_id}
    if not parts:
        return f"{quoted(field.name)}: {field.field_id}"
    within = ", ".join(f"{name}: {number}" for name, number in parts.items())
    return f"{quoted(field.name)}: {{__duckdb_field_id: {field.field_id}, {within}}}"


def files_to_replace(
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
