"""A draft of a shop file from samples; what can't be decided is a comment that asks."""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import takewhile
from pathlib import Path

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.landing.source import LINE_NUMBER, column_of
from ecommerce_assets.model.shares import percent
from ecommerce_assets.shop.model import TABLES_BY_GRAIN
from ecommerce_assets.shop.times import ISO_TIME, read_differently
from ecommerce_assets.tables.casting import moment
from ecommerce_assets.tables.personal import without_address
from ecommerce_assets.trial.guess import AMOUNTS, ROLES, ROWS, SOLD, Draft, draft_of, header_of
from ecommerce_assets.trial.reconcile import A_FEW, MOST, described, rows_that_differ, totals
from ecommerce_assets.trial.samples import SIGNS, Column, Sample, samples_of

ASK = "# ?"
GUESSED = "# guessed:"
CURRENCIES = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY"}
INCLUDED = "prices_include_tax"
FEW = 30  # different values that are listed


def propose(files: Sequence[Path], first_partition: date | None = None) -> str:
    """The draft.

    Args:
        files: samples of a shop's exports.
        first_partition: the earliest ingestion date; the draft says if orders are older.

    Raises:
        PipelineError: a file can't be read, or no file looks like orders.
    """
    samples = samples_of(files)
    drafts = {table: draft_of(table, samples) for table in reversed(TABLES_BY_GRAIN)}
    orders, items = drafts["orders"], drafts["order_items"]
    if orders is None or items is None:
        known = ", ".join(header for sample in samples for header in sample.columns)
        raise PipelineError(
            f"no file looks like orders with their items; the headers are {known}. Begin with one "
            "of the shipped shop files (docs, Describe your own shop)"
        )
    count = f"{len(files)} file{'s' * (len(files) > 1)}"
    lines = [
        f"# A draft from {count}. Answer what {ASK!r} asks, look at what {GUESSED!r} says, then: "
        "ecommerce shop check.",
        *_first_day(orders, first_partition),
        *_adds_up(orders, items),
        "",
        *_shop(drafts),
    ]
    for sample in samples:
        lines += ["", *_source(sample, drafts)]
    for table, draft in drafts.items():
        lines += ["", *(_table(table, draft) if draft else [f"{ASK} no file describes {table}"])]
    if returned := [*_returns(orders, items)]:
        lines += ["", *returned]
    return "\n".join([*lines, "", *_vocabulary(orders)]) + "\n"


def _first_day(orders: Draft, first_partition: date | None) -> Iterator[str]:
    """The first partition, if the samples are older than the one that is set."""
    column = orders.column("order_date")
    if column is None or not column.times:
        return
    (first,) = orders.sample.connection.execute(
        f"SELECT CAST(min({moment('text', column.times[0], 'UTC')}) AS DATE) FROM "
        f'(SELECT "{column_of(column.header)}" AS text FROM "{orders.sample.name}")'
    ).fetchone() or (None,)
    if first and first_partition and first < first_partition:
        yield f"# The orders begin on {first}: ECOMMERCE_START_DATE={first}, or the day before."


def _adds_up(orders: Draft, items: Draft) -> Iterator[str]:
    """What the orders' totals are made of; amounts that are cents, or rounded, are mapped so."""
    differ, rows = rows_that_differ(items)
    if differ >= A_FEW and differ > rows * (1 - MOST):
        price, amount = items.columns.pop("unit_price"), items.columns["line_total"]
        items.guessed["line_total"] = (
            f"{price!r} times the pieces is another amount in {percent(differ / rows)} of the rows"
        )
        yield f"{ASK} which is right, {amount!r} or {price!r}? The draft takes {amount!r}."
    found = totals(orders, items)
    amounts = [draft.column(name) for draft in (items, orders) for name in AMOUNTS]
    if all(column.whole for column in amounts if column) and (not found or found.factor == "1"):
        yield f"{ASK} all amounts are whole numbers. If they are cents: number(HEADER) * 0.01"
    if found is None:
        return
    begin = "#" if found.adds_up else f"{ASK} what else is in the totals? At best,"
    yield f"{begin} {described(found, orders)}."
    if found.factor != "1":
        draft, whose = (items, "items") if found.factor == "0.01" else (orders, "orders")
        draft.sample.cents.update(draft.columns[name] for name in AMOUNTS if draft.column(name))
        yield f"{GUESSED} the amounts of the {whose} are cents: a hundred times the others."
    if orders.column("tax_amount") and found.adds_up and "tax_amount" not in found.with_:
        orders.guessed[INCLUDED] = "the totals are right without the tax"


