"""From a figure to its rows: what a row of a table was made from, down to each record's file."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.intervals import end_of_month, end_of_week
from ecommerce_assets.query.asking import Ask
from ecommerce_assets.sql import ansi_literal
from ecommerce_assets.tables import all_tables, table_named
from ecommerce_assets.tables.declaration import Table

FACT = "gold.fact_sales"
# Of a key column that the facts lack: the interval of their order dates.
INTERVALS = {"week_start_date": end_of_week, "month_start_date": end_of_month}
DIMENSIONS = {"customers": "dim_customer", "products": "dim_product"}


@dataclass(frozen=True)
class Part:
    """One step of the way back.

    Attributes:
        title: what the rows are.
        rows: how many there are.
        first: the first of them.
    """

    title: str
    rows: int
    first: pa.Table


def trace(name: str, key: str, ask: Ask, *, limit: int, join_texts: str) -> Iterator[Part]:
    """The row with this key; the facts behind it; every version of every source record of these.

    Args:
        name: a table, with or without its layer (gold, if it has none).
        key: value of its key, or of the natural key that it shows; several parted by commas.
        ask: runs a statement where the tables are.
        limit: rows to show of each part.
        join_texts: the SQL dialect's function that joins an array of texts.

    Raises:
        PipelineError: no such table, no row with this key, or a table that can't be followed.
    """
    table = table_named(name)
    row = _row(table, key, ask)
    yield Part(f"{table.identifier}, the row", 1, row)
    if table.layer == "gold":
        facts = f"SELECT * FROM {FACT} WHERE {_facts_of(table, row)}"
        order = "ORDER BY order_date, order_id, order_item_id"
        yield _part(f"{FACT}, the rows behind it", facts, order, ask, limit)
        wanted = {
            "orders": f"SELECT order_id FROM ({facts}) f",
            "order_items": f"SELECT order_item_id FROM ({facts}) f",
        }
        for source, dimension in DIMENSIONS.items():
            if f"gold.{dimension}" in (table.identifier, *table.upstream):
                id_column = all_tables()[f"silver.{source}"].key[0]
                ids = f"SELECT {id_column} FROM gold.{dimension} d JOIN ({facts}) f USING "
                wanted[source] = ids + f"({source[:-1]}_key)"
                if table.name == dimension:
                    wanted[source] = f"SELECT {ansi_literal(_values(row)[id_column])}"
    else:
        source = table.name.removesuffix("_quarantine")
        id_column = all_tables()[f"silver.{source}"].key[0]
        wanted = {source: f"SELECT {ansi_literal(str(_values(row)[id_column]).strip())}"}
    for source, ids in wanted.items():
        statement = _versions(source, ids, join_texts)
        order = "ORDER BY 1, fate, _source_file, _row_number"
        title = f"bronze.{source}, every version of their records, and what became of it"
        yield _part(title, statement, order, ask, limit)


def _row(table: Table, key: str, ask: Ask) -> pa.Table:
    """The row by its key, or by the natural key beside a surrogate one."""
    values = [value.strip() for value in key.split(",")]
    natural = [name.replace("_key", "_id") for name in table.key]
    for columns in dict.fromkeys([table.key, tuple(natural)]):
        if len(columns) != len(values) or not set(columns) <= table.columns.keys():
            continue
        where = " AND ".join(
            f"CAST({column} AS varchar) = {ansi_literal(value)}"
            for column, value in zip(columns, values, strict=True)
        )
        row = ask(f"SELECT * FROM {table.identifier} WHERE {where}")
        if row.num_rows == 1:
            return row
    raise PipelineError(
        f"{table.identifier} has no row whose {', '.join(table.key)} is {key!r}"
        + ("; give the values parted by commas" if len(table.key) != len(values) else "")
    )


def _values(row: pa.Table) -> dict[str, Any]:
    (values,) = row.to_pylist()  # `_row` has counted it
    return dict(values)


def _facts_of(table: Table, row: pa.Table) -> str:
    """SQL that is true for the facts behind a row."""
    facts, values = all_tables()[FACT], _values(row)
    conditions = []
    for column in table.key:
        value, surrogate = values[column], column.replace("_id", "_key")
        if column in facts.columns:
            conditions.append(f"{column} = {ansi_literal(value)}")
        elif surrogate in values and surrogate in facts.columns:
            conditions.append(f"{surrogate} = {ansi_literal(values[surrogate])}")
        elif column in INTERVALS:
            after = INTERVALS[column](value)
            first, end = ansi_literal(value), ansi_literal(after)
            conditions.append(f"order_date >= {first} AND order_date < {end}")
        elif column == "category":
            products = (
                f"SELECT product_key FROM gold.dim_product WHERE category = {ansi_literal(value)}"
            )
            conditions.append(f"product_key IN ({products})")
        else:
            raise PipelineError(
                f"{table.identifier} can't be followed: {column} tells no rows of {FACT}"
            )
    return " AND ".join(conditions)


def _versions(source: str, ids: str, join_texts: str) -> str:
    """Each record of bronze with one of these ids, and what became of it."""
    (key,) = all_tables()[f"silver.{source}"].key
    names = [name for name in all_tables()[f"bronze.{source}"].columns if not name.startswith("_")]
    rest = ", ".join(f"b.{name}" for name in names if name != key)
    place = "x._source_file = b._source_file AND x._row_number = b._row_number"
    return (
        f"SELECT b.{key}, CASE WHEN s._row_number IS NOT NULL THEN 'current' "
        f"WHEN q._row_number IS NOT NULL THEN 'quarantined: ' || {join_texts}(q._reasons, '; ') "
        f"ELSE 'superseded' END AS fate, b._source_file, b._row_number, {rest} "
        f"FROM bronze.{source} b "
        f"LEFT JOIN silver.{source} s ON {place.replace('x.', 's.')} "
        f"LEFT JOIN silver.{source}_quarantine q ON {place.replace('x.', 'q.')} "
        f"WHERE trim(b.{key}) IN ({ids})"
    )


def _part(title: str, statement: str, order: str, ask: Ask, limit: int) -> Part:
    first = ask(f"{statement} {order} LIMIT {limit}")
    rows = first.num_rows
    if rows == limit:
        rows = int(ask(f"SELECT count(*) FROM ({statement}) t").column(0)[0].as_py())
    return Part(title, rows, first)
