"""Amounts come from the digits received; what is rounded, left out or misnamed is told."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from ecommerce_assets.shop import Shop as ShopFile
from ecommerce_assets.shop import shipped_shops, using
from ecommerce_assets.trial.check import check
from ecommerce_assets_tests.lakehouse.test_doubts import findings, warns
from ecommerce_assets_tests.lakehouse.test_repeated import HEADER
from ecommerce_assets_tests.shop import Shop

LINES = shipped_shops()["invoice_lines"].text
SOLD = " and number(UnitPrice) > 0"


@pytest.mark.parametrize("engine", ["duckdb", pytest.param("spark", marks=pytest.mark.slow)])
def test_prices_of_many_digits_are_rounded_once(shop: Shop, engine: str) -> None:
    given: Sequence[dict[str, str]] = (
        {"quantity": "10000", "unit_price": "0.00125", "line_total": ""},
        {"quantity": "3", "unit_price": "0.12345678", "line_total": ""},
        {"quantity": "1", "unit_price": "100", "discount_percent": "33.335", "line_total": ""},
        {"quantity": "2147483647", "unit_price": "0.00000001", "line_total": ""},
        {"quantity": "1", "unit_price": "2.005", "line_total": ""},
        {"quantity": "1", "unit_price": "2.00", "line_total": "1.995"},
    )
    shop.deliver("orders", {"discount_amount": "0.50"})
    shop.deliver("order_items", *[{"order_item_id": f"I{n}", **row} for n, row in enumerate(given)])
    for layer in ("bronze", "silver", "gold"):
        shop.run(layer, engine=engine)
    items = shop.query(
        "select unit_price, gross_amount, line_total from silver.order_items order by order_item_id"
    )
    assert [tuple(map(str, row.values())) for row in items] == [
        ("0.0013", "12.50", "12.50"), ("0.1235", "0.37", "0.37"), ("100.0000", "100.00", "66.67"),
        ("0.0000", "21.47", "21.47"), ("2.0050", "2.01", "2.01"), ("2.0000", "2.00", "2.00"),
    ]  # fmt: skip
    facts = shop.one("select sum(gross_amount) as gross, sum(revenue) as net from gold.fact_sales")
    assert facts == {"gross": Decimal("138.35"), "net": Decimal("104.52")}


def test_an_amount_that_is_out_of_range_is_quarantined(shop: Shop) -> None:
    large = {"quantity": "2147483647", "unit_price": "99999999999999.9999"}
    shop.deliver("order_items", {**large, "line_total": "1"},
                 {"order_item_id": "I2", "quantity": "1000000", "unit_price": "99999.5", "line_total": ""})  # fmt: skip
    shop.run("bronze", "order_items")
    shop.run("silver", "order_items,order_items_quarantine")
    found = shop.query(
        "select order_item_id as i, _reasons as r from silver.order_items_quarantine order by 1"
    )
    assert [row["r"] for row in found] == [
        ["quantity x unit_price: out of range"], ["quantity x unit_price: out of range"],
    ]  # fmt: skip


def test_fractions_of_the_smallest_unit_are_counted(shop: Shop) -> None:
    shop.deliver("orders", *[{"order_id": f"O{n}", "total_amount": f"{n}.0{n % 2}5"} for n in range(20)],
                 {"order_id": "O99", "total_amount": "5.100"}, {"status": "lost", "total_amount": "1.005"})  # fmt: skip
    shop.run("bronze", "orders")
    finding = findings(shop, "silver.orders")["amounts_in_smallest_unit"]
    assert warns(finding)
    assert finding.counts == {"rows": 21, "rounded": 20, "share": 0.952381, "limit": 0.01}
    assert "20 of 21 rows (95.2 %, limit 1 %) have an amount with a fraction" in finding.message
    assert finding.message.endswith("orders/ingestion_date=2024-01-01/rows.csv line 2.")


def rows_of(shop: Shop, *rows: str) -> None:
    shop.file("lines").write_text(HEADER + "\n".join(rows) + "\n", "utf-8")


STOCK = (
    "1,A,Teapot,2,2024-01-01 08:00:00,10,17,United Kingdom",
    "2,B,Cup,1,2024-01-01 09:00:00,5,17,United Kingdom",
    "3,A,smashed,-1,2024-01-01 10:00:00,0,,United Kingdom",
    "4,B,found,1,2024-01-01 11:00:00,0,,United Kingdom",
    "5,C,check,1,2024-01-01 11:00:00,0,,United Kingdom",
    "C6,A,Teapot,-1,2024-01-01 12:00:00,10,17,United Kingdom",
)


def test_products_that_a_line_names_which_sells_nothing_are_told(shop: Shop) -> None:
    rows_of(shop, *STOCK)
    lines = LINES.replace('and number(Quantity) > 0 and number(UnitPrice) > 0"', '"')
    assert lines != LINES
    with using(ShopFile("our.toml", lines)):
        (said,) = check(str(shop.landing)).doubtful
        shop.run("bronze")
        finding = findings(shop, "silver.products")["named_by_sales"]
    told = "2 products, with items worth 25.00 GBP, have name and price from a line that sells"
    assert told in said
    assert "like 'A', which is called 'smashed'" in said
    assert warns(finding)
    assert finding.counts == {"products": 2}
    assert (
        "like 'A', which is called 'smashed' since lines/ingestion_date=2024-01-01/rows.csv line 4"
        in finding.message
    )
    with using(ShopFile("our.toml", LINES)):
        assert check(str(shop.landing)).doubtful == []
        assert findings(shop, "silver.products")["named_by_sales"].passed


def test_a_product_that_was_never_sold_is_not_told(shop: Shop) -> None:
    """In runs day by day, in which the mark of a published row is not known any more."""
    text = LINES.replace('and number(Quantity) > 0 and number(UnitPrice) > 0"', '"')
    for day, name in (("2024-01-01", "damaged"), ("2024-01-02", "check")):
        row = f"9,X,{name},1,{day} 08:00:00,0,17,United Kingdom\n"
        shop.file("lines", day).write_text(HEADER + row, "utf-8")
        with using(ShopFile("our.toml", text)):
            shop.run("bronze", "lines", day, day)
            assert findings(shop, "silver.products", day)["named_by_sales"].passed
    row = "10,Y,Teapot,1,2024-01-03 08:00:00,5,17,United Kingdom\n"
    shop.file("lines", "2024-01-03").write_text(HEADER + row, "utf-8")
    later = "11,Y,,-1,2024-01-04 08:00:00,5,17,United Kingdom\n"
    shop.file("lines", "2024-01-04").write_text(HEADER + later, "utf-8")
    with using(ShopFile("our.toml", text)):
        for day in ("2024-01-03", "2024-01-04"):
            shop.run("bronze", "lines", day, day)
            finding = findings(shop, "silver.products", day)["named_by_sales"]
    assert warns(finding)
    assert "like 'Y', which is called None since" in finding.message


def test_what_no_table_selects_is_told_by_value_and_why(shop: Shop) -> None:
    rows_of(shop, *STOCK)
    with using(ShopFile("our.toml", LINES)):
        found = check(str(shop.landing)).not_selected
        shop.run("bronze")
        finding = findings(shop, "silver.order_items")["rows_selected"]
    by_table: dict[str, Any] = {row.pop("table"): row for row in found}
    where = "regexp_matches(InvoiceNo, '^[0-9]') and number(Quantity) > 0"
    assert by_table["order_items"] == {
        "source": "lines", "rows": 2, "value": Decimal("-10.00"), "where": where,
    }  # fmt: skip
    assert by_table["none"] == {
        "source": "lines", "rows": 1, "value": Decimal("0.00"), "where": "",
    }  # fmt: skip
    assert finding.passed
    assert finding.message == (
        f"4 of 6 rows speak of order_items; 2, worth -10.00 GBP, do not, by where: {where!r} of lines."
    )
    assert finding.counts["not_selected_value"] == "-10.00"


@pytest.mark.parametrize("header", ["Status", "Order Status"])
def test_a_constant_in_place_of_a_column_is_doubtful(shop: Shop, header: str) -> None:
    text = HEADER.strip() + f",{header}\n" + STOCK[0] + ",cancelled\n"
    shop.file("lines").write_text(text, "utf-8")
    with using(ShopFile("our.toml", LINES)):
        (said,) = check(str(shop.landing)).doubtful
    assert f"status is 'delivered' in every row, while lines has the column {header!r}." in said
    accepted = LINES.replace('key = "InvoiceNo"\n', 'key = "InvoiceNo"\naccept = "constant"\n', 1)
    with using(ShopFile("our.toml", accepted)):
        assert check(str(shop.landing)).doubtful == []
