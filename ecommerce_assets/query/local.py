"""SQL over the local lakehouse: Iceberg names the files of a table's published state, DuckDB reads.

No JVM: the catalog is read by pyiceberg. Tables are copy-on-write, so a state is its data files.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse.session import CATALOG, CATALOG_FILE, catalog_uri, must_be_there
from ecommerce_assets.tables import all_tables

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

AsOf = datetime | int
FROM_TABLE = re.compile(r"\b(bronze|silver|gold)\.(\w+)", re.IGNORECASE)


def connect(
    lakehouse: str, sql: str | None = None, as_of: AsOf | None = None
) -> duckdb.DuckDBPyConnection:
    """A connection in which tables are views `layer.name`: those whose name stands in `sql`.

    All of them where none does: `show all tables`, say.

    Raises:
        PipelineError: there is no lakehouse, or a table has no state as of then.
    """
    if "://" in lakehouse:
        raise PipelineError(f"{lakehouse} is not local: ask Athena, by `ecommerce query`")
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")  # as on Athena, whatever the laptop's zone is
    create_views(connection, lakehouse, sql, as_of)
    return connection


def create_views(
    connection: duckdb.DuckDBPyConnection,
    lakehouse: str,
    sql: str | None = None,
    as_of: AsOf | None = None,
) -> None:
    """Make the views of `connect` in a connection.

    Raises:
        PipelineError: as `connect`.
    """
    words = set(re.findall(r"\w+", (sql or "").lower()))
    known = {name for table in all_tables() for name in table.split(".")}
    if (
        FROM_TABLE.search(sql or "")
        and not {name.lower() for _, name in FROM_TABLE.findall(sql or "")} <= known
    ):
        words = set()  # one is mistyped: DuckDB suggests one of those that are there
    with open_catalog(lakehouse) as catalog:
        tables = [
            table for layer in catalog.list_namespaces() for table in catalog.list_tables(layer)
        ]
        named = [(layer, name) for layer, name in tables if name.lower() in words]
        for layer, name in named or tables:
            connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{layer}"')
            _create_view(connection, catalog.load_table((layer, name)), as_of)


@contextmanager
def open_catalog(lakehouse: str) -> "Iterator[Catalog]":
    """The catalog of a lakehouse: on AWS the Data Catalog, with pyiceberg's own settings for it.

    Raises:
        PipelineError: there is no lakehouse, or AWS refuses it or its files.
    """
    if "://" in lakehouse:
        from pyiceberg.catalog import load_catalog

        from ecommerce_assets.aws.clients import explained

        with explained(f"looking at {lakehouse}"):
            try:
                yield load_catalog(CATALOG, type="glue")
            except OSError as error:  # Arrow's, which reads the files
                raise PipelineError(f"looking at {lakehouse}: {error}") from error
        return
    must_be_there(lakehouse)
    from pyiceberg.catalog.sql import SqlCatalog

    with ExitStack() as stack:
        place, how = Path(lakehouse), "mode=ro"
        if not os.access(place, os.W_OK):
            # SQLite would have to write beside the file to see its last commits.
            place, how = _copied(place, stack.enter_context(TemporaryDirectory())), "mode=rw"
        catalog = SqlCatalog(
            CATALOG,
            uri=catalog_uri(place, how),
            warehouse=f"file://{lakehouse}",
            init_catalog_tables="false",
        )
        stack.callback(catalog.close)
        yield catalog


def _copied(lakehouse: Path, folder: str) -> Path:
    """The catalog of a lakehouse that can't be written, with its last commits, in a folder."""
    for name in (CATALOG_FILE, f"{CATALOG_FILE}-wal"):
        if (lakehouse / name).exists():
            shutil.copy(lakehouse / name, folder)
    return Path(folder)


def _create_view(connection: duckdb.DuckDBPyConnection, table: "Table", as_of: AsOf | None) -> None:
    layer, name = table.name()
    snapshot = None if as_of is None else state_as_of(table, as_of)
    files = [
        task.file.file_path.removeprefix("file://").removeprefix("file:")
        for task in table.scan(snapshot_id=snapshot).plan_files()
    ]
    schema = table.schema().as_arrow()
    if not files:
        empty = connection.from_arrow(schema.empty_table())
        columns = ", ".join(
            f'CAST(NULL AS {kind}) AS "{column}"'
            for column, kind in zip(empty.columns, empty.types, strict=True)
        )
        rows = f"SELECT {columns} WHERE false"
    else:
        listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
        columns = ", ".join(f'"{field}"' for field in schema.names)
        # Hive partitioning off: a folder's name is not a column.
        rows = (
            f"SELECT {columns} FROM read_parquet([{listed}], union_by_name = true, "
            "hive_partitioning = false)"
        )
    connection.execute(f'CREATE VIEW "{layer}"."{name}" AS {rows}')


def state_as_of(table: "Table", as_of: AsOf) -> int:
    """The id of the state that readers of the table saw then.

    Args:
        as_of: a time, or the id of a state.

    Raises:
        PipelineError: there is no such state; the message says which there are.
    """
    identifier = ".".join(table.name())
    if isinstance(as_of, int):
        if table.snapshot_by_id(as_of) is None:
            raise PipelineError(f"{identifier} has no state {as_of}: see `ecommerce history`")
        return as_of
    moment = int(as_of.timestamp() * 1000)
    published = [entry for entry in table.history() if entry.timestamp_ms <= moment]
    if not published:
        first = min((entry.timestamp_ms for entry in table.history()), default=None)
        told = "it has none"
        if first is not None:
            since = datetime.fromtimestamp(first / 1000, UTC)
            told = f"its first is of {since:%Y-%m-%d %H:%M:%S} UTC"
        raise PipelineError(f"{identifier} had no state at {as_of}: {told}")
    return int(published[-1].snapshot_id)
