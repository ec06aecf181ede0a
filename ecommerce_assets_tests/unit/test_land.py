"""Landing flat files: names as people write them, what is left out, one export of many days."""

import gzip
import os
from datetime import date
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from ecommerce_assets.cli.main import ecommerce
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.landing.land import land_files, land_split
from ecommerce_assets.landing.store import store_of
from ecommerce_assets.shop import Shop, shipped_shops
from ecommerce_assets.trial.days import days_of
from ecommerce_assets_tests.unit.test_shipped_shops import SHOPIFY

LINES, SHOPIFY_SHOP = shipped_shops()["invoice_lines"], shipped_shops()["shopify"]
DAY = date(2024, 1, 1)
HEADER = "InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice\n"


def split(shop: Shop, source: Path, column: str, landing: Path) -> dict[str, str]:
    landed, left_out = land_split(
        source, column, str(landing), shop.sources, partial(days_of, shop)
    )
    assert left_out == []
    return {path.parent.name.partition("=")[2]: path.read_bytes().decode() for path in landed}


def test_names_as_people_write_them(tmp_path: Path) -> None:
    default, source = shipped_shops()["default"], tmp_path / "raw"
    source.mkdir()
    for name in (
        "Order-Items.CSV",
        "ORDERS.csv.GZ",
        "customer.csv",
        "orders.xlsx",
        ".hidden",
        "a.txt",
    ):
        (source / name).write_text(name)
    landed, left_out = land_files(source, DAY, str(tmp_path / "landing"), default.sources)
    assert [path.relative_to(tmp_path / "landing").as_posix() for path in landed] == [
        "order_items/ingestion_date=2024-01-01/Order-Items.csv",
        "orders/ingestion_date=2024-01-01/ORDERS.csv.gz",
    ]
    assert [str(other) for other in left_out] == [
        "a.txt is left out: its name does not end in .csv or .csv.gz",
        "customer.csv is left out: no source is called like it. Did you mean customers.csv?",
        "orders.xlsx is left out: its name does not end in .csv or .csv.gz",
    ]


def test_each_day_gets_its_lines_as_they_are(tmp_path: Path) -> None:
    """Days are the shop's; lines of an invoice stay together; nothing of a line changes."""
    first = '1,A,1,2024-06-30 23:59:00,"1.50"\n1,B,2,2024-07-01 00:01:00, 2 \n'
    second = '\n2,"a\nb",1,2024-06-30 23:30:00,1\r\n'
    third = "3,C,1,2024-06-30T23:10:00Z,1"
    (tmp_path / "lines.csv").write_bytes((HEADER + first + second + third).encode())
    found = split(LINES, tmp_path, "InvoiceDate", tmp_path / "landing")
    assert found == {"2024-06-30": HEADER + first + second, "2024-07-01": HEADER + third}


def test_lines_that_are_filled_down_follow_the_first(tmp_path: Path) -> None:
    (tmp_path / "orders_export.csv").write_text(SHOPIFY, "utf-8")
    days = {line.split(",")[9][:10] for line in SHOPIFY.splitlines()[1:]} - {""}
    found = split(SHOPIFY_SHOP, tmp_path, "Created at", tmp_path / "landing")
    assert sum(text.count("\n") - 1 for text in found.values()) == SHOPIFY.count("\n") - 1
    assert found.keys() == days
    for text in found.values():
        assert text.splitlines()[0] == SHOPIFY.splitlines()[0]


def test_other_encodings_and_gzip(tmp_path: Path) -> None:
    text = LINES.text.replace(
        "[sources.lines] ", '[sources.lines]\nencoding = "utf-16"\nskip_lines = 1 '
    )
    shop = Shop("our.toml", text)
    rows = "Export\n" + HEADER + "1,Ä,1,2024-01-01,1\n2,B,1,2024-01-02,1\n"
    (tmp_path / "lines.csv.gz").write_bytes(gzip.compress(rows.encode("utf-16")))
    landed, _ = land_split(
        tmp_path, "InvoiceDate", str(tmp_path / "landing"), shop.sources, partial(days_of, shop)
    )
    first = gzip.decompress(landed[0].read_bytes()).decode("utf-16")
    assert first == "Export\n" + HEADER + "1,Ä,1,2024-01-01,1\n"


