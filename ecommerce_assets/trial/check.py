"""What would become of landed deliveries under a shop file, without writing any table."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from ecommerce_assets.engine.duck import connect, must_know_zones
from ecommerce_assets.engine.queries import Query
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.landing.files import digested, landed
from ecommerce_assets.landing.layout import RESCUED
from ecommerce_assets.landing.rows import record_batches
from ecommerce_assets.landing.source import FILLED_DOWN, LINE_NUMBER, Source, column_of
from ecommerce_assets.landing.store import store_of
from ecommerce_assets.model.rules import NULLABILITY, row_rules
from ecommerce_assets.model.table import Table
from ecommerce_assets.shop import Shop, current_shop
from ecommerce_assets.sql import ansi_literal
from ecommerce_assets.tables import all_tables, fed_tables
from ecommerce_assets.tables.contract import Contract
from ecommerce_assets.tables.currencies import RATES
from ecommerce_assets.tables.looked_up import WithLookups
from ecommerce_assets.tables.personal import shown
from ecommerce_assets.tables.silver import contracts_of, feeds_of
from ecommerce_assets.tables.star import RETURNS, SALES
from ecommerce_assets.thresholds import Thresholds
from ecommerce_assets.trial.doubts import VALUES, blocked, doubtful, doubtful_of_all
from ecommerce_assets.trial.fates import relation_of, relation_of_table, with_fates

if TYPE_CHECKING:
    # At run time, pandera comes after `model`, which keeps it from loading Spark.
    from pandera.pandas import Column

VALUES_NAMED = 20
EXAMPLES = 3


@dataclass
class Trial:
    """What would become of the deliveries.

    Attributes:
        files: number of files read, by source.
        tables: by table, its rows by fate.
        reasons: for each reason of quarantine: table, reason, rows, examples of the text.
        unknown: values without a place in the vocabulary or in a map: table, column, value, rows.
        not_selected: rows that a table's condition leaves out, by table and source, and those that
            no table selects: rows, their value as far as the source has amounts, the condition.
        blocked: what would keep a run from publishing: a sentence for each table.
        doubtful: what a run would publish, and is probably not meant: a sentence for each table.
        apart: current items whose order is not current, and orders without an item; many of them
            mean that the conditions of the two tables contradict each other. Of a shop with several
            currencies, orders without a rate as well.
        months: by month of the business day: revenue, what came back, orders sold.
    """

    files: dict[str, int] = field(default_factory=dict)
    tables: dict[str, dict[str, int]] = field(default_factory=dict)
    reasons: list[dict[str, Any]] = field(default_factory=list)
    unknown: list[dict[str, Any]] = field(default_factory=list)
    not_selected: list[dict[str, Any]] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)
    apart: dict[str, int] = field(default_factory=dict)
    months: list[dict[str, Any]] = field(default_factory=list)


def check(landing: str, limit: int | None = None, thresholds: Thresholds | None = None) -> Trial:
    """Judge what has landed by the current shop file.

    Args:
        landing: folder or s3 prefix of the deliveries.
        limit: the most rows to read of each source.
        thresholds: from what shares on a run would not publish; the defaults if not given.

    Raises:
        PipelineError: the shop file is wrong, nothing has landed, or a file can't be read.
    """
    shop, found = current_shop(), Trial()
    must_know_zones(shop.zones)
    connection = connect()
    try:
        for source in shop.sources:
            rows = _received(landing, source, shop.sources, limit, found)
            connection.register("received", rows)
            connection.execute(f"CREATE TABLE {relation_of(source.name)} AS FROM received")
        if not any(found.files.values()):
            raise PipelineError(f"nothing has landed in {landing} for {shop.file}")
        for table in all_tables().values():
            if isinstance(table.transform, WithLookups):
                rows, *_ = table.upstream
                query = table.transform.whole(rows, relation_of_table)
                name = relation_of_table(table.identifier)
                connection.execute(f"CREATE TABLE {name} AS {query}")
        # DuckDB works on few rows in one thread.
        with ThreadPoolExecutor() as pool:
            list(pool.map(partial(_judge, connection), fed_tables()))
        for table in fed_tables():
            _add_table(connection, table, found)
            fates = found.tables[table.name]
            found.blocked += blocked(connection, table, fates, thresholds or Thresholds())
            found.doubtful += doubtful(connection, shop, table, fates)
        found.not_selected = [row for source in shop.sources
                              for row in _not_selected(connection, shop, source)]  # fmt: skip
        found.apart = _apart(connection)
        orders = found.tables["orders"]["current"]
        found.doubtful += doubtful_of_all(
            connection, shop, found.tables, orders, found.apart["orders_without_item"]
        )
        found.months = _months(connection)
        if RATES in all_tables():
            found.apart["orders_without_rate"] = _without_rate(connection, shop.currency)
    finally:
        connection.close()
    return found


def _judge(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Make the table of all rows of a table's sources, with their fates."""
    with connection.cursor() as own:
        own.execute(f"CREATE TABLE {table.name} AS {with_fates(table)}")


