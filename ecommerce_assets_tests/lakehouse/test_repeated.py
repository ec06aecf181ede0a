"""A row that another one of its key replaces is told, unless the shop file says what it is."""

from decimal import Decimal

import pytest

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.shop import Shop as ShopFile
from ecommerce_assets.shop import shipped_shops, using
from ecommerce_assets.trial.check import Trial, check
from ecommerce_assets_tests.lakehouse.test_doubts import findings, warns
from ecommerce_assets_tests.shop import DAY, Shop

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
LINES = shipped_shops()["invoice_lines"].text
BY_SKU = LINES.replace('["InvoiceNo", "_line_number"]', '["InvoiceNo", "StockCode"]')
ITEMS_KEY = 'key = ["InvoiceNo", "_line_number"]'
NEXT = "2024-01-02"


def line(sku: str, quantity: int, price: str = "10", invoice: int = 1) -> str:
    return f"{invoice},{sku},Thing {sku},{quantity},2024-01-01 08:00:00,{price},17,United Kingdom\n"


def with_lines(shop: Shop, files: dict[tuple[str, str], str]) -> None:
    for (day, name), rows in files.items():
        shop.file("lines", day, name).write_text(HEADER + rows, "utf-8")


def revenue(found: Trial) -> Decimal:
    return sum((month["revenue"] for month in found.months), Decimal(0))


# Of each: the shop file, the files, what is told, the revenue; the answer in the shop file, and the
# revenue then.
CASES = [
    pytest.param(
        BY_SKU, {(DAY, "a.csv"): line("A", 40) + line("A", 10)},
        "1 rows worth 400.00 GBP do not count, since another row has their key: 1 in the same file; "
        "e.g. order_item_id '1|A': lines/ingestion_date=2024-01-01/a.csv",
        "100.00", (BY_SKU, LINES), "500.00", id="equal keys in one file",
    ),
    pytest.param(
        BY_SKU, {(DAY, "a.csv"): line("A", 10) + line("A", 10)},
        "1 rows worth 100.00 GBP do not count", "100.00", (BY_SKU, LINES), "200.00",
        id="equal lines in one file",
    ),
    pytest.param(
        LINES, {(DAY, "a.csv"): line("A", 1, "30") + line("B", 2), (NEXT, "b.csv"): line("C", 80)},
        "1 rows worth 30.00 GBP do not count, since another row has their key: 1 in another file, "
        "which numbers its lines anew",
        "820.00", (ITEMS_KEY, f"{ITEMS_KEY}\ncontinues = true"), "850.00",
        id="an order in two files",
    ),
    pytest.param(
        LINES, {(DAY, "a.csv"): line("A", 1), (NEXT, "b.csv"): line("A", 2)},
        "write continues = true in tables.order_items (from lines); if it has newer versions of the "
        "same lines, continues = false.",
        "20.00", (ITEMS_KEY, f"{ITEMS_KEY}\ncontinues = false"), "20.00", id="newer lines",
    ),
    pytest.param(
        BY_SKU, {(DAY, "lines.csv"): line("A", 1), (DAY, "lines (1).csv"): line("A", 2)},
        "1 in another file of the date; e.g. order_item_id '1|A': "
        "lines/ingestion_date=2024-01-01/lines (1).csv",
        "20.00", None, "", id="two files of a date",
    ),
    pytest.param(
        BY_SKU, {(DAY, "lines.csv"): line("A", 1), (DAY, "lines-corrected.csv"): line("A", 2)},
        "lines-corrected.csv", "20.00",
        ('"StockCode"]', '"StockCode"]\naccept = "files_that_disagree"'), "20.00",
        id="a corrected file of the date",
    ),
    pytest.param(
        LINES, {(DAY, "a.csv"): line("A", 1), (DAY, "b.csv"): line("A", 2)},
        "1 in another file, which numbers its lines anew", "20.00",
        (ITEMS_KEY, f"{ITEMS_KEY}\ncontinues = false"), "20.00", id="two numbered files of a date",
    ),
    pytest.param(
        BY_SKU, {(DAY, "a.csv"): line("A", 40) + line("A", 10), (NEXT, "b.csv"): line("A", 10)},
        "1 rows worth 400.00 GBP do not count, since another row has their key: 1 in the same file",
        "100.00", None, "", id="a later delivery of one of them",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "files", "said", "worth", "answer", "then"), CASES)