def _shop(drafts: dict[str, Draft | None]) -> Iterator[str]:
    orders = drafts["orders"]
    currency = orders.column("currency") if orders else None
    yield "[shop]"
    signs = {
        CURRENCIES[column.sign]
        for draft in drafts.values() if draft
        for column in draft.sample.columns.values() if column.sign
    }  # fmt: skip
    if currency and len(currency.values) == 1:
        yield f'currency = "{currency.values[0]}"'
    elif currency and currency.values:
        yield f'currency = "{currency.values[0]}"{" " * 20}{ASK} the reporting currency'
        yield (
            f"{ASK} orders are in {', '.join(currency.values)}. List those beside the reporting "
            "currency as currencies in [vocabulary], and say where [tables.exchange_rates] comes "
            "from; until then, such orders go to quarantine"
        )
    elif len(signs) == 1:
        yield f'currency = "{signs.pop()}"{" " * 20}{GUESSED} by the sign before the amounts'
    else:
        yield f'currency = "EUR"{" " * 20}{ASK} the currency of all amounts'
    if orders and INCLUDED in orders.guessed:
        yield f"{INCLUDED} = true{' ' * 12}{GUESSED} {orders.guessed[INCLUDED]}"
    yield f'zone = "UTC"{" " * 24}{ASK} the time zone of the business day, like Europe/Berlin'


def _source(sample: Sample, drafts: dict[str, Draft | None]) -> Iterator[str]:
    used = [draft for draft in drafts.values() if draft and draft.sample is sample]
    columns = [sample.columns[h] for draft in used for h in draft.columns.values()]
    yield f"[sources.{sample.name}]"
    yield from _files(sample)
    yield from _dialect(sample)
    yield from _marks(columns)
    yield from _times([column.times for column in columns if column.times and not column.number])
    nulls = dict.fromkeys(text for column in sample.columns.values() for text in column.nulls)
    if nulls:
        yield f"nulls = {json.dumps([*nulls])}{' ' * 16}{GUESSED} they stand for empty values"
    items = drafts["order_items"]
    if items and items.sample is sample and items.key and LINE_NUMBER in items.key:
        yield f"number_lines_within = {json.dumps(items.key[:1], ensure_ascii=False)}"
    yield from _fill_down(sample, drafts)
    yield from _headers(sample, used)


def _files(sample: Sample) -> Iterator[str]:
    """The pattern of the files' names, where the source's name does not tell it."""
    if all(re.fullmatch(rf"{sample.name}\.csv(\.gz)?", name) for name in sample.files):
        return
    names = sample.files
    ending = names[0].rpartition(".")[2]
    alike = "".join(takewhile(str.isalpha, names[0]))
    alike = next((alike[:n] for n in range(len(alike), 0, -1)
                  if all(name.startswith(alike[:n]) for name in names)), "")  # fmt: skip
    yield f'files = "{alike}*.{ending}"{" " * 16}{GUESSED} by the names of the samples'


def _marks(columns: Sequence[Column]) -> Iterator[str]:
    """How numbers are written."""
    if any(column.number == "," for column in columns):
        yield 'decimal_mark = ","'
        yield 'thousands = "."'
    elif grouped := [column for column in columns if column.thousands]:
        example = next((v for v in grouped[0].values if "," in v), "")
        plain = example.replace(",", "").lstrip(SIGNS)
        yield f'thousands = ","{" " * 16}{GUESSED} {example!r} is {plain}'


def _fill_down(sample: Sample, drafts: dict[str, Draft | None]) -> Iterator[str]:
    """The columns of orders that stand on the first line of each order alone."""
    orders, items = drafts["orders"], drafts["order_items"]
    if not (orders and items and orders.sample is items.sample is sample and orders.key):
        return
    moment = orders.column("order_date")
    if moment is None or moment.rows == sample.rows:
        return
    key, moment_of = column_of(orders.key[0]), column_of(moment.header)
    (lacking,) = sample.connection.execute(
        f'SELECT count(*) FROM (SELECT 1 FROM "{sample.name}" GROUP BY "{key}" '
        f'HAVING count("{moment_of}") = 0)'
    ).fetchone() or (0,)
    if lacking:
        return
    customers = drafts["customers"]
    used = [*orders.columns.values(), *(customers.columns.values() if customers else ())]
    some = [header for header in dict.fromkeys(used) if sample.columns[header].rows < sample.rows]
    within = json.dumps(orders.key, ensure_ascii=False)
    filled = json.dumps(some, ensure_ascii=False)
    yield f"fill_down = {{ within = {within}, columns = {filled} }}    {GUESSED} first lines only"


def _headers(sample: Sample, used: Sequence[Draft]) -> Iterator[str]:
    """The headers that a table needs, and the others."""
    needed = {header for draft in used for header in [*(draft.key or []), *draft.columns.values()]}
    for kind, wanted in (("required", True), ("optional", False)):
        headers = [header for header in sample.columns if (header in needed) == wanted]
        if headers or wanted:
            yield f"{kind} = {json.dumps(headers, ensure_ascii=False)}"


