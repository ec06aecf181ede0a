"""Doubts about judged rows: what a run would not publish, and what is probably not meant.

The tables in DuckDB are those of `judged`, by their names.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import duckdb

from ecommerce_assets.landing.layout import RESCUED
from ecommerce_assets.model.shares import percent
from ecommerce_assets.model.table import Table
from ecommerce_assets.shop import Shop
from ecommerce_assets.shop.model import MAY_BE_NONE, Doubt
from ecommerce_assets.sql import ansi_literal
from ecommerce_assets.tables import fed_tables
from ecommerce_assets.tables.audits.marked import IS_OWN, SELLS_NOTHING, renamed
from ecommerce_assets.tables.audits.repeated import Repeats, content, repeats_of, replaced
from ecommerce_assets.tables.personal import shown, without_address
from ecommerce_assets.tables.provenance import VERSION_ORDER
from ecommerce_assets.tables.silver import contracts_of
from ecommerce_assets.thresholds import Thresholds, exceeds
from ecommerce_assets.trial.fates import relation_of
from ecommerce_assets.trial.guess import headers_like
from ecommerce_assets.trial.samples import NULLS

PARENTS = {"orders": "customer_id", "order_items": "order_id"}
# Columns of the ids of the same things, by table.
IDS = {
    "customer": (("customers", "customer_id"), ("orders", "customer_id")),
    "product": (("products", "product_id"), ("order_items", "product_id")),
    "order": (("orders", "order_id"), ("order_items", "order_id")),
}
# Texts that mean an empty value in some export, in small letters.
NONE = (
    *dict.fromkeys(map(str.lower, NULLS)), "nil", "na", "undefined", "unknown", "guest", "0", "-",
    "--", "?",
)  # fmt: skip
APART = 0.05  # of the orders, from which those without an item are probably not meant
EXAMPLES = 3
# The column of a row's value.
VALUES = {"order_items": "line_total", "orders": "total_amount", "returns": "amount"}
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
    connection: duckdb.DuckDBPyConnection, shop: Shop, table: Table, fates: Mapping[str, int]
) -> Iterator[str]:
    """A sentence for what a table would hold and is probably not meant; see `Doubt`.

    Args:
        fates: the table's rows by fate.
    """
    found: list[tuple[Doubt, str]] = []
    none_selected = fates["not_selected"] and fates["not_selected"] == sum(fates.values())
    if none_selected and table.name not in MAY_BE_NONE:
        found.append(
            (
                "nothing_selected",
                f"tables.{table.name}.where selects none of {fates['not_selected']:,} rows",
            )
        )
    found += [("fractions", text) for text in _fractions(connection, table)]
    found += [("ids_that_are_none", text) for text in _ids_that_are_none(connection, table)]
    found += [("ids_that_are_addresses", text) for text in _addresses(connection, table)]
    found += [("rounded_ids", text) for text in _rounded_ids(connection, table)]
    found += [("constant", text) for text in _constants(connection, shop, table)]
    yield from unanswered(shop, table.name, found)
    if repeats := repeats_of(shop, table.name):
        yield from _repeated(connection, shop, table, repeats)


def doubtful_of_all(
    connection: duckdb.DuckDBPyConnection,
    shop: Shop,
    tables: Collection[str],
    orders: int,
    without_item: int,
) -> Iterator[str]:
    """A sentence for what is probably not meant, of several tables together.

    Args:
        tables: the names of those that are there.
        orders: how many are current.
        without_item: those of them without a current item.
    """
    if "order_items" in tables and exceeds(without_item, orders, APART):
        text = (
            f"{without_item:,} of {orders:,} orders have no item. Is tables.order_items.where "
            "narrower than that of the orders, or are files missing?"
        )
        yield from unanswered(shop, "orders", [("orders_without_item", text)])
    if (text := _named_by_no_sale(connection, shop)) and "products" in tables:
        yield from unanswered(shop, "products", [("named_by_no_sale", text)])
    for thing, places in IDS.items():
        there = [(table, column) for table, column in places if table in tables]
        if there and (text := _ids_alike(connection, thing, there)):
            yield from unanswered(shop, there[0][0], [("ids_alike", text)])


def unanswered(shop: Shop, table: str, found: Iterable[tuple[Doubt, str]]) -> Iterator[str]:
    """The doubts about a table that its shop file does not accept, and how it would."""
    accepted = {doubt for part in shop.declared.tables.get(table, ()) for doubt in part.accept}
    for doubt, text in found:
        if doubt not in accepted:
            yield (
                f"silver.{table}: {text} (If it is meant: accept = {json.dumps([doubt])} in "
                f"tables.{table}.)"
            )


def _repeated(
    connection: duckdb.DuckDBPyConnection, shop: Shop, table: Table, repeats: Repeats
) -> Iterator[str]:
    """Whether rows do not count because another row of a delivery has their key."""
    (key,) = table.key
    value = VALUES.get(table.name, "CAST(NULL AS DECIMAL(18, 2))")
    of_delivery = repeats.of_delivery(key, "true", VERSION_ORDER)
    told = (
        f"WITH rows_received AS (SELECT *, {content([*table.columns])} AS content "
        f"FROM {table.name} WHERE fate IN ('current', 'superseded')), "
        f"valid AS (SELECT *, {of_delivery} FROM rows_received), told AS (SELECT r.*, "
        f"{repeats.kind('r', 'k')} AS repeats, k._source_file AS kept_file, "
        f"k._row_number AS kept_row FROM valid r JOIN valid k USING ({key}) "
        f"WHERE k.fate = 'current' AND r.{IS_OWN}) "
    )
    kinds = connection.execute(
        f"{told} SELECT repeats, count(*), sum({value}) FROM told WHERE repeats IS NOT NULL "
        "GROUP BY 1"
    ).fetchall()
    if not kinds:
        return
    found = {kind: (rows, worth) for kind, rows, worth in kinds}
    example = connection.execute(
        f"{told} SELECT {key}, kept_file, kept_row, _source_file, _row_number FROM told "
        f"WHERE repeats IS NOT NULL ORDER BY {value} DESC NULLS LAST, _source_file, _row_number"
    ).fetchone() or ("", "", 0, "", 0)
    one, kept_file, kept_row, file, row = example
    yield (
        f"{table.identifier}: {replaced(found, shop.unconverted)}; e.g. {key} {shown(key, one)!r}: "
        f"{kept_file} record {kept_row:,} in place of {file} record {row:,}. "
        f"{repeats.remedy(found)}"
    )


def _ids_alike(
    connection: duckdb.DuckDBPyConnection, thing: str, there: Sequence[tuple[str, str]]
) -> str:
    """Whether ids differ only in what people do not see as a difference; empty if none do."""
    ids = " UNION ".join(
        f"SELECT DISTINCT {column} AS id FROM {table} WHERE fate = 'current'"
        for table, column in there
    )
    plain = "ltrim(regexp_replace(lower(nfc_normalize(id)), '\\s+', '', 'g'), '0')"
    alike = (
        f"SELECT min(id) AS a, max(id) AS b, count(*) AS n FROM ({ids}) "
        f"GROUP BY {plain} HAVING n > 1"
    )
    number, one, other = connection.execute(
        f"SELECT sum(n), min(a), min_by(b, a) FROM ({alike})"
    ).fetchone() or (0, "", "")
    if not number:
        return ""
    return (
        f"{number:,} {thing} ids of {' and '.join(table for table, _ in there)} differ only in "
        f"letter case, white space, leading zeros or Unicode form, like {one!r} and {other!r}: if "
        "they are the same, write the column as an expression that makes them one, like "
        "lower(HEADER)."
    )


def _ids_as_written(table: Table) -> list[str]:
    """The columns of ids that stand in the files."""
    ids = [own for places in IDS.values() for name, own in places if name == table.name]
    feeds = [contract.feed for contract in contracts_of(table)]
    return [column for column in ids if any(column in feed.writings for feed in feeds)]


def _ids_that_are_none(connection: duckdb.DuckDBPyConnection, table: Table) -> Iterator[str]:
    """Whether ids, as they stand in the files, are words for an empty value."""
    listed = ", ".join(map(ansi_literal, NONE))
    for column in _ids_as_written(table):
        found = connection.execute(
            f"SELECT {column}, count(*) AS n FROM {table.name} WHERE fate = 'current' "
            f"AND lower({column}) IN ({listed}) GROUP BY 1 ORDER BY n DESC, 1 LIMIT {EXAMPLES}"
        ).fetchall()
        for value, rows in found:
            yield (
                f"{column} {value!r} (rows: {rows:,}). If it means none, write it into the "
                "source's `nulls`."
            )


def _addresses(connection: duckdb.DuckDBPyConnection, table: Table) -> Iterator[str]:
    """Whether the ids of customers are e-mail addresses, which gold would show to analysts."""
    if "customer_id" not in table.columns:
        return
    rows = _number(
        connection,
        f"SELECT count(*) FROM {table.name} WHERE fate = 'current' AND customer_id LIKE '%@%'",
    )
    if rows:
        yield (
            f"customer_id is an e-mail address (rows: {rows:,}), and gold shows the ids of "
            f'customers to analysts. Write customer_id = {{ sql = "{without_address("HEADER")}" '
            "} in all tables."
        )


def _rounded_ids(connection: duckdb.DuckDBPyConnection, table: Table) -> Iterator[str]:
    """Whether ids are numbers that a spreadsheet has rounded, so that several became one."""
    for column in _ids_as_written(table):
        rows, one = connection.execute(
            f"SELECT count(*), min({column}) FROM {table.name} WHERE fate <> 'not_selected' "
            f"AND regexp_full_match({column}, '\\d([.,]\\d+)?[eE]\\+?\\d+')"
        ).fetchone() or (0, "")
        if rows:
            yield (
                f"{column} {one!r} (rows: {rows:,}) is a number that a spreadsheet has rounded, so "
                "different ids are one: export the file again with this column as text."
            )


def _constants(connection: duckdb.DuckDBPyConnection, shop: Shop, table: Table) -> Iterator[str]:
    """Whether a column is the same in every row, while the source has a header of its meaning."""
    for part in shop.declared.tables[table.name]:
        headers = [*shop.declared.sources[part.from_].required,
                   *shop.declared.sources[part.from_].optional]  # fmt: skip
        unknown = connection.execute(
            f"SELECT DISTINCT unnest(json_keys({RESCUED})) FROM {relation_of(part.from_)} "
            f"WHERE {RESCUED} IS NOT NULL ORDER BY 1"
        ).fetchall()
        headers += [name for (name,) in unknown if not name.startswith("_")]
        for column, value in part.values.items():
            alike = headers_like(column, headers) if value.constant is not None else []
            if alike:
                yield (
                    f"{column} is {value.constant!r} in every row, while {part.from_} has the "
                    f"column {' and '.join(map(repr, alike))}."
                )


def _named_by_no_sale(connection: duckdb.DuckDBPyConnection, shop: Shop) -> str:
    """Whether products are called what a line says that sells nothing; empty if none are."""
    products = next((table for table in fed_tables() if table.name == "products"), None)
    if products is None or not any(SELLS_NOTHING in c.marks for c in contracts_of(products)):
        return ""
    valid = (
        "(SELECT *, fate = 'current' AS is_current FROM products "
        "WHERE fate IN ('current', 'superseded'))"
    )
    number, revenue, one, name = connection.execute(
        f"WITH renamed AS ({renamed(valid, 'n.product_id, n.name')}) "
        "SELECT (SELECT count(*) FROM renamed), (SELECT sum(line_total) FROM order_items "
        "SEMI JOIN renamed USING (product_id) WHERE fate = 'current'), "
        "min(product_id), min_by(name, product_id) FROM renamed"
    ).fetchone() or (0, None, "", "")
    if not number:
        return ""
    return (
        f"{number:,} products, with items worth {revenue or 0:,.2f} {shop.unconverted}, have name "
        f"and price from a line that sells nothing, like {one!r}, which is called {name!r}. Take "
        "products from the lines that are sold: write into tables.products.where what "
        "tables.order_items.where says, and that the price is above 0."
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
            f"all {rows:,} discounts are below 1 percent. If they are fractions, write "
            'discount_percent = { sql = "number(`HEADER`) * 100" }.'
        )


def _number(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    (number,) = connection.execute(sql).fetchone() or (0,)
    return int(number or 0)
