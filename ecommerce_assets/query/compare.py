"""Two local lakehouses compared, table by table and row by row."""

from dataclasses import dataclass

import duckdb

from ecommerce_assets.query.local import create_views
from ecommerce_assets.tables import all_tables

# When bronze read a row is no part of what it read.
NOT_COMPARED = ("_ingested_at",)


@dataclass(frozen=True)
class Compared:
    """A table in two lakehouses.

    Attributes:
        table: its identifier.
        rows, other_rows: how many there are; None where the table does not exist.
        only_here, only_there: rows that the other one lacks; a row may be there several times.
    """

    table: str
    rows: int | None
    other_rows: int | None
    only_here: int
    only_there: int

    @property
    def equal(self) -> bool:
        """Whether both have the table, with the same rows."""
        return self.rows == self.other_rows and self.only_here == self.only_there == 0


def compare(lakehouse: str, other: str) -> list[Compared]:
    """Compare every declared table of two local lakehouses.

    Raises:
        PipelineError: one of them does not exist.
    """
    connection = duckdb.connect()
    try:
        connection.execute("SET TimeZone = 'UTC'")
        for name, location in (("here", lakehouse), ("there", other)):
            connection.execute(f"ATTACH ':memory:' AS {name}")
            connection.execute(f"USE {name}")
            create_views(connection, location)
        return [_compared(connection, table) for table in all_tables()]
    finally:
        connection.close()


def _compared(connection: duckdb.DuckDBPyConnection, table: str) -> Compared:
    here, there = (_columns(connection, side, table) for side in ("here", "there"))
    rows, other_rows = (
        _count(connection, f"SELECT 1 FROM {side}.{table}") if columns else None
        for side, columns in (("here", here), ("there", there))
    )
    if not here or not there or here != there:
        return Compared(table, rows, other_rows, rows or 0, other_rows or 0)
    listed = ", ".join(f'"{name}"' for name in here)
    ours, theirs = (f"SELECT {listed} FROM {side}.{table}" for side in ("here", "there"))
    return Compared(
        table,
        rows,
        other_rows,
        _count(connection, f"({ours}) EXCEPT ALL ({theirs})"),
        _count(connection, f"({theirs}) EXCEPT ALL ({ours})"),
    )


def _columns(connection: duckdb.DuckDBPyConnection, side: str, table: str) -> list[str]:
    """The compared columns by name; none if there is no such table."""
    layer, name = table.split(".")
    found = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_catalog = ? "
        "AND table_schema = ? AND table_name = ?",
        [side, layer, name],
    ).fetchall()
    return sorted(column for (column,) in found if column not in NOT_COMPARED)


def _count(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    (row,) = connection.execute(f"SELECT count(*) FROM ({sql})").fetchall()
    return int(row[0])
