"""Doubts about judged rows: what a run would not publish, and what is probably not meant.

The tables in DuckDB are those of `judged`, by their names.
"""

from collections.abc import Iterator, Mapping

import duckdb

from ecommerce_assets.model.shares import percent
from ecommerce_assets.model.table import Table
from ecommerce_assets.thresholds import Thresholds, exceeds

PARENTS = {"orders": "customer_id", "order_items": "order_id"}
VALID = "(SELECT * FROM {} WHERE fate IN ('current', 'superseded'))"


def blocked(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    fates: Mapping[str, int],
    thresholds: Thresholds,
) -> Iterator[str]:
    """A sentence for each check that would keep a run from publishing a table.

    Args:
        fates: the table's rows by fate.
        thresholds: from what shares on a run would not publish.
    """
    rows, (key,) = sum(fates.values()) - fates["not_selected"], table.key
    bad = fates["quarantined"]
    if exceeds(bad, rows, thresholds.quarantine_limit):
        yield (
            f"{table.identifier}: {percent(bad / rows)} of its rows would be quarantined (limit "
            f"{percent(thresholds.quarantine_limit)}, ECOMMERCE_QUARANTINE_LIMIT)"
        )
    parent = PARENTS.get(table.name)
    if parent is None:
        return
    other = _number(
        connection,
        f"SELECT count(*) FROM {VALID.format(table.name)} v JOIN {table.name} c USING ({key}) "
        f"WHERE c.fate = 'current' AND v.{parent} <> c.{parent}",
    )
    if exceeds(other, rows, thresholds.identity_limit):
        yield (
            f"{table.identifier}: {percent(other / rows)} of its rows name another {parent} than "
            f"the current row of their {key} (limit {percent(thresholds.identity_limit)}, "
            "ECOMMERCE_IDENTITY_LIMIT): the key is too coarse, or several sources number alike"
        )


def doubtful(connection: duckdb.DuckDBPyConnection, table: Table) -> Iterator[str]:
    """A sentence for a key that is probably too coarse, and for fractions in place of percent."""
    yield from _fractions(connection, table)
    if table.name not in PARENTS:
        return
    (key,) = table.key
    content = ", ".join(
        name for name in table.columns if not name.startswith("_") and name != "updated_at"
    )
    coarse = _number(
        connection,
        f"SELECT sum(n - 1) FROM (SELECT count(*) AS n FROM {VALID.format(table.name)} "
        f"GROUP BY {key}, _source_file HAVING count(DISTINCT ({content})) > 1)",
    )
    if coarse:
        valid = _number(connection, f"SELECT count(*) FROM {VALID.format(table.name)}")
        yield (
            f"{table.identifier}: {coarse:,} of {valid:,} rows have the same {key} as another row "
            f"of their file, and say something else; one of them counts. Is tables.{table.name}."
            "key too coarse?"
        )


def _fractions(connection: duckdb.DuckDBPyConnection, table: Table) -> Iterator[str]:
    """Whether discounts are fractions of 1 in place of percent."""
    if "discount_percent" not in table.columns:
        return
    rows, below = connection.execute(
        f"SELECT count(*), count_if(discount_percent < 1) FROM {table.name} "
        "WHERE fate = 'current' AND discount_percent > 0"
    ).fetchone() or (0, 0)
    if rows and below == rows:
        yield (
            f"{table.identifier}: all {rows:,} discounts are below 1 percent. If they are "
            "fractions, write discount_percent = "
            '{ sql = "try_cast(`HEADER` as decimal(9, 4)) * 100" }'
        )


def _number(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    (number,) = connection.execute(sql).fetchone() or (0,)
    return int(number or 0)
