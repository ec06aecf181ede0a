"""What the shop file says about bronze rows, in the SQL of the query engines."""

import re

from ecommerce_assets.tables.declaration import Table
from ecommerce_assets.tables.silver import feed_of

_PLAIN = re.compile(r"`(\w+)`")


def key_of_received(table: Table, *, on_aws: bool) -> str:
    """The key of a silver table, from the columns of its bronze table.

    Args:
        on_aws: for Athena, else for DuckDB.
    """
    (key,) = table.key
    return f"trim({in_engine(feed_of(table).texts[key], on_aws=on_aws)})"


def selected(table: Table, *, on_aws: bool) -> str:
    """The condition of the bronze rows that speak of a silver table; empty for all."""
    where = feed_of(table).where
    return f"coalesce({in_engine(where, on_aws=on_aws)}, false)" if where else ""


def in_engine(sql: str, *, on_aws: bool) -> str:
    """An expression of Spark SQL in the SQL of Athena or DuckDB."""
    if plain := _PLAIN.fullmatch(sql):
        return f'"{plain.group(1)}"'
    import sqlglot

    return str(sqlglot.transpile(sql, read="spark", write="athena" if on_aws else "duckdb")[0])