def test_check_and_run_tell_rows_that_do_not_count(
    shop: Shop,
    text: str,
    files: dict[tuple[str, str], str],
    said: str,
    worth: str,
    answer: tuple[str, str] | None,
    then: str,
) -> None:
    with_lines(shop, files)
    with using(ShopFile("our.toml", text)):
        found = check(str(shop.landing))
        (doubt,) = found.doubtful
        shop.run("bronze", "lines", DAY, NEXT)
        finding = findings(shop, "silver.order_items")["keys_not_repeated"]
    assert said in doubt
    assert revenue(found) == Decimal(worth)
    assert warns(finding)
    assert said.partition("; e.g.")[0] in finding.text
    if answer:
        with using(ShopFile("our.toml", text.replace(*answer))):
            answered = check(str(shop.landing))
        assert answered.doubtful == []
        assert revenue(answered) == Decimal(then)


def test_what_the_shop_file_can_not_say() -> None:
    text = LINES.replace(ITEMS_KEY, 'key = "InvoiceNo"\ncontinues = true')
    with pytest.raises(PipelineError, match=r"continues: takes _line_number in the key"):
        _ = ShopFile("our.toml", text).declared


@pytest.mark.parametrize("table", ["products", "customers"])
def test_tables_without_a_value_are_told_by_rows(shop: Shop, table: str) -> None:
    text = shipped_shops()["default"].text.replace(
        f'from = "{table}"\nrepeats = true', f'from = "{table}"'
    )
    column = "name" if table == "products" else "city"
    shop.deliver(table, {column: "Apple"}, {column: "Pear"})
    shop.deliver("orders", {})
    shop.deliver("order_items", {})
    with using(ShopFile("our.toml", text)):
        (said,) = check(str(shop.landing)).doubtful
        shop.run("bronze", table)
        finding = findings(shop, f"silver.{table}")["keys_not_repeated"]
    told = "1 rows do not count, since another row has their key: 1 in the same file; e.g. "
    assert f"silver.{table}: {told}" in said
    assert f"write repeats = true in tables.{table} (from {table})" in said
    assert warns(finding)
    assert finding.message.startswith(told)


def test_a_backfill_says_what_the_days_say(shop: Shop) -> None:
    with_lines(
        shop, {(DAY, "a.csv"): line("A", 40) + line("A", 10), (NEXT, "b.csv"): line("A", 10)}
    )
    with using(ShopFile("our.toml", BY_SKU)):
        shop.run("bronze", "lines", DAY, DAY)
        alone = findings(shop, "silver.order_items", DAY)["keys_not_repeated"]
        shop.run("bronze", "lines", NEXT, NEXT)
        after = findings(shop, "silver.order_items", NEXT)["keys_not_repeated"]
    assert (alone.counts["rows"], alone.counts["value"]) == (1, "400.00")
    assert after.passed


def test_only_sources_of_the_table_itself_are_told(shop: Shop) -> None:
    """An order on two lines of a till's file is no order that is delivered twice."""
    text = (
        LINES.replace("[tables.orders]\nfrom", "[[tables.orders]]\nfrom")
        + """
[sources.web]
required = ["number", "at", "total"]

[[tables.orders]]
from = "web"
key = "number"
order_date = "at"
total_amount = "total"
status = { constant = "delivered" }
customer_id = { constant = "" }
may_be_empty = ["customer_id"]
"""
    )
    with_lines(shop, {(DAY, "a.csv"): line("A", 1) + line("B", 2)})
    shop.file("web").write_text("number,at,total\n7,2024-01-01,5\n8,2024-01-01,6\n8,2024-01-01,7\n")
    with using(ShopFile("our.toml", text)):
        found = [
            one
            for one in check(str(shop.landing)).doubtful
            if "have their key" in one or "has their key" in one
        ]
        shop.run("bronze")
        finding = findings(shop, "silver.orders")["keys_not_repeated"]
    (said,) = found
    assert "1 rows worth 6.00 GBP do not count" in said
    assert "write repeats = true in tables.orders (from web)" in said
    assert finding.counts == {"rows": 1, "value": "6.00"}
