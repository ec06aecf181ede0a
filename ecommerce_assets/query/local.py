"""SQL over the local lakehouse: pyiceberg lists a snapshot's files, DuckDB reads them.

No JVM is needed. Tables are copy-on-write, so a snapshot consists of its data files.
"""

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import duckdb

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse.data_files import data_files, must_be_whole
from ecommerce_assets.lakehouse.local_catalog import load_table, metadata_files, must_be_there
from ecommerce_assets.tables import all_tables

if TYPE_CHECKING:
    from pyiceberg.table import Table

AsOf = datetime | int
FROM_TABLE = re.compile(r"\b(bronze|silver|gold)\.(\w+)", re.IGNORECASE)


def connect(
    lakehouse: str, sql: str | None = None, as_of: AsOf | None = None
) -> duckdb.DuckDBPyConnection:
    """A connection with a view `layer.name` of each table named in `sql`.

    If `sql` names none, as in `show all tables`, of all tables.

    Raises:
        PipelineError: there is no lakehouse, or it is damaged; or a table has no snapshot as of
            then.
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
    must_be_there(lakehouse)
    files = metadata_files(lakehouse)
    named = [table for table in files if table.split(".")[1].lower() in words]
    for table in named or files:
        layer, _, name = table.partition(".")
        connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{layer}"')
        rows = _rows(connection, table, load_table(table, files[table]), as_of)
        connection.execute(f'CREATE VIEW "{layer}"."{name}" AS {rows}')


def _rows(
    connection: duckdb.DuckDBPyConnection, identifier: str, table: "Table", as_of: AsOf | None
) -> str:
    """The query of a table's view."""
    snapshot = None if as_of is None else snapshot_as_of(identifier, table, as_of)
    found = data_files(identifier, table, snapshot)
    must_be_whole(found, published=as_of is None)
    schema = table.schema().as_arrow()
    if not found:
        empty = connection.from_arrow(schema.empty_table())
        columns = ", ".join(
            f'CAST(NULL AS {kind}) AS "{column}"'
            for column, kind in zip(empty.columns, empty.types, strict=True)
        )
        return f"SELECT {columns} WHERE false"
    listed = ", ".join("'" + str(file.path).replace("'", "''") + "'" for file in found)
    columns = ", ".join(f'"{field}"' for field in schema.names)
    # Without Hive partitioning, by which folder names would become columns.
    return (
        f"SELECT {columns} FROM read_parquet([{listed}], union_by_name = true, "
        "hive_partitioning = false)"
    )


def snapshot_as_of(identifier: str, table: "Table", as_of: AsOf) -> int:
    """The id of the snapshot that was published at a time.

    Args:
        as_of: a time, or the id of a snapshot.

    Raises:
        PipelineError: there is no such snapshot; the message says when the first one was.
    """
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