def _received(
    landing: str, source: Source, sources: tuple[Source, ...], limit: int | None, found: Trial
) -> pa.Table:
    """The rows of a source, as bronze would hold them."""
    store = store_of(landing)
    files = digested(landing, landed(landing, source, sources, date.min, date.max).files)
    found.files[source.name] = len(files)
    now, rows, batches = datetime.now(UTC), 0, []
    for file in files:
        for batch in record_batches(store, file, source, now):
            batches.append(batch)
            rows += batch.num_rows
            if limit is not None and rows >= limit:
                return pa.Table.from_batches(batches).slice(0, limit)
    if batches:
        return pa.Table.from_batches(batches)
    columns = [pa.field(column_of(name), pa.string()) for name in source.columns]
    columns += [pa.field("_ingestion_date", pa.date32()), pa.field("_source_file", pa.string()),
                pa.field("_row_number", pa.int64()), pa.field(LINE_NUMBER, pa.int64()),
                pa.field(FILLED_DOWN, pa.map_(pa.string(), pa.string())),
                pa.field(RESCUED, pa.string())]  # fmt: skip
    return pa.schema(columns).empty_table()


def _add_table(connection: duckdb.DuckDBPyConnection, table: Table, found: Trial) -> None:
    fates = dict(
        connection.execute(f"SELECT fate, count(*) FROM {table.name} GROUP BY 1").fetchall()
    )
    names = ["current", "superseded", "quarantined", "not_selected"]
    parts = [part for of_table in current_shop().declared.tables.values() for part in of_table]
    if any(part.replaces or part.complete or part.gone for part in parts):
        names.insert(2, "gone")
    found.tables[table.name] = {name: fates.get(name, 0) for name in names}
    broken = connection.execute(
        f"SELECT reason, count(*) FROM (SELECT unnest(_reasons) AS reason FROM {table.name} "
        "WHERE fate = 'quarantined') GROUP BY 1 ORDER BY 2 DESC, 1"
    ).fetchall()
    for reason, rows in broken:
        column = reason.split(":")[0]
        text = f"_text_{column}" if column in table.columns else "_source_file"
        examples = connection.execute(
            f"SELECT {text}, _source_file, _row_number FROM {table.name} "
            "WHERE fate = 'quarantined' AND list_contains(_reasons, ?) "
            f"ORDER BY _source_file, _row_number LIMIT {EXAMPLES}",
            [reason],
        ).fetchall()
        found.reasons.append(
            {
                "table": table.name,
                "reason": reason,
                "rows": rows,
                "examples": [
                    f"{_quoted(shown(column, value))} in {file} record {number}"
                    for value, file, number in examples
                ],
            }
        )
    found.unknown += _unknown(connection, table)


def _quoted(value: Any) -> str:
    return "(empty)" if value is None else repr(value)


def _unknown(connection: duckdb.DuckDBPyConnection, table: Table) -> Iterator[dict[str, Any]]:
    """Values that the vocabulary does not list, and those that a map does not name."""
    contracts = contracts_of(table)
    for name, contract in product(table.columns, contracts):
        column = contract.schema.columns.get(name)
        if column is None:  # of provenance
            continue
        unknown = _unknown_value(name, column, contract)
        if not unknown:
            continue
        rows = connection.execute(
            f"SELECT _text_{name}, count(*) FROM {table.name} WHERE fate <> 'not_selected' "
            f"AND _source = ? AND _text_{name} IS NOT NULL AND {unknown} "
            f"GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {VALUES_NAMED}",
            [contract.feed.source],
        ).fetchall()
        for value, number in rows:
            yield {"table": table.name, "column": name, "value": value, "rows": number}


def _unknown_value(name: str, column: "Column", contract: Contract) -> str:
    """SQL condition of a text without a place: not a word, or not mapped and against a rule."""
    words = [w for check in column.checks for w in check.statistics.get("allowed_values", ())]
    case = column.metadata.get("case") or "strip"  # of texts that are trimmed already
    mapped = [getattr(word, case)() for word in contract.feed.maps.get(name, {}).values()]
    text = f"_text_{name}"
    known = ", ".join(ansi_literal(word) for word in dict.fromkeys([*words, *mapped]))
    if words:
        return f"{text} NOT IN ({known})"
    if not mapped:
        return ""
    broken = [rule.broken for rule in row_rules({name: column}) if rule.kind != NULLABILITY]
    against = " OR ".join(f"({condition})" for condition in broken) or "true"
    return f"{text} NOT IN ({known}) AND ({against})"


