"""A draft of a shop file from samples; what can't be decided is a comment that asks."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.landing.source import LINE_NUMBER
from ecommerce_assets.shop.model import ISO_TIME, TABLES
from ecommerce_assets.trial.countries import COUNTRIES
from ecommerce_assets.trial.samples import Column, Sample, samples_of

ASK = "# ?"
FEW = 30  # different values that are listed
# Names of a column in headers, in lower case and without anything but letters; the likeliest first.
NAMES = {
    "order_id": "orderid orderno ordernumber orderref invoiceno invoice invoicenumber invoiceid "
    "belegnr belegnummer rechnungsnr auftragsnr bestellnummer transactionid receiptno ordernum",
    "order_item_id": "orderitemid itemid lineitemid lineid orderlineid positionid",
    "line": "position pos line lineno linenumber item itemno",
    "customer_id": "customerid customerno customernumber custid clientid userid buyerid kundennr "
    "kundennummer customer useridentifier email",
    "product_id": "productid productno sku stockcode itemcode articleno artikelnr artikelnummer "
    "productcode lineitemsku itemsku product lineitemname",
    "order_date": "orderdate orderedat invoicedate date createdat orderpurchasetimestamp datum "
    "belegdatum bestelldatum rechnungsdatum timestamp paidat purchasedate",
    "status": "status orderstatus financialstatus auftragsstatus state",
    "quantity": "quantity qty menge anzahl units pieces lineitemquantity amountordered",
    "unit_price": "unitprice price itemprice lineitemprice einzelpreis preis itemcost priceeach "
    "saleprice amount",
    "line_total": "linetotal linenet lineamount lineitemtotal betrag sales amount revenue",
    "discount_percent": "discountpercent rabatt discount",
    "total_amount": "totalamount total ordertotal grandtotal gesamtbetrag",
    "payment_method": "paymentmethod payment paymenttype zahlungsart paymentmethodtitle",
    "shipping_country": "shippingcountry shipcountry",
    "shipping_city": "shippingcity shipcity",
    "currency": "currency currencycode waehrung",
    "email": "email emailaddress mail emailbilling",
    "first_name": "firstname givenname vorname",
    "last_name": "lastname surname name nachname kunde customername",
    "phone": "phone telephone telefon",
    "country": "country countrycode land billingcountry countryname",
    "city": "city ort stadt town billingcity customercity",
    "address": "address street strasse addressline",
    "created_at": "createdat created registeredat signupdate",
    "updated_at": "updatedat updated modified lastmodified changedat",
    "name": "name productname description bezeichnung title itemname lineitemname artikel",
    "sku": "sku lineitemsku itemsku",
    "category": "category productcategory productcategoryname warengruppe kategorie type",
    "brand": "brand vendor marke manufacturer",
    "price": "price listprice unitprice einzelpreis preis lineitemprice itemcost",
    "cost": "cost unitcost costprice einkaufspreis",
}
COLUMNS = {
    "orders": ("customer_id", "order_date", "status", "payment_method", "total_amount", "currency",
               "shipping_country", "shipping_city", "updated_at"),
    "order_items": ("order_id", "product_id", "quantity", "unit_price", "discount_percent",
                    "line_total", "updated_at"),
    "products": ("name", "sku", "category", "brand", "price", "cost", "updated_at"),
    "customers": ("email", "first_name", "last_name", "phone", "country", "city", "address",
                  "created_at", "updated_at"),
}  # fmt: skip
KEYS = {
    "orders": "order_id",
    "order_items": "order_item_id",
    "products": "product_id",
    "customers": "customer_id",
}
# What a table can't do without, for the choice of its source.
TELLS = {
    "orders": ("order_id", "order_date", "customer_id"),
    "order_items": ("order_id", "quantity", "unit_price", "product_id"),
    "products": ("product_id", "name", "price"),
    "customers": ("customer_id", "email", "country", "first_name"),
}
NUMBERS = ("quantity", "unit_price", "line_total", "discount_percent", "total_amount", "price",
           "cost")  # fmt: skip
MOMENTS = ("order_date", "created_at", "updated_at")
SOLD = r"paid|completed?|deliver|ship|done|sold|closed|fulfil|bezahlt|versandt|geliefert|abgeschlossen"
ROLES = (
    ("cancelled", r"cancel|void|fail|expired|declin|storn|abgebrochen|unavailable"),
    ("returned", r"return|refund|retour|erstatt|chargeback"),
    ("open", r"open|pending|placed|hold|process|created|await|invoiced|approved"),
)


@dataclass
class Draft:
    """What is known of a table.

    Attributes:
        sample: the sample that feeds it.
        key: the headers of its key; None if it is not known.
        columns: by column, the header.
    """

    sample: Sample
    key: list[str] | None
    columns: dict[str, str] = field(default_factory=dict)

    def column(self, name: str) -> Column | None:
        """The sample's column that is mapped to a column of the table."""
        header = self.columns.get(name)
        return self.sample.columns[header] if header else None


