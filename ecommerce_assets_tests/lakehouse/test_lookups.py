"""Columns that are looked up in another source: exact after any change of either."""

from collections.abc import Mapping
from typing import Any

import pytest

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.shop import Shop as ShopFile
from ecommerce_assets.shop import shipped_shops, using
from ecommerce_assets.tables import tables_for
from ecommerce_assets.trial.check import check
from ecommerce_assets_tests.shop import DAY, Shop
from ecommerce_assets_tests.three_days import make

NEXT, LATER = "2024-01-02", "2024-01-03"
TEXT = """
[shop]
currency = "EUR"

[sources.orders]
required = ["id", "buyer", "at", "state"]

[sources.lines]
required = ["id", "order", "shop", "sku", "pieces"]

[sources.prices]
delimiter = ";"
decimal_mark = ","
thousands = "."
nulls = ["-"]
required = ["Haus", "Artikel", "Preis", "Name"]

[sources.people]
required = ["buyer", "person", "mail"]

[tables.orders]
from = "orders"
key = "id"
customer_id = { lookup = "people", key = "buyer", value = "person" }
order_date = "at"
status = "state"

[tables.order_items]
from = "lines"
key = "id"
order_id = "order"
product_id = "sku"
quantity = "pieces"
unit_price = { lookup = "prices", key = ["shop", "sku"], by = ["Haus", "Artikel"], value = "Preis" }

[tables.products]
from = "lines"
key = "sku"
name = { lookup = "prices", key = ["shop", "sku"], by = ["Haus", "Artikel"], value = "Name", map = { "Tasse" = "Cup" } }
may_be_empty = ["name"]

[tables.customers]
from = "people"
key = "person"
email = "mail"

[vocabulary.statuses]
paid = "sale"
"""
SHOP = ShopFile("our.toml", TEXT)
HEADERS = {
    "orders": "id,buyer,at,state", "lines": "id,order,shop,sku,pieces",
    "prices": "Haus;Artikel;Preis;Name", "people": "buyer,person,mail",
}  # fmt: skip


def deliver(shop: Shop, day: str = DAY, **rows: str) -> None:
    for source, text in rows.items():
        shop.file(source, day).write_text(
            "\n".join([HEADERS[source], *text.split("|")]) + "\n", "utf-8"
        )


FIRST = {
    "orders": "1,b1,2024-01-01,paid|2,b2,2024-01-01,paid",
    "lines": "11,1,N,T,2|12,1,N,K,1|21,2,S,T,1",
    "prices": "N;T;1.000,50;Tasse|N;K;2,00;-|S;T;3,00;Mug",
    "people": "b1,ann,a@x.de|b2,ann,a@x.de",
}
WORTH = (
    "select order_item_id as i, unit_price as p, line_total as t from silver.order_items order by 1"
)


def figures(shop: Shop) -> Mapping[str, list[Any]]:
    return {
        "items": [(row["i"], str(row["p"]), str(row["t"])) for row in shop.query(WORTH)],
        "customers": [tuple(row.values()) for row in shop.query(
            "select customer_id, orders from gold.customer_lifetime_value order by 1")],
        "products": [tuple(row.values()) for row in shop.query(
            "select product_id, name from gold.dim_product order by 1")],
    }  # fmt: skip


@pytest.mark.parametrize("engine", ["duckdb", pytest.param("spark", marks=pytest.mark.slow)])
def test_values_are_those_of_the_other_source_as_it_writes_them(shop: Shop, engine: str) -> None:
    deliver(shop, **FIRST)
    with using(SHOP):
        found = check(str(shop.landing))
        for layer in ("bronze", "silver", "gold"):
            shop.run(layer, engine=engine)
        assert figures(shop) == {
            "items": [("11", "1000.5000", "2001.00"), ("12", "2.0000", "2.00"), ("21", "3.0000", "3.00")],
            "customers": [("ann", 2)],
            "products": [("K", "unknown"), ("T", "Mug")],
        }  # fmt: skip
        assert [row["revenue"] for row in found.months] == [
            row["revenue"] for row in shop.query("select revenue from gold.monthly_revenue")
        ]
        assert found.blocked == []


