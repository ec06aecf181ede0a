"""Guesses at what the columns of samples are: by their names, and by what they hold."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ecommerce_assets.landing.source import LINE_NUMBER
from ecommerce_assets.trial.countries import COUNTRIES
from ecommerce_assets.trial.samples import Column, Sample

# Names of a column in headers, in lower case and without anything but letters; the likeliest first.
NAMES = {
    "order_id": "orderid orderno ordernumber orderref invoiceno invoice invoicenumber invoiceid "
    "belegnr belegnummer rechnungsnr auftragsnr bestellnummer amazonorderid transactionid "
    "receiptno ordernum",
    "order_item_id": "orderitemid itemid lineitemid lineid orderlineid orderdetailid positionid "
    "salesrecordnumber transactionid",
    "line": "position pos line lineno linenumber orderlinenumber item itemno itemid",
    "customer_id": "customerid customerno customernumber custid clientid userid buyerid kundennr "
    "kundennummer customer useridentifier buyerusername buyer email customeremail contactemail "
    "emailbilling buyeremail",
    "product_id": "productid productno sku stockcode itemcode articleno artikelnr artikelnummer "
    "productcode lineitemsku itemsku productsku itemnumber listingid product lineitemname item",
    "order_date": "orderdate orderedat invoicedate date createdat orderpurchasetimestamp datum "
    "belegdatum bestelldatum rechnungsdatum timestamp paidat purchasedate saledate datecreated",
    "status": "status orderstatus financialstatus paymentstatus auftragsstatus state",
    "quantity": "quantity qty menge anzahl units pieces lineitemquantity productqty amountordered "
    "quantityordered orderqty",
    "unit_price": "unitprice price itemprice lineitemprice einzelpreis preis itemcost priceeach "
    "saleprice productunitprice soldfor amount",
    "line_total": "linetotal linenet lineamount lineitemtotal itemtotal producttotalprice netsales "
    "betrag sales amount revenue",
    "discount_percent": "discountpercent rabatt discount pricediscount discountpct",
    "total_amount": "totalamount total ordertotal ordertotalamount ordertotalinctax totalprice "
    "grandtotal gesamtbetrag totaldue amountpaid",
    "subtotal": "subtotal itemstotal zwischensumme",
    "tax_amount": "taxamount tax taxes taxamt totaltax salestax vat mwst ust",
    "shipping_amount": "shippingamount shipping shippingcost shippingcosts freight versand",
    "discount_amount": "discountamount orderdiscount cartdiscount totaldiscount discountsapplied",
    "refunded": "refundedamount refund refunds refundamount amountrefunded totalrefunded",
    "payment_method": "paymentmethod payment paymenttype zahlungsart paymentmethodtitle",
    "shipping_country": "shippingcountry shipcountry shiptocountry deliverycountry "
    "countrycodeshipping",
    "shipping_city": "shippingcity shipcity shiptocity deliverycity cityshipping",
    "currency": "currency currencycode ordercurrencycode waehrung",
    "email": "email emailaddress mail emailbilling customeremail buyeremail contactemail",
    "first_name": "firstname givenname vorname",
    "last_name": "lastname surname name nachname kunde customername",
    "phone": "phone telephone telefon",
    "country": "country countrycode land billingcountry buyercountry countrycodebilling "
    "countryname",
    "city": "city ort stadt town billingcity customercity",
    "address": "address street strasse addressline",
    "created_at": "createdat created registeredat signupdate",
    "updated_at": "updatedat updated modified lastmodified changedat",
    "name": "lineitemname name productname description bezeichnung title itemname itemtitle "
    "artikel item",
    "sku": "sku lineitemsku itemsku",
    "category": "category productcategory productcategoryname warengruppe kategorie type",
    "brand": "brand vendor marke manufacturer",
    "price": "price listprice unitprice einzelpreis preis lineitemprice itemcost",
    "cost": "cost unitcost costprice einkaufspreis",
}
COLUMNS = {
    "orders": ("customer_id", "order_date", "status", "payment_method", "subtotal", "tax_amount",
               "shipping_amount", "discount_amount", "total_amount", "currency",
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
OF_ORDERS = ("subtotal", "tax_amount", "shipping_amount", "discount_amount", "total_amount")
AMOUNTS = ("unit_price", "line_total", *OF_ORDERS, "price", "cost")  # of money
NUMBERS = ("quantity", "discount_percent", "refunded", *AMOUNTS)
MOMENTS = ("order_date", "created_at", "updated_at")
IDS = ("order_id", "order_item_id", "product_id", "customer_id")
ROWS = "(rows)"  # in place of a column: what the rows of a table are
SHORTEST = 5  # letters of a name that another one may end in
FEW_STATUSES = 30
FEW_NUMBERS = 6  # different whole numbers that may be statuses
SOLD = "paid|completed?|deliver|ship|done|sold|closed|fulfil|bezahlt|versandt|geliefert|abgeschl"
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
        guessed: of columns that the header's name does not say, why they were chosen.
    """

    sample: Sample
    key: list[str] | None
    columns: dict[str, str] = field(default_factory=dict)
    guessed: dict[str, str] = field(default_factory=dict)

    def column(self, name: str) -> Column | None:
        """The sample's column that is mapped to a column of the table."""
        header = self.columns.get(name)
        return self.sample.columns[header] if header else None


