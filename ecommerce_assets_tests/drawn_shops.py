"""Random shop files, and random deliveries of the shops that they describe.

A shop has a web shop and a till, each with one file of order lines, in headers and a way of writing
of its own. Both feed orders, items, products and customers.
"""

import csv
import io
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ecommerce_assets_tests.worlds import UPDATED, Row, Worlds

SOURCES = ("web", "till")
# The fields of a line, and their headers in the files of each source.
FIELDS = ("order", "line", "customer", "mail", "country", "city", "sku", "title", "group",
          "quantity", "price", "at", "status", "paid", "changed")  # fmt: skip
HEADERS = {
    "web": dict(zip(FIELDS, ("Order No", "Line", "Customer", "E-Mail", "Country", "City", "SKU",
                             "Title", "Group", "Qty", "Unit Price", "Ordered at", "Status", "Paid by",
                             "updated_at"), strict=True)),
    "till": dict(zip(FIELDS, ("Bon", "Pos", "Kunde", "Mail", "Land", "Ort", "Artikel", "title",
                              "Warengruppe", "Menge", "Preis", "Zeit", "Zustand", "Zahlart",
                              "Geändert"), strict=True)),
}  # fmt: skip
OF_ORDER = ("customer", "at", "status", "paid")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata")
MOMENTS = ("2024-01-30 23:59", "2024-01-31 00:00", "2024-02-01 04:30", "2024-02-29 20:00",
           "2023-12-31 23:30")  # fmt: skip
GERMAN = ["dd.MM.yyyy HH:mm", "dd.MM.yyyy"]


def written(pick: random.Random) -> dict[str, dict[str, Any]]:
    """By source, how its files are written; stays what it is through a history."""
    found = {}
    for name in SOURCES:
        headers = HEADERS[name]
        mark = pick.choice([".", ","])
        found[name] = {
            "delimiter": pick.choice([",", ";", "\t", "|"]),
            "quote": pick.choice(['"', "'"]),
            "encoding": pick.choice(["utf-8", "cp1252"]),
            "skip_lines": pick.choice([0, 2]),
            "loose_header": pick.choice([False, True]),
            "decimal_mark": mark,
            "thousands": pick.choice(["", "." if mark == "," else ","]),
            "times": pick.choice(["iso", GERMAN]),
            "nulls": pick.choice([[], ["NULL", "-"]]),
            "number_lines_within": [headers["order"]],
            "required": [header for key, header in headers.items() if key not in ("city", "paid")],
            "optional": [headers["city"], headers["paid"]],
        }
        if pick.random() < 0.5:
            found[name]["fill_down"] = {
                "within": [headers["order"]], "columns": [headers[key] for key in OF_ORDER],
            }  # fmt: skip
    return found


def shop_file(sources: Mapping[str, dict[str, Any]], pick: random.Random) -> str:
    """A shop file for these sources; what it makes of their columns is drawn."""
    prefixed = pick.random() < 0.7  # else both number their orders alike
    item_key = pick.choice([("order", "line"), ("order", "sku"), ("order", "_line_number")])
    returned, replaced = pick.random() < 0.6, pick.random() < 0.5
    tables: dict[str, list[dict[str, Any]]] = {}
    for name in SOURCES:
        headers = HEADERS[name]
        order: Any = headers["order"]
        if prefixed and name == "till":
            order = {"sql": f"'T' || `{order}`"}
        status = pick.choice(
            [headers["status"], {"constant": "paid"},
             {"sql": f"if(trim(`{headers['status']}`) = '', 'paid', `{headers['status']}`)"}]
        )  # fmt: skip
        some_lines = {"where": f"`{headers['quantity']}` <> '0'"} if pick.random() < 0.5 else {}
        tables.setdefault("orders", []).append(
            {"from": name, **some_lines, "order_id": order, "customer_id": headers["customer"],
             "order_date": headers["at"], "status": status, "payment_method": headers["paid"],
             "updated_at": headers["changed"],
             "may_be_empty": pick.choice([[], ["customer_id"]]),
             "warn": pick.choice([[], ["payment_method"]])}
        )  # fmt: skip
        key = [headers.get(part, part) for part in item_key]
        tables.setdefault("order_items", []).append(
            {"from": name, **some_lines, "key": key, "order_id": order,
             "product_id": headers["sku"], "quantity": headers["quantity"],
             "unit_price": headers["price"], "updated_at": headers["changed"],
             **({"replaces": "order"} if replaced else {}),
             **({"gone": f"`{headers['city']}` = 'gone'"} if pick.random() < 0.3 else {})}
        )  # fmt: skip
        if returned:
            tables.setdefault("returns", []).append(
                {"from": name, "where": f"`{headers['quantity']}` = '-1'", "key": key,
                 "order_id": order, "product_id": headers["sku"],
                 "customer_id": headers["customer"], "returned_at": headers["at"],
                 "quantity": {"constant": "1"}, "unit_price": headers["price"],
                 "updated_at": headers["changed"]}
            )  # fmt: skip
        tables.setdefault("products", []).append(
            {"from": name, "key": headers["sku"], "name": headers["title"],
             "category": pick.choice([headers["group"], {"constant": "goods"}]),
             "price": headers["price"], "updated_at": headers["changed"],
             "may_be_empty": pick.choice([[], ["name", "price"]]),
             "warn": pick.choice([[], ["category"]])}
        )  # fmt: skip
        country = pick.choice(
            [headers["country"], {"column": headers["country"], "map": {"Germany": "DE"}}]
        )
        tables.setdefault("customers", []).append(
            {"from": name, "where": f"trim(`{headers['customer']}`) <> ''",
             "key": headers["customer"], "email": headers["mail"], "country": country,
             "city": headers["city"], "updated_at": headers["changed"],
             "may_be_empty": pick.choice([[], ["email", "country"]]),
             "warn": pick.choice([[], ["country", "email"]]),
             **({"gone": f"`{headers['city']}` = 'gone'"} if pick.random() < 0.5 else {})}
        )  # fmt: skip
    if pick.random() < 0.2:
        del tables["customers"]
    elif pick.random() < 0.2:
        tables["customers"].pop()
        tables["customers"][0]["complete"] = pick.random() < 0.7
    content = {
        "shop": {"currency": pick.choice(["EUR", "EUR", "JPY", "KWD"]), "zone": pick.choice(ZONES),
                 "prices_include_tax": pick.choice([False, True])},
        "sources": {
            name: found | ({"zone": pick.choice(ZONES)} if pick.random() < 0.5 else {})
            for name, found in sources.items()
        },
        "tables": tables,
        "vocabulary": {
            "categories": pick.choice(["any", ["goods", "toys"]]),
            "payment_methods": pick.choice(["any", ["cash"]]),
            "statuses": {"paid": "sale", "open": "open",
                         "void": pick.choice(["cancelled", "returned", "sale"])},
        },
    }  # fmt: skip
    return "\n".join(f"{name} = {_toml(part)}" for name, part in content.items())