def _not_selected(
    connection: duckdb.DuckDBPyConnection, shop: Shop, source: Source
) -> Iterator[dict[str, Any]]:
    """The rows of a source that each table leaves out, and those that no table selects."""
    fed = [table for table in fed_tables()
           if any(feed.source == source.name for feed in feeds_of(table))]  # fmt: skip
    left_out = f"_source = {ansi_literal(source.name)} AND fate = 'not_selected'"
    # What is no return, is no amount that came back.
    valued = [table for table in fed if table.name in VALUES and table.name != "returns"]
    for table in fed:
        value = f"sum({VALUES[table.name]})" if table in valued else "NULL"
        rows, worth = connection.execute(
            f"SELECT count(*), {value} FROM {table.name} WHERE {left_out}"
        ).fetchone() or (0, None)
        parts = shop.declared.tables[table.name]
        if rows:
            where = next(part.where for part in parts if part.from_ == source.name)
            yield {"table": table.name, "source": source.name, "rows": rows, "value": worth,
                   "where": where}  # fmt: skip
    record = "_source_file, _row_number"
    of_none = f"SELECT {record} FROM {relation_of(source.name)}"
    for table in fed:
        of_none += f" EXCEPT SELECT {record} FROM {table.name} WHERE fate <> 'not_selected'"
    worth = f"sum({VALUES[valued[0].name]})" if valued else "NULL"
    joined = f"LEFT JOIN {valued[0].name} USING ({record})" if valued else ""
    rows, worth = connection.execute(
        f"SELECT count(*), {worth} FROM ({of_none}) {joined}"
    ).fetchone() or (0, None)
    if rows:
        yield {"table": "none", "source": source.name, "rows": rows, "value": worth, "where": ""}


def _apart(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Items without an order, and orders without an item."""

    def without(one: str, other: str) -> int:
        (number,) = connection.execute(
            f"SELECT count(*) FROM {one} WHERE fate = 'current' AND order_id NOT IN "
            f"(SELECT order_id FROM {other} WHERE fate = 'current')"
        ).fetchone() or (0,)
        return int(number)

    return {
        "items_without_order": without("order_items", "orders"),
        "orders_without_item": without("orders", "order_items"),
    }


def _without_rate(connection: duckdb.DuckDBPyConnection, own: str) -> int:
    """Orders that wait for an exchange rate, by gold's own query."""
    (number,) = connection.execute(
        f"SELECT count(*) FROM silver.orders AS o ANTI JOIN {RATES} AS x "
        "ON x.currency = o.currency AND x.date = o.business_date WHERE o.currency <> ?",
        [own],
    ).fetchone() or (0,)
    return int(number)


def _months(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Revenue, what came back and orders sold by month of the business day: by gold's queries."""
    connection.execute("CREATE SCHEMA silver")
    connection.execute("CREATE SCHEMA gold")
    connection.execute("CREATE MACRO surrogate_key(text) AS CAST(hash(text) >> 1 AS BIGINT)")
    fed = {table.name for table in fed_tables()}
    facts = [name for name in (RATES, SALES, RETURNS) if name in all_tables()]
    for identifier in dict.fromkeys(read for name in facts for read in all_tables()[name].upstream):
        if identifier in facts:
            continue
        table, name = all_tables()[identifier], identifier.removeprefix("silver.")
        nothing = ", ".join(f"CAST(NULL AS {kind}) AS {c}" for c, kind in table.kinds.items())
        rows = (
            f"FROM main.{name} WHERE fate = 'current'"
            if name in fed
            else f"SELECT {nothing} LIMIT 0"
        )
        connection.execute(f"CREATE VIEW {identifier} AS {rows}")
    for identifier in facts:
        query = all_tables()[identifier].transform
        assert isinstance(query, Query)
        connection.execute(f"CREATE TABLE {identifier} AS {query.sql}")
    answer = connection.execute(
        "SELECT strftime(day, '%Y-%m') AS month, sum(revenue), sum(returned), "
        "sum(revenue) - sum(returned), count(DISTINCT order_id) FROM ("
        f"SELECT order_date AS day, revenue, 0 AS returned, order_id FROM {SALES} WHERE is_sale "
        f"UNION ALL SELECT return_date, 0, returned_amount, NULL FROM {RETURNS} WHERE is_counted"
        ") GROUP BY 1 ORDER BY 1"
    ).fetchall()
    names = ("month", "revenue", "returned", "net_revenue", "orders")
    return [dict(zip(names, row, strict=True)) for row in answer]
