"""From a figure to its source: what a row was computed from, down to the delivered records."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.intervals import end_of_month, end_of_week
from ecommerce_assets.landing.layout import ROW_NUMBER, SOURCE_FILE
from ecommerce_assets.model.strategies import LatestVersion
from ecommerce_assets.model.table import Table
from ecommerce_assets.query.engine import Query
from ecommerce_assets.query.feeds import key_of_received, selected
from ecommerce_assets.sql import ansi_literal
from ecommerce_assets.tables import all_tables, contracted_tables, fed_tables, table_named
from ecommerce_assets.tables.currencies import RATES
from ecommerce_assets.tables.feed import Feed
from ecommerce_assets.tables.personal import MASK, personal_columns
from ecommerce_assets.tables.silver import feeds_of
from ecommerce_assets.tables.star import RETURNS, SALES

# For key columns that facts lack: what tells them as well, and the interval of their days.
INSTEAD = {"order_item_id": "sale_key", "return_id": "order_id"}
INTERVALS = {"week_start_date": end_of_week, "month_start_date": end_of_month}
DIMENSIONS = {"customers": "dim_customer", "products": "dim_product"}


@dataclass(frozen=True)
class Part:
    """One step back from the row.

    Attributes:
        title: what the rows are.
        rows: number of rows.
        first: the first rows.
    """

    title: str
    rows: int
    first: pa.Table


def trace(
    name: str, key: str, query: Query, *, limit: int, on_aws: bool, personal: bool = False
) -> Iterator[Part]:
    """The row with this key; the facts behind it; all versions of their source records.

    Args:
        name: a table, with or without its layer (default: gold).
        key: value of its key or natural key; several columns separated by commas.
        query: runs a statement on the tables.
        limit: rows to show of each part.
        on_aws: whether Athena runs the statements, else DuckDB.
        personal: whether to show personal values.

    Raises:
        PipelineError: no such table, no row with this key, or a table that can't be traced.
    """
    for part in _parts(name, key, query, limit=limit, on_aws=on_aws):
        yield part if personal else replace(part, first=_masked(part.first))


def _masked(rows: pa.Table) -> pa.Table:
    """The rows with personal values masked."""
    for place, name in enumerate(rows.column_names):
        if name.lower() in personal_columns():
            there = rows.column(place).is_valid()
            mask = pc.if_else(there, MASK, pa.scalar(None, pa.string()))
            rows = rows.set_column(place, name, mask)
    return rows


def _parts(name: str, key: str, query: Query, *, limit: int, on_aws: bool) -> Iterator[Part]:
    table = table_named(name)
    row = _row(table, key, query)
    yield Part(f"{table.identifier}, the row", 1, row)
    fed = {source.name for source in fed_tables()}
    if table.layer == "gold":
        facts = f"SELECT * FROM {SALES} WHERE {_facts_of(table, row, SALES)}"
        order = "ORDER BY order_date, order_id, order_item_id"
        yield _part(f"{SALES}, the rows behind it", facts, order, query, limit)
        behind = [facts]
        if table.identifier == RATES:
            behind.append(f"SELECT * FROM {RATES} WHERE {_is(row, *table.key)}")
        wanted = {
            "orders": f"SELECT order_id FROM ({facts}) f",
            "order_items": f"SELECT order_item_id FROM ({facts}) f",
        }
        if "returns" in fed:
            returns = f"SELECT * FROM {RETURNS} WHERE {_facts_of(table, row, RETURNS)}"
            order = "ORDER BY return_date, return_id"
            yield _part(f"{RETURNS}, the rows behind it", returns, order, query, limit)
            behind.append(returns)
            wanted["returns"] = f"SELECT return_id FROM ({returns}) f"
        if "exchange_rates" in fed:
            rated = [f"SELECT currency, rate_date FROM ({part}) r" for part in behind]
            wanted["exchange_rates"] = (
                "SELECT x.rate_id FROM silver.exchange_rates x "
                f"JOIN ({' UNION ALL '.join(rated)}) f "
                "ON f.currency = x.currency AND f.rate_date = x.rate_date"
            )
        for source, dimension in DIMENSIONS.items():
            if f"gold.{dimension}" in (table.identifier, *table.upstream):
                id_column = all_tables()[f"silver.{source}"].key[0]
                ids = f"SELECT {id_column} FROM gold.{dimension} d JOIN ({facts}) f USING "
                wanted[source] = ids + f"({source[:-1]}_key)"
                if table.name == dimension:
                    wanted[source] = f"SELECT {ansi_literal(_values(row)[id_column])}"
    else:
        wanted = _of_delivered(table, row, on_aws=on_aws)
    for name, ids in wanted.items():
        silver = all_tables()[f"silver.{name}"]
        for feed in feeds_of(silver):
            statement = _versions(silver, feed, ids, on_aws=on_aws)
            order = "ORDER BY 1, fate, _source_file, _row_number"
            title = f"{feed.rows}, every version of the rows of {name}, and what became of it"
            yield _part(title, statement, order, query, limit)


def _of_delivered(table: Table, row: pa.Table, *, on_aws: bool) -> dict[str, str]:
    """By silver table, the ids that a row of silver or bronze speaks of, as SQL."""
    found = {}
    for silver in contracted_tables():
        if table.identifier == silver.identifier:
            found[silver.name] = f"SELECT {ansi_literal(_values(row)[silver.key[0]])}"
        elif table.identifier in (f"{silver.identifier}_quarantine", *silver.upstream):
            record = _is(row, SOURCE_FILE, ROW_NUMBER)
            found[silver.name] = " UNION ALL ".join(
                f"SELECT {key_of_received(silver, feed, on_aws=on_aws)} FROM {feed.rows} "
                f"WHERE {record}"
                for feed in feeds_of(silver)
            )
    return found


def _row(table: Table, key: str, query: Query) -> pa.Table:
    """The row by its key, or by the natural key beside a surrogate one."""
    # A key of one column may have commas in it.
    values = [value.strip() for value in key.split(",")] if len(table.key) > 1 else [key.strip()]
    natural = [name.replace("_key", "_id") for name in table.key]
    for columns in dict.fromkeys([table.key, tuple(natural)]):
        if len(columns) != len(values) or not set(columns) <= table.columns.keys():
            continue
        where = " AND ".join(
            f"CAST({column} AS varchar) = {ansi_literal(value)}"
            for column, value in zip(columns, values, strict=True)
        )
        row = query(f"SELECT * FROM {table.identifier} WHERE {where}")
        if row.num_rows == 1:
            return row
    raise PipelineError(
        f"{table.identifier} has no row whose {', '.join(table.key)} is {key!r}"
        + ("; separate the values by commas" if len(table.key) != len(values) else "")
    )


def _values(row: pa.Table) -> dict[str, Any]:
    (values,) = row.to_pylist()  # checked by `_row`
    return dict(values)


def _is(row: pa.Table, *columns: str) -> str:
    """SQL condition of the rows with a row's values in these columns."""
    values = _values(row)
    return " AND ".join(f"{column} = {ansi_literal(values[column])}" for column in columns)