def _plain(header: str) -> str:
    return re.sub(r"[^a-zäöüß]", "", header.lower())


def header_of(column: str, sample: Sample, table: str) -> str | None:
    """The header that a column is probably called by, if its values fit."""
    return next((header for header, _ in _called(column, sample, table)), None)


def _called(column: str, sample: Sample, table: str) -> Iterator[tuple[str, str]]:
    """The headers that a column may be called by, the likeliest first, and why if it is a guess."""
    by_name = {_plain(header): header for header in sample.columns}
    names = NAMES[column].split()
    if column == KEYS[table] and table.rstrip("s") in sample.name:
        names = ["id", *names]
    if "lineitemname" in by_name:  # Shopify's name of an order is its number
        names = [one for one in names if one != "name"] + ["name"] * (column == "order_id")
    for name in names:
        header = by_name.get(name)
        if header and _fits(column, sample.columns[header]):
            yield header, ""
    known = {name for others in NAMES.values() for name in others.split()}
    for name in names if column in (*IDS, *MOMENTS, *NUMBERS) else ():
        for plain, header in by_name.items():
            glued = len(name) >= SHORTEST and plain.endswith(name) and plain not in known
            if glued and _fits(column, sample.columns[header]):
                yield header, f"its name ends in {name}"


def headers_like(column: str, headers: Iterable[str]) -> list[str]:
    """The headers that a column may be called by, by their names alone."""
    names = NAMES.get(column, "").split()
    return [header for header in headers if _plain(header) in names]


def _fits(column: str, found: Column) -> bool:
    """Whether the values of a sample's column can be those of a table's."""
    if not found.rows:
        return column not in (*NUMBERS, *MOMENTS, *IDS)
    if column in MOMENTS:
        return bool(found.times)
    if column == "quantity":
        return found.whole
    if column in NUMBERS:
        return bool(found.number)
    if column == "status":
        known = "|".join([SOLD, *(words for _, words in ROLES)])
        of_words = any(re.search(known, value.lower()) for value in found.values)
        is_place = _plain(found.header) == "state"
        return of_words or (found.distinct <= FEW_STATUSES and not found.times and not is_place)
    if column == "country":
        short = [value.upper() for value in found.values if len(value) == 2]
        return all(value in COUNTRIES for value in short)
    return not (found.times and found.number == "")


def draft_of(table: str, samples: Sequence[Sample]) -> Draft | None:
    """The table's draft from the sample that tells most of it."""

    def told(sample: Sample) -> int:
        named = sum(header_of(column, sample, table) is not None for column in TELLS[table])
        key = header_of(KEYS[table], sample, table)
        of_its_own = table.rstrip("s") in sample.name and key and sample.unique([key])
        return 2 * named + (table.rstrip("s") in sample.name) + (3 if of_its_own else 0)

    best = max(samples, key=told)
    key = header_of(KEYS[table], best, table)
    if table == "order_items":
        key = key or header_of("order_id", best, table)
    if key is None:
        return None
    columns, guessed = dict[str, str](), dict[str, str]()
    for column in COLUMNS[table]:
        for header, why in _called(column, best, table):
            if why and header in (key, *columns.values()):
                continue
            columns[column] = header
            if why:
                guessed[column] = why
            break
    if table == "order_items":
        found = _amounts(columns)
        key_of_items = _key_of_items(best, found)
        if header_of("product_id", best, table) is None and _is_of_payments(best):
            guessed[ROWS] = "payments stand for items, since no file has items"
        return Draft(best, key_of_items, found, guessed)
    found = {column: header for column, header in columns.items() if header != key}
    status = _numbered(best, found, key) if table == "orders" and "status" not in found else None
    if status:
        found["status"] = status
        guessed["status"] = "few whole numbers; it may be another thing"
    return Draft(best, [key], found, guessed)


def _is_of_payments(sample: Sample) -> bool:
    """Whether rows are payments of orders."""
    named = any("payment" in _plain(header) for header in sample.columns)
    without = header_of("quantity", sample, "order_items") is None
    return "payment" in sample.name or (named and without)


def _numbered(sample: Sample, found: dict[str, str], key: str) -> str | None:
    """A column of few whole numbers, which may be the status of orders."""
    taken = {key, *found.values()}
    known = [header for names in NAMES for header in headers_like(names, sample.columns)]
    for header, column in sample.columns.items():
        few = 1 < column.distinct <= FEW_NUMBERS and column.rows == sample.rows
        few = few and all(re.fullmatch(r"\d{1,2}", value) for value in column.values)
        is_id = _plain(header).endswith(("id", "no", "number", "flag"))
        if few and header not in taken and header not in known and not is_id:
            return header
    return None


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
    own = header_of("order_item_id", sample, "order_items")
    line = header_of("line", sample, "order_items")
    if own and sample.unique([own]):
        return [own]
    for within in (own, line):
        if order and within and within != order and sample.unique([order, within]):
            return [order, within]
    first = next(iter(sample.columns))
    if order and first != order and not sample.columns[first].times and sample.unique([first]):
        return [first]
    return [order, LINE_NUMBER] if order else None
