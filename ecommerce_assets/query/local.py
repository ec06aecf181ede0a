"""SQL over the local lakehouse: pyiceberg lists a snapshot's files, DuckDB reads them.

No JVM is needed. Tables are copy-on-write, so a snapshot consists of its data files.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import duckdb

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse.local_catalog import readable
from ecommerce_assets.lakehouse.names import CATALOG
from ecommerce_assets.lakehouse.session import catalog_uri, must_be_there
from ecommerce_assets.tables import all_tables

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

AsOf = datetime | int
FROM_TABLE = re.compile(r"\b(bronze|silver|gold)\.(\w+)", re.IGNORECASE)


def connect(
    lakehouse: str, sql: str | None = None, as_of: AsOf | None = None
) -> duckdb.DuckDBPyConnection:
    """A connection with a view `layer.name` of each table named in `sql`.

    If `sql` names none, as in `show all tables`, of all tables.

    Raises:
        PipelineError: there is no lakehouse, or a table has no snapshot as of then.
    """
    if "://" in lakehouse:
        raise PipelineError(f"{lakehouse} is not local: use Athena, by `ecommerce query`")
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")  # as on Athena, whatever the local time zone is
    create_views(connection, lakehouse, sql, as_of)
    return connection


def create_views(
    connection: duckdb.DuckDBPyConnection,
    lakehouse: str,
    sql: str | None = None,
    as_of: AsOf | None = None,
) -> None:
    """Create the views of `connect` in a connection.

    Raises:
        PipelineError: as `connect`.
    """
    words = set(re.findall(r"\w+", (sql or "").lower()))
    known = {name for table in all_tables() for name in table.split(".")}
    if (
        FROM_TABLE.search(sql or "")
        and not {name.lower() for _, name in FROM_TABLE.findall(sql or "")} <= known
    ):
        words = set()  # for a mistyped name, DuckDB suggests one of the existing views
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
    """The catalog of a lakehouse; on AWS, the Data Catalog.

    Raises:
        PipelineError: there is no lakehouse, or AWS refuses it or its files.
    """
    if "://" in lakehouse:
        from pyiceberg.catalog import load_catalog

        from ecommerce_assets.aws.clients import credentials, explained

        with explained(f"looking at {lakehouse}"):
            try:
                # Arrow knows fewer ways to sign in than boto3.
                yield load_catalog(CATALOG, type="glue", **credentials())
            except OSError as error:  # Arrow reads the files
                raise PipelineError(f"looking at {lakehouse}: {error}") from error
        return
    must_be_there(lakehouse)
    from pyiceberg.catalog.sql import SqlCatalog

    with readable(lakehouse) as (file, mode):
        catalog = SqlCatalog(
            CATALOG,
            uri=catalog_uri(file.parent, f"mode={mode}"),
            warehouse=f"file://{lakehouse}",
            init_catalog_tables="false",
        )
        try:
            yield catalog
        finally:
            catalog.close()


def _create_view(connection: duckdb.DuckDBPyConnection, table: "Table", as_of: AsOf | None) -> None:
    layer, name = table.name()
    snapshot = None if as_of is None else snapshot_as_of(table, as_of)
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
        # Without Hive partitioning, by which folder names would become columns.
        rows = (
            f"SELECT {columns} FROM read_parquet([{listed}], union_by_name = true, "
            "hive_partitioning = false)"
        )
    connection.execute(f'CREATE VIEW "{layer}"."{name}" AS {rows}')


def snapshot_as_of(table: "Table", as_of: AsOf) -> int:
    """The id of the snapshot that was published at a time.

    Args:
        as_of: a time, or the id of a snapshot.

    Raises:
        PipelineError: there is no such snapshot; the message says when the first one was.
    """
    identifier = ".".join(table.name())
    if isinstance(as_of, int):
        if table.snapshot_by_id(as_of) is None:
            raise PipelineError(f"{identifier} has no snapshot {as_of}: see `ecommerce history`")
        return as_of
    moment = int(as_of.timestamp() * 1000)
    published = [entry for entry in table.history() if entry.timestamp_ms <= moment]
    if not published:
        first = min((entry.timestamp_ms for entry in table.history()), default=None)
        known = "it has none"
        if first is not None:
            since = datetime.fromtimestamp(first / 1000, UTC)
            known = f"its first is of {since:%Y-%m-%d %H:%M:%S} UTC"
        raise PipelineError(f"{identifier} had no snapshot at {as_of}: {known}")
    return int(published[-1].snapshot_id)