STEPS = [
    pytest.param({"day": NEXT, "prices": "N;T;9,00;Tasse"}, id="a price that changes"),
    pytest.param({"day": NEXT, "people": "b2,bob,b@x.de"}, id="a person who is another"),
    pytest.param({"day": NEXT, "lines": "22,2,S,Z,4"}, id="a line without a price"),
    pytest.param({"day": NEXT, "orders": "3,b3,2024-01-02,paid", "people": "b9,cy,c@x.de"},
                 id="an order of nobody yet"),
    pytest.param({"day": DAY, "prices": "N;T;5,00;Tasse"}, id="a delivery of prices that is corrected"),
]  # fmt: skip


@pytest.mark.parametrize("step", STEPS)
def test_a_change_of_either_is_exact(shop: Shop, step: dict[str, str]) -> None:
    step = dict(step)
    day = step.pop("day")
    deliver(shop, **FIRST)
    with using(SHOP):
        shop.run_all()
        before = figures(shop)
        deliver(shop, day, **step)
        shop.run_all(day)
        after = figures(shop)
        assert after != before
        # Later the missing ones come, and a lookup that touches nothing.
        deliver(shop, LATER, prices="S;Z;7,00;Zange", people="b3,dee,d@x.de")
        shop.run_all(LATER)
        exact = figures(shop)
        states = {name: shop.content(name) for name in tables_for(SHOP)}
        for layer in ("silver", "gold"):
            shop.run(layer, first=DAY, last=LATER, full_refresh=True)
        assert figures(shop) == exact
        assert {name: shop.content(name) for name in tables_for(SHOP)} == states


def test_only_days_whose_values_change_are_computed_again(shop: Shop) -> None:
    deliver(shop, **FIRST)
    deliver(shop, NEXT, orders="3,b3,2024-01-02,paid", lines="31,3,N,K,1", people="b3,dee,d@x.de")
    with using(SHOP):
        shop.run("bronze", first=DAY, last=NEXT)
        shop.run("silver", first=DAY, last=NEXT)
        deliver(shop, LATER, people="b3,eve,e@x.de|b7,fay,f@x.de")
        shop.run("bronze", first=LATER)
        changed = make(shop, "silver.orders_looked_up", LATER)
        assert changed.why == "1 affected by what changed upstream, by _ingestion_date"
        deliver(shop, "2024-01-04", people="b8,gus,g@x.de")
        shop.run("bronze", first="2024-01-04")
        assert "changed" in make(shop, "silver.orders_looked_up", "2024-01-04").why
        rows = shop.query("select customer_id as c from silver.orders order by order_id")
    assert [row["c"] for row in rows] == ["ann", "ann", "dee"]  # silver.orders has not run again


MISTAKES = [
    ('lookup = "people", key', 'lookup = "peeple", key', "there is no other source 'peeple'. Did you mean people"),
    ('lookup = "people", key', 'lookup = "orders", key', "there is no other source 'orders'"),
    ('value = "person"', 'value = "human"', "people has no header 'human'"),
    ('key = "buyer", value', 'key = "byer", value', "the source has no header 'byer'. Did you mean buyer"),
    (', value = "person"', "", "looks up a value: name its header by value"),
    ('by = ["Haus", "Artikel"]', 'by = "Artikel"', "key and by must list as many headers"),
    ('{ lookup = "people", key = "buyer", value = "person" }', '{ constant = "x", key = "buyer" }',
     "has key, which takes lookup"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "said"), MISTAKES)
def test_mistakes_are_named(old: str, new: str, said: str) -> None:
    assert old in TEXT
    with pytest.raises(PipelineError, match=r"our\.toml: tables") as raised:
        tables_for(ShopFile("our.toml", TEXT.replace(old, new)))
    assert said in str(raised.value)


def test_shops_without_a_lookup_have_no_table_more() -> None:
    assert not [name for name in tables_for(shipped_shops()["default"]) if "looked_up" in name]
    assert [name for name in tables_for(SHOP) if "looked_up" in name] == [
        "silver.orders_looked_up", "silver.lines_looked_up",
    ]  # fmt: skip