def _dialect(sample: Sample) -> Iterator[str]:
    dialect = sample.source.dialect
    if dialect.delimiter != ",":
        yield f"delimiter = {json.dumps(dialect.delimiter)}"
    if dialect.encoding != "utf-8":
        yield f"encoding = {json.dumps(dialect.encoding)}{' ' * 16}{ASK} a guess by its bytes"
    if dialect.skip_lines:
        yield f"skip_lines = {dialect.skip_lines}"


def _times(found: Sequence[tuple[tuple[str, ...], ...]]) -> Iterator[str]:
    """How times are written; asks where days and months can't be told apart."""
    patterns = list(dict.fromkeys(pattern for ways in found for pattern in ways[0]))
    if not patterns or patterns == [ISO_TIME]:
        return
    others = [
        pattern
        for ways in found
        for way in ways[1:]
        for pattern in way
        if any(_differ(pattern, taken) for taken in patterns)
    ]
    asked = " or ".join(dict.fromkeys(others))
    yield f"times = {json.dumps(patterns)}" + (f"  {ASK} or {asked}" if asked else "")


def _differ(one: str, other: str) -> bool:
    """Whether a text is another time by one pattern than by the other."""
    if ISO_TIME in (one, other):
        return False
    return bool(read_differently(one, other) or read_differently(other, one))


def _table(table: str, draft: Draft) -> Iterator[str]:
    yield f"[tables.{table}]"
    yield f'from = "{draft.sample.name}"'
    yield from _condition(table, draft)
    key = draft.key or []
    whole = f"    {ASK} is each order whole in each file?" if LINE_NUMBER in key else ""
    if table == "customers" and len(key) == 1 and _are_addresses(key[0], draft):
        yield _without_addresses(key[0])
        if "email" not in draft.columns:
            yield f"email = {_header(key[0])}"
    else:
        yield f"key = {json.dumps(key if len(key) != 1 else key[0], ensure_ascii=False)}{whole}"
    for column, header in draft.columns.items():
        if column == "country":
            yield from _country(draft)
        elif column == "discount_percent" and draft.sample.columns[header].fractions:
            sql = f"number(`{header}`) * 100"
            # A price computed from the net amount already includes the discount.
            out = "" if "unit_price" in draft.columns else "# "
            yield f'{out}discount_percent = {{ sql = "{sql}" }}    {ASK} its values are from 0 to 1'
        else:
            yield _mapped(column, draft)
    yield from _not_read(draft)
    yield from _missing(table, draft)
    empty = [
        column
        for column in draft.columns
        if draft.sample.columns[draft.columns[column]].rows < draft.sample.rows
        and column in ("customer_id", "email", "country", "created_at", "name", "category")
    ]
    if empty:
        yield f"may_be_empty = {json.dumps(empty)}"


def _mapped(column: str, draft: Draft) -> str:
    """A column's line: the header, or an expression of its number; marked if it is a guess."""
    header, found = draft.columns[column], draft.sample.columns[draft.columns[column]]
    value = json.dumps(header, ensure_ascii=False)
    why = draft.guessed.get(column, "")
    cents = column in AMOUNTS and header in draft.sample.cents
    if found.sign or cents:
        value = f'{{ sql = "{_number_in(draft, header)}" }}'
        why = why or ("cents" if cents else "the sign of the currency is left out")
    if column == "customer_id" and _are_addresses(header, draft):
        return _without_addresses(header)
    return f"{column} = {value}" + (f"    {GUESSED} {why}" if why else "")


def _are_addresses(header: str, draft: Draft) -> bool:
    """Whether a column holds e-mail addresses, by its most frequent values."""
    return any("@" in text for text in draft.sample.columns[header].values)


def _without_addresses(header: str) -> str:
    """The line of a customer's id, the same in each table that names customers."""
    why = "an id that does not show the e-mail address, since gold has it"
    return f'customer_id = {{ sql = "{without_address(header)}" }}    # {why}'


def _number_in(draft: Draft, header: str) -> str:
    """The expression of the number in a column."""
    sign = draft.sample.columns[header].sign
    text = f"replace(`{header}`, '{sign}', '')" if sign else f"`{header}`"
    return f"number({text}){' * 0.01' if header in draft.sample.cents else ''}"


