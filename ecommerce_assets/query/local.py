"""SQL over the local lakehouse: Iceberg names the files of a table's published state, DuckDB reads.

No JVM: the catalog is read by pyiceberg. Tables are copy-on-write, so a state is its data files.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse.session import CATALOG

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog


def connect(lakehouse: str, sql: str | None = None) -> duckdb.DuckDBPyConnection:
    """A connection in which tables are views `layer.name`: those whose name stands in `sql`.

    All of them where none does: `show all tables`, say.

    Raises:
        PipelineError: there is no lakehouse.
    """
    connection = duckdb.connect()
    create_views(connection, lakehouse, sql)
    return connection


def create_views(
    connection: duckdb.DuckDBPyConnection, lakehouse: str, sql: str | None = None
) -> None:
    """Make the views of `connect` in a connection.

    Raises:
        PipelineError: there is no lakehouse.
    """
    if "://" in lakehouse:
        raise PipelineError(f"{lakehouse} is not local: ask Athena, by `ecommerce query`")
    catalog_file = Path(lakehouse) / "catalog.db"
    if not catalog_file.exists():
        raise PipelineError(
            f"no lakehouse at {lakehouse}: materialize tables first (`ecommerce run`), or set "
            "ECOMMERCE_LAKEHOUSE"
        )
    from pyiceberg.catalog.sql import SqlCatalog

    words = set(re.findall(r"\w+", (sql or "").lower()))
    catalog = SqlCatalog(CATALOG, uri=f"sqlite:///{catalog_file}", warehouse=f"file://{lakehouse}")
    try:
        tables = [
            table for layer in catalog.list_namespaces() for table in catalog.list_tables(layer)
        ]
        named = [(layer, name) for layer, name in tables if name.lower() in words]
        for layer, name in named or tables:
            connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{layer}"')
            _create_view(connection, catalog, layer, name)
    finally:
        catalog.close()


def _create_view(
    connection: duckdb.DuckDBPyConnection, catalog: "SqlCatalog", layer: str, name: str
) -> None:
    table = catalog.load_table((layer, name))
    files = [
        task.file.file_path.removeprefix("file://").removeprefix("file:")
        for task in table.scan().plan_files()
    ]
    schema = table.schema().as_arrow()
    if not files:
        connection.register(f"_empty_{layer}_{name}", schema.empty_table())
        source = f"_empty_{layer}_{name}"
    else:
        listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
        # Hive partitioning off: a folder's name is not a column.
        source = f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
    columns = ", ".join(f'"{field}"' for field in schema.names)
    connection.execute(f'CREATE VIEW "{layer}"."{name}" AS SELECT {columns} FROM {source}')
