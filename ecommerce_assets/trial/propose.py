"""A draft of a shop file from samples; what can't be decided is a comment that asks."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.landing.source import LINE_NUMBER
from ecommerce_assets.shop.model import TABLES
from ecommerce_assets.shop.times import ISO_TIME
from ecommerce_assets.trial.guess import ROLES, Draft, draft_of, header_of
from ecommerce_assets.trial.samples import Sample, samples_of

ASK = "# ?"
FEW = 30  # different values that are listed


def propose(files: Sequence[Path]) -> str:
    """The draft.

    Raises:
        PipelineError: a file can't be read, or no file looks like orders.
    """
    samples = samples_of(files)
    drafts = {table: draft_of(table, samples) for table in TABLES}
    if drafts["orders"] is None or drafts["order_items"] is None:
        known = ", ".join(header for sample in samples for header in sample.columns)
        raise PipelineError(
            f"no file looks like orders with their items; the headers are {known}. Begin with one "
            "of the shipped shop files (docs, Describe your own shop)"
        )
    count = f"{len(files)} file{'s' * (len(files) > 1)}"
    lines = [
        f"# A draft from {count}. Answer what {ASK!r} asks, then: ecommerce shop check.",
        "",
        *_shop(drafts),
    ]
    for sample in samples:
        lines += ["", *_source(sample, drafts)]
    for table, draft in drafts.items():
        lines += ["", *(_table(table, draft) if draft else [f"{ASK} no file describes {table}"])]
    return "\n".join([*lines, "", *_vocabulary(drafts["orders"])]) + "\n"


def _shop(drafts: dict[str, Draft | None]) -> Iterator[str]:
    orders = drafts["orders"]
    currency = orders.column("currency") if orders else None
    yield "[shop]"
    if currency and len(currency.values) == 1:
        yield f'currency = "{currency.values[0]}"'
    else:
        yield f'currency = "EUR"{" " * 20}{ASK} the currency of all amounts'
    yield f'zone = "UTC"{" " * 24}{ASK} the time zone of the business day, like Europe/Berlin'


def _source(sample: Sample, drafts: dict[str, Draft | None]) -> Iterator[str]:
    used = [draft for draft in drafts.values() if draft and draft.sample is sample]
    columns = [sample.columns[h] for draft in used for h in draft.columns.values()]
    yield f"[sources.{sample.name}]"
    yield from _dialect(sample)
    if any(column.number == "," for column in columns):
        yield 'decimal_mark = ","'
        yield 'thousands = "."'
    yield from _times([column.times for column in columns if column.times and not column.number])
    items = drafts["order_items"]
    if items and items.sample is sample and items.key and LINE_NUMBER in items.key:
        yield f"number_lines_within = {json.dumps(items.key[:1], ensure_ascii=False)}"
    yield from _headers(sample, used)


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
    others = [pattern for ways in found for way in ways[1:] for pattern in way]
    asked = " or ".join(dict.fromkeys(other for other in others if other not in patterns))
    yield f"times = {json.dumps(patterns)}" + (f"  {ASK} or {asked}" if asked else "")


def _table(table: str, draft: Draft) -> Iterator[str]:
    yield f"[tables.{table}]"
    yield f'from = "{draft.sample.name}"'
    yield from _condition(table, draft)
    key = draft.key or []
    whole = f"    {ASK} is each order whole in each file?" if LINE_NUMBER in key else ""
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
            yield f"{column} = {json.dumps(header, ensure_ascii=False)}"
    yield from _missing(table, draft)
    empty = [
        column
        for column in draft.columns
        if draft.sample.columns[draft.columns[column]].rows < draft.sample.rows
        and column in ("customer_id", "email", "country", "created_at", "name", "category")
    ]
    if empty:
        yield f"may_be_empty = {json.dumps(empty)}"


def _condition(table: str, draft: Draft) -> Iterator[str]:
    """Which rows speak of the table: no empty key, and no negative quantities for now."""
    quantity = header_of("quantity", draft.sample, "order_items")
    found = draft.sample.columns.get(quantity) if quantity else None
    if found and found.negative and table in ("orders", "order_items"):
        where = f"number(`{found.header}`) > 0"
        yield f'where = "{where}"{" " * 4}{ASK} {found.negative:,} rows are below 0: returns?'
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
            sql = f"round(number(`{total}`) / number(`{quantity}`), 8)"
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
        role = next((role for role, words in ROLES if re.search(words, word)), "sale")
        yield f'{json.dumps(word, ensure_ascii=False)} = "{role}"'
    if status.distinct > len(status.values):
        yield f"{ASK} {status.distinct - len(status.values):,} more statuses"