def _facts_of(table: Table, row: pa.Table, of: str) -> str:
    """SQL condition of the facts of a table `of` them behind a row."""
    facts, values = all_tables()[of].columns, _values(row)
    # What came back counts on its own day, but with its order's in a table of those.
    by_order = of == SALES or table.name == "order_revenue_by_cohort"
    day = "order_date" if by_order else "return_date"
    conditions = []
    for column in table.key:
        value, surrogate = values[column], column.replace("_id", "_key")
        instead = INSTEAD.get(column)
        if column in ("order_date", "date"):
            conditions.append(f"{day} = {ansi_literal(value)}")
        elif column in facts:
            conditions.append(f"{column} = {ansi_literal(value)}")
        elif surrogate in values and surrogate in facts:
            conditions.append(f"{surrogate} = {ansi_literal(values[surrogate])}")
        elif column in INTERVALS:
            after = INTERVALS[column](value)
            first, end = ansi_literal(value), ansi_literal(after)
            conditions.append(f"{day} >= {first} AND {day} < {end}")
        elif column == "category":
            products = (
                f"SELECT product_key FROM gold.dim_product WHERE category = {ansi_literal(value)}"
            )
            conditions.append(f"product_key IN ({products})")
        elif instead in values and instead in facts:
            conditions.append(f"{instead} = {ansi_literal(values[instead])}")
        else:
            raise PipelineError(
                f"{table.identifier} can't be followed: {column} tells no rows of {of}"
            )
    return " AND ".join(conditions)


def _versions(silver: Table, feed: Feed, ids: str, *, on_aws: bool) -> str:
    """All records of a source with one of these ids, and what became of them."""
    (key,) = silver.key
    bronze = all_tables()[feed.rows]
    text, condition = key_of_received(silver, feed, on_aws=on_aws), selected(feed, on_aws=on_aws)
    received = (
        f"SELECT {text} AS _traced, {condition or 'true'} AS _selected, * FROM {bronze.identifier}"
    )
    names = [name for name in bronze.columns if not name.startswith("_") and name != key]
    rest = "".join(f', b."{name}"' for name in names)
    same_record = "x._source_file = b._source_file AND x._row_number = b._row_number"
    # Of a key without a current row, by what later deliveries no longer hold.
    absent = isinstance(silver.refresh, LatestVersion) and silver.refresh.absent
    gone = "WHEN k._row_number IS NULL THEN 'gone' " if absent else ""
    current = f"LEFT JOIN {silver.identifier} k ON k.{key} = b._traced " if absent else ""
    join_texts = "array_join" if on_aws else "array_to_string"
    return (
        f"SELECT b._traced AS {key}, CASE WHEN s._row_number IS NOT NULL THEN 'current' "
        f"WHEN q._row_number IS NOT NULL THEN 'quarantined: ' || {join_texts}(q._reasons, '; ') "
        "WHEN NOT b._selected THEN 'not selected' "
        f"{gone}ELSE 'superseded' END AS fate, b._source_file, b._row_number{rest} "
        f"FROM ({received}) b "
        f"LEFT JOIN {silver.identifier} s ON {same_record.replace('x.', 's.')} "
        f"{current}LEFT JOIN {silver.identifier}_quarantine q ON {same_record.replace('x.', 'q.')} "
        f"WHERE b._traced IN ({ids})"
    )


def _part(title: str, statement: str, order: str, query: Query, limit: int) -> Part:
    first = query(f"{statement} {order} LIMIT {limit}")
    rows = first.num_rows
    if rows == limit:
        rows = int(query(f"SELECT count(*) FROM ({statement}) t").column(0)[0].as_py())
    return Part(title, rows, first)