def test_a_row_without_a_day_lands_nothing(tmp_path: Path) -> None:
    (tmp_path / "lines.csv").write_text(HEADER + "1,A,1,2024-01-01,1\n2,B,1,soon,1\n3,B,1,,1\n")
    with pytest.raises(PipelineError, match=r"2 of 3 records have no day .* like 'soon' in line 3"):
        split(LINES, tmp_path, "InvoiceDate", tmp_path / "landing")
    assert not (tmp_path / "landing").exists()
    with pytest.raises(PipelineError, match=r"no file has the column 'Date'. There are: Country"):
        split(LINES, tmp_path, "Date", tmp_path / "landing")


def test_two_files_that_would_be_one_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "raw"
    source.mkdir()
    for name in ("orders.csv", "orders.CSV"):
        (source / name).write_text(name)
    with pytest.raises(
        PipelineError, match=r"orders.CSV and orders.csv would both be orders/orders"
    ):
        land_files(source, DAY, str(tmp_path / "landing"), shipped_shops()["default"].sources)
    assert not (tmp_path / "landing").exists()


def test_days_of_an_earlier_split_are_named(tmp_path: Path) -> None:
    (tmp_path / "lines.csv").write_text(HEADER + "1,A,1,2024-01-02,1\n2,A,1,2024-01-03,1\n")
    split(LINES, tmp_path, "InvoiceDate", tmp_path / "landing")
    split(LINES, tmp_path, "InvoiceDate", tmp_path / "landing")  # again is no matter
    (tmp_path / "lines.csv").write_text(HEADER + "1,A,1,2024-01-04,1\n")
    with pytest.raises(
        PipelineError, match=r"has a lines.csv under ingestion_date=2024-01-02, ing"
    ):
        split(LINES, tmp_path, "InvoiceDate", tmp_path / "landing")


def test_nothing_of_any_file_lands_if_one_has_no_days(tmp_path: Path) -> None:
    text = LINES.text + '\n[sources.more]\nrequired = ["InvoiceDate"]\n'
    (tmp_path / "lines.csv").write_text(HEADER + "1,A,1,2024-01-02,1\n")
    (tmp_path / "more.csv").write_text("InvoiceDate,x\n2999-01-01,1\n")
    with pytest.raises(
        PipelineError, match=r"1 of 1 records have no day .* or one to come, like '2999"
    ):
        split(Shop("our.toml", text), tmp_path, "InvoiceDate", tmp_path / "landing")
    assert not (tmp_path / "landing").exists()


def test_a_header_alone_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "Lines.CSV.GZ").write_bytes(gzip.compress(HEADER.encode()))
    landed, left_out = land_split(
        tmp_path, "InvoiceDate", str(tmp_path / "landing"), LINES.sources, partial(days_of, LINES)
    )
    assert landed == []
    assert [str(other) for other in left_out] == ["Lines.CSV.GZ is left out: it has no record"]


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOMMERCE_SHOP", "invoice_lines")
    (tmp_path / "lines.csv").write_text(HEADER + "1,A,1,2023-12-31 10:00,1\n2,A,1,2024-01-02,1\n")
    given = ["land", "--source", str(tmp_path), "--landing", str(tmp_path / "landing")]
    done = CliRunner().invoke(ecommerce, [*given, "--split-by", "InvoiceDate"])
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, 2)
    assert (
        "2023-12-31 is before the first partition, 2024-01-01: set ECOMMERCE_START_DATE"
        in done.stderr
    )
    for wrong in ([], ["--date", "2024-01-01", "--split-by", "InvoiceDate"]):
        assert CliRunner().invoke(ecommerce, [*given, *wrong]).exit_code == 2


def test_a_name_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"orders-\xfc.csv")).write_text("x")
    with pytest.raises(PipelineError, match=r"orders-\?.csv: the name is not UTF-8"):
        store_of(str(tmp_path)).entries(str(tmp_path))
