"""What the shop file says about bronze rows, in the SQL of the query engines."""

from ecommerce_assets.model.table import Table
from ecommerce_assets.sql import translated
from ecommerce_assets.tables.feed import Feed, may_be
from ecommerce_assets.tables.silver import feeds_of, key_in_quarantine


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
    """The condition of the bronze rows that may speak of a silver table; empty for all."""
    where = may_be(feed.where)
    return in_engine(where, on_aws=on_aws) if where else ""


def in_engine(sql: str, *, on_aws: bool) -> str:
    """An expression of DuckDB's SQL in that of Athena, or as it is."""
    return translated(sql, "athena") if on_aws else sql
