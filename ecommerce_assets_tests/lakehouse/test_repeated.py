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
        "write continues = true in tables.order_items; if it has newer versions of the same lines, "
        "continues = false.",
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
        "lines-corrected.csv", "20.00", None, "", id="a corrected file of the date",
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