def propose(files: Sequence[Path]) -> str:
    """The draft.

    Raises:
        PipelineError: a file can't be read, or no file looks like orders.
    """
    samples = samples_of(files)
    drafts = {table: _draft(table, samples) for table in TABLES}
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


def _plain(header: str) -> str:
    return re.sub(r"[^a-zäöüß]", "", header.lower())


def _header_of(column: str, sample: Sample, table: str) -> str | None:
    """The header that a column is probably called by, if its values fit."""
    by_name = {_plain(header): header for header in sample.columns}
    names = NAMES[column].split()
    if column == KEYS[table] and table.rstrip("s") in sample.name:
        names = ["id", *names]
    for name in names:
        header = by_name.get(name)
        if header and _fits(column, sample.columns[header]):
            return header
    return None


def _fits(column: str, found: Column) -> bool:
    """Whether the values of a sample's column can be those of a table's."""
    if not found.rows:
        return column not in (*NUMBERS, *MOMENTS)
    if column in MOMENTS:
        return bool(found.times)
    if column == "quantity":
        return found.whole
    if column in NUMBERS:
        return bool(found.number)
    if column == "status":
        known = "|".join([SOLD, *(words for _, words in ROLES)])
        return any(re.search(known, value.lower()) for value in found.values)
    if column == "country":
        short = [value.upper() for value in found.values if len(value) == 2]
        return all(value in COUNTRIES for value in short)
    return not (found.times and found.number == "")


def _draft(table: str, samples: Sequence[Sample]) -> Draft | None:
    """The table's draft from the sample that tells most of it."""

    def told(sample: Sample) -> int:
        named = sum(_header_of(column, sample, table) is not None for column in TELLS[table])
        key = _header_of(KEYS[table], sample, table)
        of_its_own = table.rstrip("s") in sample.name and key and sample.unique([key])
        return 2 * named + (table.rstrip("s") in sample.name) + (3 if of_its_own else 0)

    best = max(samples, key=told)
    key = _header_of(KEYS[table], best, table)
    if table == "order_items":
        key = key or _header_of("order_id", best, table)
    if key is None:
        return None
    columns = {column: _header_of(column, best, table) for column in COLUMNS[table]}
    found = {column: header for column, header in columns.items() if header}
    if table == "order_items":
        return Draft(best, _key_of_items(best, found), _amounts(found))
    return Draft(best, [key], {column: h for column, h in found.items() if h != key})


def _amounts(found: dict[str, str]) -> dict[str, str]:
    """With a quantity, a header like `amount` is that of the line; without, of a piece."""
    if found.get("line_total") == found.get("unit_price"):
        found.pop("unit_price" if "quantity" in found else "line_total", None)
    elif "quantity" not in found and "unit_price" in found:
        found.pop("line_total", None)
    return found


def _key_of_items(sample: Sample, found: dict[str, str]) -> list[str] | None:
    """Headers that are unique in the sample: an id, the order with a line or a product."""
    order = found.get("order_id")
    own = _header_of("order_item_id", sample, "order_items")
    line = _header_of("line", sample, "order_items")
    if own and sample.unique([own]):
        return [own]
    for within in (own, line):
        if order and within and within != order and sample.unique([order, within]):
            return [order, within]
    first = next(iter(sample.columns))
    if order and first != order and sample.unique([first]):
        return [first]
    return [order, LINE_NUMBER] if order else None


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
            sql = f"cast(`{header}` as decimal(9, 4)) * 100"
            # A price made from the net amount has the discount in it already.
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
    quantity = _header_of("quantity", draft.sample, "order_items")
    found = draft.sample.columns.get(quantity) if quantity else None
    if found and found.negative and table in ("orders", "order_items"):
        where = f"cast(`{found.header}` as int) > 0"
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
            yield (
                f'unit_price = {{ sql = "cast(`{total}` as decimal(18, 6)) / cast(`{quantity}` as '
                f'int)" }}    {ASK} there is only the amount of a line'
            )
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