def _toml(value: Any) -> str:
    """A value in TOML, on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_toml(name)} = {_toml(v)}" for name, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


def _line(source: str, world: str, pick: random.Random) -> Row:
    """A line, mostly valid, of few keys; numbers and times are written by `_as_written`."""

    def odd(*values: str, usual: Sequence[str]) -> str:
        return pick.choice(values) if pick.random() < 0.06 else pick.choice(usual)

    number = pick.randint(1, 3)
    return {
        "order": odd("", f" {world}-1 ", usual=[f"{world}-{number}"]),
        "line": odd("", usual=["1", "2"]),
        "customer": odd("", "-", usual=[f"C{world}-{pick.randint(1, 2)}"]),
        "mail": odd("nobody", "", usual=["Ann@Example.com", "bob@example.org"]),
        "country": odd("Atlantis", "", usual=["de", "GERMANY", "FR"]),
        "city": pick.choice(["", "gone", "Köln", "a \"city\"; 'quoted', |"]),
        "sku": odd("", "A|B\\", usual=[f"P{world}-{pick.randint(1, 3)}"]),
        "title": odd("", "NULL", usual=["Lamp", "Stühle"]),
        "group": odd("cars", "", usual=["Goods", "TOYS"]),
        "quantity": odd("x", "1.5", usual=["0", "1", "2", "1200", "-1"]),
        "price": odd("-1", "1e3", "", usual=["0.005", "10.00", "1234.5"]),
        "at": odd("", "2024-02-30 10:00", "2030-01-01 00:00", usual=MOMENTS),
        "status": odd("lost", usual=["paid", "OPEN", "void", ""]),
        "paid": odd("shells", usual=["", "cash"]),
        "changed": odd("yesterday", usual=UPDATED),
    }


def _as_written(line: Row, file: Mapping[str, Any], pick: random.Random) -> Row:
    """A line with its numbers and times as the source's files have them."""
    found = dict(line)
    mark, thousands = file["decimal_mark"], file["thousands"]
    for name in ("price", "quantity"):
        text = line[name]
        if thousands and pick.random() < 0.5 and len(text.split(".")[0]) > 3:
            text = f"{text[0]}#{text[1:]}"
        found[name] = text.replace(".", mark).replace("#", thousands)
    for name in ("at", "changed"):
        text = line[name]
        if file["times"] != "iso" and text[:2] == "20":
            day, _, time = text.partition(text[10:11] or " ")
            text = ".".join(reversed(day.split("-"))) + (f" {time[:5]}" if time else "")
        found[name] = text
    return found


@dataclass
class ShopWorlds(Worlds):
    """What the worlds' shops have delivered, by source and day.

    Attributes:
        sources: by name, how their files are written.
    """

    sources: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    does = ("add", "add", "add", "change", "remove", "empty", "move")

    def _row(self, source: str, world: str, pick: random.Random) -> Row:
        return _as_written(_line(source, world, pick), self.sources[source], pick)

    def _land(self, source: str, day: str, lines: Sequence[Row]) -> None:
        file, headers = self.sources[source], HEADERS[source]
        text = io.StringIO()
        text.write("an export\n" * file["skip_lines"])
        writer = csv.writer(
            text, delimiter=file["delimiter"], quotechar=file["quote"], lineterminator="\n"
        )
        names = list(headers.values())
        writer.writerow([f" {n.upper()}" for n in names] if file["loose_header"] else names)
        above: Row = {}
        for line in lines:
            same = line["order"] == above.get("order") and "fill_down" in file
            blank = [name for name in OF_ORDER if same and line[name] == above[name]]
            writer.writerow("" if name in blank else line[name] for name in headers)
            above = line
        path = self.shop.file(source, day)
        path.write_bytes(text.getvalue().encode(file["encoding"]))
