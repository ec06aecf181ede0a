"""DuckDB as the engine of row-wise work."""

from functools import cache

import duckdb

from ecommerce_assets.engine.macros import MACROS, SETTINGS


def connect() -> duckdb.DuckDBPyConnection:
    """A connection without tables, with `SETTINGS` and `MACROS`."""
    connection = duckdb.connect()
    for name, value in SETTINGS.items():
        connection.execute(f"SET GLOBAL {name} = {value}")
    for name, text in reversed(MACROS.items()):
        connection.execute(f"CREATE MACRO {name} AS {text}")
    return connection


@cache
def database_of_worker() -> duckdb.DuckDBPyConnection:
    """The database of a Python worker of Spark's, for all its tasks; each takes a cursor."""
    connection = connect()
    connection.execute("SET threads = 1")  # Spark runs a task on each core.
    # Few wanted keys are looked for in many rows; chosen by itself, it might keep the rows.
    connection.execute("SET GLOBAL disabled_optimizers = 'join_order,build_side_probe_side'")
    return connection
