"""Doubts about judged rows: what a run would not publish, and what is probably not meant.

The tables in DuckDB are those of `judged`, by their names.
"""

from collections.abc import Collection, Iterator, Mapping

import duckdb

from ecommerce_assets.model.shares import percent
from ecommerce_assets.model.table import Table
from ecommerce_assets.sql import ansi_literal
from ecommerce_assets.tables.silver import contracts_of
from ecommerce_assets.thresholds import Thresholds, exceeds

PARENTS = {"orders": "customer_id", "order_items": "order_id"}
# Columns of the ids of the same things, by table.
IDS = {
    "customer": (("customers", "customer_id"), ("orders", "customer_id")),
    "product": (("products", "product_id"), ("order_items", "product_id")),
    "order": (("orders", "order_id"), ("order_items", "order_id")),
}
# Texts that mean an empty value in some export, in small letters.
NONE = (
    "null", "none", "nan", "nil", "n/a", "#n/a", "na", "\\n", "(null)", "undefined", "unknown",
    "guest", "0", "-", "--", "?",
)  # fmt: skip
APART = 0.05  # of the orders, from which those without an item are probably not meant
EXAMPLES = 3
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


def doubtful(
    connection: duckdb.DuckDBPyConnection, table: Table, fates: Mapping[str, int]
) -> Iterator[str]:
    """A sentence for what is probably not meant: a key that is too coarse, fractions in place of
    percent, ids that mean none, a condition that selects nothing.

    Args:
        fates: the table's rows by fate.
    """
    if fates["not_selected"] and not sum(fates.values()) - fates["not_selected"]:
        yield (
            f"{table.identifier}: tables.{table.name}.where selects none of "
            f"{fates['not_selected']:,} rows"
        )
    yield from _fractions(connection, table)
    yield from _ids_that_are_none(connection, table)
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


def doubtful_of_all(
    connection: duckdb.DuckDBPyConnection, tables: Collection[str], orders: int, without_item: int
) -> Iterator[str]:
    """A sentence for what is probably not meant, of several tables together.

    Args:
        tables: the names of those that are there.
        orders: how many are current.
        without_item: those of them without a current item.
    """
    if "order_items" in tables and exceeds(without_item, orders, APART):
        yield (
            f"silver.orders: {without_item:,} of {orders:,} orders have no item. Is "
            "tables.order_items.where narrower than that of the orders, or are files missing?"
        )
    for thing, places in IDS.items():
        there = [(table, column) for table, column in places if table in tables]
        ids = " UNION ".join(
            f"SELECT {column} AS id FROM {table} WHERE fate = 'current'" for table, column in there
        )
        if not ids:
            continue
        plain = "ltrim(regexp_replace(lower(nfc_normalize(id)), '\\s+', '', 'g'), '0')"
        alike = (
            f"SELECT min(id) AS a, max(id) AS b, count(*) AS n FROM ({ids}) "
            f"GROUP BY {plain} HAVING n > 1"
        )
        number, one, other = connection.execute(
            f"SELECT sum(n), min(a), min_by(b, a) FROM ({alike})"
        ).fetchone() or (0, "", "")
        if number:
            yield (
                f"{number:,} {thing} ids of {' and '.join(table for table, _ in there)} differ "
                "only in letter case, white space, leading zeros or Unicode form, like "
                f"{one!r} and {other!r}: if they are the same, write the column as an "
                "expression that makes them one, like lower(HEADER)"
            )


def _ids_that_are_none(connection: duckdb.DuckDBPyConnection, table: Table) -> Iterator[str]:
    """Whether ids, as they stand in the files, are words for an empty value."""
    listed = ", ".join(map(ansi_literal, NONE))
    for column in [own for places in IDS.values() for name, own in places if name == table.name]:
        if not any(column in contract.feed.written for contract in contracts_of(table)):
            continue
        found = connection.execute(
            f"SELECT {column}, count(*) AS n FROM {table.name} WHERE fate = 'current' "
            f"AND lower({column}) IN ({listed}) GROUP BY 1 ORDER BY n DESC, 1 LIMIT {EXAMPLES}"
        ).fetchall()
        for value, rows in found:
            yield (
                f"{table.identifier}: {column} {value!r} (rows: {rows:,}). If it means none, write "
                "it into the source's `nulls`"
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
            '{ sql = "number(`HEADER`) * 100" }'
        )


def _number(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    (number,) = connection.execute(sql).fetchone() or (0,)
    return int(number or 0)
