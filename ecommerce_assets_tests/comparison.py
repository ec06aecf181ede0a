"""Published tables beside the oracle: whole tables, all columns, every cell."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb

from ecommerce_assets.query.local import create_views
from ecommerce_assets.tables import all_tables
from ecommerce_assets.tables.gold import STAR
from ecommerce_assets.tables.star import FACTS, ORDERS, RETURNS, SALES
from ecommerce_assets_tests import oracle

SHOWN = 5


def differences(
    lakehouse: Path,
    tables: Iterable[str],
    bronze: Mapping[str, list[tuple[Any, ...]]],
    by: oracle.Oracle = oracle.DEFAULT,
) -> dict[str, list[Any]]:
    """By table that differs: rows that only the product or only the oracle has.

    A derived table is compared with what the oracle makes of its upstream tables as published.

    Args:
        tables: identifiers to compare; a table that the oracle does not know is left aside.
        bronze: by bronze table, the rows it must hold.
        by: the oracle of the shop.
    """
    tables = [name for name in tables if name in by.sql or name.startswith("bronze.")]
    connection = by.connect()
    try:
        needed = {upstream for name in tables for upstream in by.upstream.get(name, ())}
        create_views(connection, str(lakehouse), " ".join({*tables, *needed}))
        found = {}
        for name in tables:
            layer, table = name.split(".")
            if layer == "bronze":
                by.fill(connection, "expected", table, bronze[table])
                rows = _differing(connection, name, "expected")
            else:
                rows = _differing(connection, name, f"({by.sql[name]})")
            if rows:
                found[name] = rows
        return found
    finally:
        connection.close()


MEMBERS = {
    "gold.dim_customer": "customer_key",
    "gold.dim_product": "product_key",
    "gold.dim_date": "date_key",
}
# By table: what must be the same here and in the facts that it reads.
SOLD, BACK = "sum(revenue) filter (is_sale)", "sum(returned_amount) filter (is_counted)"
ADDS_UP = {
    "gold.fact_orders": [(SOLD, SOLD, SALES)],
    "gold.customer_lifetime_value": [
        ("sum(revenue)", SOLD, ORDERS), ("sum(returned)", BACK, RETURNS),
    ],
    "gold.top_products": [("sum(revenue)", SOLD, SALES), ("sum(returned)", BACK, RETURNS)],
    "gold.category_performance": [("sum(revenue)", SOLD, SALES), ("sum(returned)", BACK, RETURNS)],
    "gold.orders_per_customer": [("sum(orders)", "count(*) filter (is_sale)", ORDERS)],
}  # fmt: skip


def refused_now(
    lakehouse: Path, tables: Iterable[str], by: oracle.Oracle = oracle.DEFAULT
) -> set[str]:
    """Those of the tables that must not be published when a run makes them now.

    A dimension made without the facts, if a published fact still needs a member that is gone; with
    it, what is published together or reads it. And a KPI that joins facts with an older dimension.
    """
    chosen = [name for name in all_tables() if name in set(tables)]
    gold = [name for name in chosen if name.startswith("gold")]
    if not gold:
        return set()
    connection = by.connect()
    try:
        read = {upstream for name in gold for upstream in by.upstream[name]} | {*FACTS}
        create_views(connection, str(lakehouse), " ".join(read))
        found = {name for name in gold if name in ADDS_UP and not _adds_up(connection, name, by)}
        found |= {name for name in gold if name in MEMBERS and _lacks_members(connection, name, by)}
        # They are published together.
        if any(all_tables()[name].publish_group == STAR for name in found):
            found |= {name for name in gold if all_tables()[name].publish_group == STAR}
    finally:
        connection.close()
    for name in gold:
        if found & set(all_tables()[name].reads) - {name}:
            found.add(name)
    return found


def _adds_up(connection: duckdb.DuckDBPyConnection, name: str, by: oracle.Oracle) -> bool:
    sold_to = f"where {oracle.NO_GUEST}" if "customer" in name else ""
    for here, there, facts in ADDS_UP[name]:
        (same,) = connection.sql(
            f"select coalesce((select {here} from ({by.sql[name]})), 0) = "
            f"coalesce((select {there} from {facts} {sold_to}), 0)"
        ).fetchall()[0]
        if not same:
            return False
    return True


def _lacks_members(
    connection: duckdb.DuckDBPyConnection, dimension: str, by: oracle.Oracle
) -> bool:
    """Whether a published fact finds no member in the dimension as it would be now."""
    key = MEMBERS[dimension]
    for facts in FACTS:
        if key not in all_tables()[facts].columns:
            continue
        (lost,) = connection.sql(
            f"select count(*) from {facts} anti join ({by.sql[dimension]}) using ({key})"
        ).fetchall()[0]
        if lost:
            return True
    return False


def _differing(connection: duckdb.DuckDBPyConnection, name: str, expected: str) -> list[Any]:
    kinds = {row[0]: row[1] for row in connection.sql(f"describe {name}").fetchall()}
    columns = [column for column in kinds if column != "_ingested_at"]
    declared = {row[0] for row in connection.sql(f"describe from {expected}").fetchall()}
    assert declared == set(columns), (name, declared ^ set(columns))
    ours = ", ".join(_comparable(column, kinds[column]) for column in columns)
    theirs = ", ".join(
        _comparable(column, kinds[column]) if kinds[column].startswith("MAP") else f'"{column}"'
        for column in columns
    )
    left, right = f"select {ours} from {name}", f"select {theirs} from {expected}"
    return connection.sql(
        f"(select 'only published' as side, * from ({left} except all {right}) limit {SHOWN}) "
        f"union all (select 'only oracle', * from ({right} except all {left}) limit {SHOWN})"
    ).fetchall()


def _comparable(column: str, kind: str) -> str:
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f'cast("{column}" as timestamp) as "{column}"'
    if kind.startswith("MAP"):
        return f'cast(list_sort(map_entries("{column}")) as varchar) as "{column}"'
    if column == "_reasons":
        # The columns at fault; how a reason is worded is the product's own affair.
        return (
            "list_sort(list_distinct(list_transform(_reasons, "
            "lambda reason: split_part(reason, ': ', 1)))) as _reasons"
        )
    return f'"{column}"'
