"""DuckDB as the engine of row-wise work."""

from collections.abc import Iterable
from functools import cache

import duckdb

from ecommerce_assets.engine.macros import MACROS, SETTINGS
from ecommerce_assets.errors import PipelineError


def connect() -> duckdb.DuckDBPyConnection:
    """A connection without tables, with `SETTINGS` and `MACROS`."""
    connection = duckdb.connect()
    for name, value in SETTINGS.items():
        connection.execute(f"SET GLOBAL {name} = {value}")
    for name, text in reversed(MACROS.items()):
        connection.execute(f"CREATE MACRO {name} AS {text}")
    return connection


def must_know_zones(zones: Iterable[str]) -> None:
    """Check that DuckDB, whose rules of time zones are the only ones used, knows these.

    Raises:
        PipelineError: it does not; the machine's own tables may be newer than DuckDB's.
    """
    wanted = set(zones) - {"UTC"}
    if not wanted:
        return
    with duckdb.connect() as connection:
        known = {
            name for (name,) in connection.sql("SELECT name FROM pg_timezone_names()").fetchall()
        }
    if unknown := sorted(wanted - known):
        raise PipelineError(
            f"DuckDB {duckdb.__version__} knows no time zone {', '.join(unknown)}: name one with "
            "the same clock in the shop file, or install a later version"
        )


@cache
def database_of_worker() -> duckdb.DuckDBPyConnection:
    """The database of a Python worker of Spark's, for all its tasks; each takes a cursor."""
    connection = connect()
    connection.execute("SET threads = 1")  # Spark runs a task on each core.
    # Few wanted keys are looked for in many rows; chosen by itself, it might keep the rows.
    connection.execute("SET GLOBAL disabled_optimizers = 'join_order,build_side_probe_side'")
    return connection