def _returns(orders: Draft, items: Draft) -> Iterator[str]:
    """What came back: lines of negative quantity, or refunds of orders."""
    quantity, refunded = items.column("quantity"), header_of("refunded", orders.sample, "orders")
    draft = items if quantity and quantity.negative else orders
    if draft is orders and not refunded:
        return
    header = quantity.header if draft is items and quantity else str(refunded)
    sign = "<" if draft is items else ">"
    yield "[tables.returns]"
    yield f'from = "{draft.sample.name}"'
    yield f"where = \"trim(`{header}`) <> '' and number(`{header}`) {sign} 0\""
    (key,) = draft.key if draft.key and len(draft.key) == 1 else (None,)
    yield f"key = {json.dumps(key or draft.key or [], ensure_ascii=False)}"
    yield f"order_id = {_header(orders.key[0] if orders.key else '')}"
    if draft is items:
        yield f'quantity = {{ sql = "-number(`{header}`)" }}'
        if "unit_price" in items.columns:
            yield _mapped("unit_price", items)
        if "product_id" in items.columns:
            yield f"product_id = {_header(items.columns['product_id'])}"
    else:
        yield f"refund_amount = {_header(header)}"
    moment = orders.columns.get("order_date", "")
    if orders.sample is not draft.sample or not moment:
        yield f'returned_at = ""{" " * 19}{ASK} which column says when it came back?'
    else:
        yield f"returned_at = {_header(moment)}    {GUESSED} no column says when it came back"


def _header(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def _not_read(draft: Draft) -> Iterator[str]:
    """Rows that stand for something else."""
    if ROWS in draft.guessed:
        yield f"{ASK} {draft.guessed[ROWS]}"


def _condition(table: str, draft: Draft) -> Iterator[str]:
    """Which rows speak of the table: no empty key, and no negative quantities for now."""
    quantity = header_of("quantity", draft.sample, "order_items")
    found = draft.sample.columns.get(quantity) if quantity else None
    if found and found.negative and table in ("orders", "order_items"):
        where = f"number(`{found.header}`) > 0"
        told = f"{found.negative:,} rows below 0 are taken for returns"
        yield f'where = "{where}"{" " * 4}{ASK} {told}'
    if table == "products" and found and draft.columns.get("price"):
        price = draft.columns["price"]
        yield f'where = "number(`{found.header}`) > 0 and {_number_in(draft, price)} > 0"'
        return
    key = draft.sample.columns.get(draft.key[0]) if draft.key else None
    if key and key.rows < draft.sample.rows and table in ("customers", "products"):
        yield f"where = \"trim(`{key.header}`) <> ''\""


def _country(draft: Draft) -> Iterator[str]:
    header = json.dumps(draft.columns["country"], ensure_ascii=False)
    values = draft.sample.columns[draft.columns["country"]].values
    names = [value for value in values if not re.fullmatch("[A-Za-z]{2}", value)]
    if not names:
        yield f"country = {header}"
        return
    listed = ", ".join(f'{json.dumps(name, ensure_ascii=False)} = ""' for name in names[:FEW])
    yield f"country = {header}"
    yield f"# country = {{ column = {header}, map = {{ {listed} }} }}"
    yield f'warn = ["country"]{" " * 18}{ASK} two letters are expected: complete the map'


def _missing(table: str, draft: Draft) -> Iterator[str]:
    """Constants and questions for what a table can't do without."""
    if table == "orders" and "status" not in draft.columns:
        yield f'status = {{ constant = "delivered" }}{" " * 4}{ASK} there is no status'
    if table == "orders" and "customer_id" not in draft.columns:
        yield f'may_be_empty = ["customer_id"]{" " * 4}{ASK} no column looks like the customer'
    if table == "orders" and "order_date" not in draft.columns:
        yield f'order_date = ""{" " * 20}{ASK} which column says when it was ordered?'
    if table == "order_items":
        for column, constant in (("product_id", "unknown"), ("quantity", 1)):
            if column not in draft.columns:
                value = json.dumps(constant)
                yield f"{column} = {{ constant = {value} }}{' ' * 4}{ASK} no column looks like it"
        if {"line_total", "quantity"} <= draft.columns.keys() and "unit_price" not in draft.columns:
            total, quantity = draft.columns["line_total"], draft.columns["quantity"]
            sql = f"round({_number_in(draft, total)} / number(`{quantity}`), 8)"
            yield f'unit_price = {{ sql = "{sql}" }}    {ASK} there is only the amount of a line'
        elif "unit_price" not in draft.columns:
            yield f'unit_price = ""{" " * 20}{ASK} which column is the price of a piece?'


def _vocabulary(orders: Draft | None) -> Iterator[str]:
    yield "[vocabulary.statuses]"
    status = orders.column("status") if orders else None
    if status is None:
        yield 'delivered = "sale"'
        return
    yield f"{ASK} the role of each: open, sale, cancelled or returned"
    for value in status.values:
        word = value.lower()
        role = next((role for role, words in ROLES if re.search(words, word)), "")
        known = role or re.search(SOLD, word)
        asked = "" if known else f"{' ' * 16}{ASK} the draft takes it for a sale"
        yield f'{json.dumps(word, ensure_ascii=False)} = "{role or "sale"}"{asked}'
    if status.distinct > len(status.values):
        yield f"{ASK} {status.distinct - len(status.values):,} more statuses"
