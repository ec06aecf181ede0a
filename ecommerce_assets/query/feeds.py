"""What the shop file says about bronze rows, in the SQL of the query engines."""

import re

from ecommerce_assets.tables.declaration import Table
from ecommerce_assets.tables.feed import Feed
from ecommerce_assets.tables.silver import feeds_of, key_in_quarantine

_PLAIN = re.compile(r"`(\w+)`")


def key_of_quarantined(table: Table, *, on_aws: bool) -> str:
    """The key of a silver table, from the columns of its quarantine.

    Args:
        on_aws: for Athena, else for DuckDB.
    """
    return f"trim({in_engine(key_in_quarantine(table), on_aws=on_aws)})"


def key_of_received(table: Table, feed: Feed, *, on_aws: bool) -> str:
    """The key of a silver table, from the columns of the bronze table of one of its feeds."""
    (key,) = table.key
    return f"trim({in_engine(feed.texts[key], on_aws=on_aws)})"


def received_columns(table: Table) -> dict[str, tuple[str, ...]]:
    """By column of a silver table, the columns of its quarantine that it is made of."""
    found: dict[str, tuple[str, ...]] = {}
    for feed in feeds_of(table):
        for column, read in feed.reads.items():
            found[column] = tuple(dict.fromkeys([*found.get(column, ()), *read]))
    return found


def selected(feed: Feed, *, on_aws: bool) -> str:
    """The condition of the bronze rows that speak of a silver table; empty for all."""
    where = feed.where
    return f"coalesce({in_engine(where, on_aws=on_aws)}, false)" if where else ""


def in_engine(sql: str, *, on_aws: bool) -> str:
    """An expression of Spark SQL in the SQL of Athena or DuckDB."""
    if plain := _PLAIN.fullmatch(sql):
        return f'"{plain.group(1)}"'
    import sqlglot

    return str(sqlglot.transpile(sql, read="spark", write="athena" if on_aws else "duckdb")[0])
