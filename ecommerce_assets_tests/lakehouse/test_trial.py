"""Drafting a shop file from samples, and trying it: what it says is what a run then does."""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ecommerce_assets.cli.main import ecommerce
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.query.summary import summary
from ecommerce_assets.settings import Settings
from ecommerce_assets.shop import Shop as ShopFile
from ecommerce_assets.shop import shipped_shops, using
from ecommerce_assets.tables import tables_for
from ecommerce_assets.trial.check import check
from ecommerce_assets.trial.propose import propose
from ecommerce_assets_tests.shop import VALID, Shop
from ecommerce_assets_tests.unit.test_shipped_shops import ERP, SHOPIFY
from ecommerce_assets_tests.worlds import DAYS, TABLES, Worlds

FATES = ("current", "superseded", "quarantined", "not_selected")


def made(shop: Shop) -> dict[str, dict[str, int]]:
    """By table, its rows by fate after a run."""
    found = summary(Settings(landing=str(shop.landing), lakehouse=str(shop.lakehouse)))["tables"]
    return {row["table"]: {fate: row.get(fate, 0) for fate in FATES} for row in found}


def quarantined(shop: Shop) -> dict[tuple[str, str], int]:
    return {
        (table, row["reason"]): row["n"]
        for table in VALID
        for row in shop.query(
            "select reason, count(*) as n from (select unnest(_reasons) as reason "
            f"from silver.{table}_quarantine) group by 1"
        )
    }


def months(shop: Shop) -> list[dict[str, Any]]:
    return shop.query(
        "select strftime(month_start_date, '%Y-%m') as month, revenue, returned, net_revenue, "
        "orders from gold.monthly_revenue order by 1"
    )


@pytest.mark.slow
def test_it_judges_as_a_run_does(shop: Shop) -> None:
    """Values of all kinds, versions, defects: the rules of the contract in another engine."""
    worlds = Worlds(shop, 150)
    for number, table in enumerate(TABLES):
        for day in DAYS:
            worlds.deliver(table, day, number)
    found = check(str(shop.landing))
    shop.run_all(DAYS[0], DAYS[-1])
    assert found.tables == made(shop)
    reasons = {(row["table"], row["reason"]): row["rows"] for row in found.reasons}
    assert reasons == quarantined(shop)
    assert found.months == months(shop)
    assert sum(reasons.values()) > 100


@pytest.mark.parametrize(
    ("name", "source", "text", "encoding"),
    [("shopify", "orders_export", SHOPIFY, "utf-8"), ("erp", "belege", ERP, "cp1252")],
)
def test_it_judges_other_shops_too(
    shop: Shop, name: str, source: str, text: str, encoding: str
) -> None:
    shop.file(source).write_bytes(text.encode(encoding))
    with using(shipped_shops()[name]):
        found = check(str(shop.landing))
        shop.run_all()
        # Where an order is replaced as a whole, rows may be gone; here none is.
        assert {fates.pop("gone", 0) for fates in found.tables.values()} == {0}
        assert found.tables == made(shop)
        assert found.months == months(shop)


@pytest.mark.parametrize("engine", ["duckdb", pytest.param("spark", marks=pytest.mark.slow)])
def test_check_and_run_never_differ_on_odd_values(shop: Shop, engine: str) -> None:
    """One parser and one contract: what one engine would mend, the other would not."""
    times = ("2024-01-01T24:00:00", "2024-01-01T23:59:60", "2024-1-1", "2024-01-01 1:00", "20240101",
             "2024-02-30", "2024-01-01T10:00:00+25:00", "infinity", "2024-01-01T10:00 Z")  # fmt: skip
    amounts = ("1e3", " 1.5 ", "1_000", "0x10", ".5", "5.", "+1", "--1", "\uff11", "NaN", "1.005")
    odd = [{"order_date": text} for text in times] + [{"total_amount": text} for text in amounts]
    shop.deliver("orders", *[{"order_id": f"O{n}", **row} for n, row in enumerate(odd)])
    found = check(str(shop.landing))
    shop.run("bronze", "orders", engine=engine)
    shop.run("silver", "orders,orders_quarantine", engine=engine)
    kept = shop.query("select order_id, order_date, total_amount from silver.orders order by 1")
    reasons = shop.query("select order_id, _reasons as r from silver.orders_quarantine order by 1")
    assert len(kept) == found.tables["orders"]["current"] == 6
    assert len(reasons) == found.tables["orders"]["quarantined"]
    counted: dict[str, int] = {}
    for row in reasons:
        for reason in row["r"]:
            counted[reason] = counted.get(reason, 0) + 1
    assert counted == {row["reason"]: row["rows"] for row in found.reasons}


def test_what_nobody_knows_is_named(shop: Shop) -> None:
    shop.file("belege").write_bytes(
        ERP.replace("Österreich", "Liechtenstein").replace("Gutschrift", "Angebot").encode("cp1252")
    )
    with using(shipped_shops()["erp"]):
        found = check(str(shop.landing))
        limited = check(str(shop.landing), limit=2)
    assert found.unknown == [
        {"table": "customers", "column": "country", "value": "LIECHTENSTEIN", "rows": 3}
    ]
    assert found.files == {"belege": 1}
    assert sum(limited.tables["customers"].values()) == 2


def test_rows_that_no_table_selects_are_counted(shop: Shop) -> None:
    text = shipped_shops()["default"].text
    text = text.replace('from = "orders"', 'from = "orders"\nwhere = "status <> \'draft\'"')
    shop.deliver("orders", {}, {"order_id": "O2", "status": "draft"})
    with using(ShopFile("our.toml", text)):
        found = check(str(shop.landing))
    left_out = {"source": "orders", "rows": 1, "value": Decimal("10.00")}
    assert found.not_selected == [
        {"table": "orders", **left_out, "where": "status <> 'draft'"},
        {"table": "none", **left_out, "where": ""},
    ]
    assert found.tables["orders"] == {
        "current": 1, "superseded": 0, "quarantined": 0, "not_selected": 1,
    }  # fmt: skip


def test_without_deliveries_it_says_so(shop: Shop) -> None:
    with pytest.raises(PipelineError, match=r"nothing has landed in .* for default.toml"):
        check(str(shop.landing))


LINES = "\n".join(
    ["InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"]
    + [
        f"{invoice},{code},Thing {code},{quantity},2024-01-0{day} 08:00:00,1.5,{customer},{country}"
        for invoice, code, quantity, day, customer, country in (
            (1, "A", 2, 1, "17.0", "United Kingdom"), (1, "A", 1, 1, "17.0", "United Kingdom"),
            (2, "B", 1, 2, "", "France"), (3, "B", -1, 3, "18.0", "DE"),
        )
    ]
)  # fmt: skip


def drafted(tmp_path: Path, **files: str) -> str:
    paths = []
    for name, text in files.items():
        path = tmp_path / f"{name}.csv"
        path.write_text(text, "utf-8")
        paths.append(path)
    return propose(paths)


def test_invoice_lines_are_recognized(tmp_path: Path) -> None:
    draft = drafted(tmp_path, lines=LINES)
    tables = tables_for(ShopFile("draft.toml", draft))
    assert set(tables) >= {"bronze.lines", "silver.orders"}
    for expected in (
        'number_lines_within = ["InvoiceNo"]',
        'key = ["InvoiceNo", "_line_number"]',
        'order_date = "InvoiceDate"',
        'may_be_empty = ["customer_id"]',
        'map = { "United Kingdom" = "", "France" = "" } }',
        "# ? 1 rows below 0 are taken for returns",
    ):
        assert expected in draft, draft


def test_how_a_file_is_written_is_recognized(tmp_path: Path) -> None:
    path = tmp_path / "belege.csv"
    path.write_bytes(
        ERP.replace("12.34,5", "12,34").replace("1.2.2024", "01.02.2024").encode("cp1252")
    )
    draft = propose([path])
    tables_for(ShopFile("draft.toml", draft))
    for expected in (
        'delimiter = ";"', 'encoding = "cp1252"', "skip_lines = 1", 'decimal_mark = ","',
        'key = ["Belegnr", "Position"]', 'unit_price = "Einzelpreis"', 'category = "Warengruppe"',
    ):  # fmt: skip
        assert expected in draft, draft


def test_days_and_months_that_can_not_be_told_apart_are_asked_for(tmp_path: Path) -> None:
    def order_dates(*days: str) -> str:
        rows = "".join(f"{n},C,{day},1,2.00,P\n" for n, day in enumerate(days))
        return drafted(
            tmp_path, orders="order_id,customer_id,order_date,quantity,price,sku\n" + rows
        )

    assert 'times = ["dd/MM/yyyy"]  # ? or MM/dd/yyyy' in order_dates("01/02/2024", "03/04/2024")
    clear = order_dates("31/12/2023", "01/02/2024")
    assert 'times = ["dd/MM/yyyy"]\n' in clear
    assert 'times = ["MM/dd/yyyy"' in order_dates("12/31/2023", "01/02/2024")


def test_three_files_feed_three_tables(tmp_path: Path) -> None:
    draft = drafted(
        tmp_path,
        customers="id,first_name\n1,Ann\n",
        orders="id,user_id,order_date,status\n1,1,2024-01-01,completed\n2,1,2024-01-02,returned\n",
        payments="id,order_id,amount\n7,1,10.00\n8,2,5.00\n",
    )
    tables = tables_for(ShopFile("draft.toml", draft))
    assert tables["silver.order_items"].upstream == ("bronze.payments",)
    assert '"completed" = "sale"\n"returned" = "returned"' in draft
    assert "# ? no file describes products" in draft


def test_what_is_no_table_or_no_order_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="no line is separated by commas"):
        drafted(tmp_path, page="<html>\n")
    with pytest.raises(PipelineError, match="no file looks like orders with their items"):
        drafted(tmp_path, weather="day,rain\n1,2\n")
    with pytest.raises(PipelineError, match="No such file"):
        propose([tmp_path / "none.csv"])


def test_the_commands(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lines.csv"
    path.write_text(LINES, "utf-8")
    drafted_file = CliRunner().invoke(ecommerce, ["shop", "propose", str(path)])
    assert drafted_file.exit_code == 0
    shop.deliver("orders", {})
    monkeypatch.setenv("ECOMMERCE_LANDING", str(shop.landing))
    shown = CliRunner().invoke(ecommerce, ["shop", "check"])
    assert "Rows by table" in shown.stdout
    assert "Reasons for quarantine: none" in shown.stdout
    as_json = json.loads(CliRunner().invoke(ecommerce, ["shop", "check", "--json"]).stdout)
    assert as_json["tables"]["orders"]["current"] == 1
    schema = json.loads(CliRunner().invoke(ecommerce, ["shop", "schema"]).stdout)
    orders = schema["properties"]["tables"]["properties"]["orders"]
    one, several = orders["anyOf"]
    assert several["items"] == one == {"$ref": "#/$defs/orders"}
    assert {"from", "key", "where", "order_date"} <= schema["$defs"]["orders"]["properties"].keys()


def test_conditions_that_contradict_each_other_are_seen(shop: Shop) -> None:
    """Orders of some lines, and items of the others."""
    shop.file("lines").write_text(LINES, "utf-8")
    text = shipped_shops()["invoice_lines"].text
    items = text.index("[tables.order_items]")
    contradicting = text[:items] + text[items:].replace("'^[0-9]'", "'^C'", 1)
    for said, apart in ((text, (0, 0)), (contradicting, (0, 2))):
        with using(ShopFile("our.toml", said)):
            found = check(str(shop.landing))
            assert tuple(found.apart.values()) == apart, said


SUPERSTORE = """\
Row ID,Order ID,Order Date,Customer ID,Country,State,Product ID,Sales,Quantity,Discount
1,CA-1,1/31/2024,C1,United States,Ohio,P1,16.00,2,0.2
2,CA-1,1/31/2024,C1,United States,Ohio,P2,5.00,1,0
3,CA-2,2/14/2024,C2,United States,Texas,P1,8.00,1,0.2
"""


def test_an_export_with_amounts_of_lines_alone(tmp_path: Path) -> None:
    first, second = tmp_path / "one.csv", tmp_path / "two.csv"
    first.write_text(SUPERSTORE, "utf-8")
    second.write_text("".join(SUPERSTORE.splitlines(keepends=True)[:2]), "utf-8")
    draft = propose([first, second])
    # A row that comes again in another file is another version of it.
    assert 'key = "Row ID"' in draft
    assert 'line_total = "Sales"' in draft
    assert "round(number(`Sales`) / number(`Quantity`), 8)" in draft
    assert "# discount_percent = " in draft
    assert "its values are from 0 to 1" in draft
    # States are no statuses.
    assert 'status = { constant = "delivered" }' in draft


def test_a_file_of_products_is_taken_for_one(tmp_path: Path) -> None:
    for name, text in {
        "orders": "order_id,customer_id,order_status,order_purchase_timestamp\nO1,C1,delivered,2024-01-01 10:00:00\n",
        "order_items": "order_id,order_item_id,product_id,price\nO1,1,P1,5.00\nO1,2,P1,5.00\nO2,1,P1,5.00\n",
        "customers": "customer_id,customer_city,customer_state\nC1,recife,PR\nC2,recife,SP\n",
        "products": "product_id,product_category_name\nP1,toys\n",
    }.items():  # fmt: skip
        (tmp_path / f"{name}.csv").write_text(text, "utf-8")
    draft = propose(sorted(tmp_path.glob("*.csv")))
    assert '[tables.products]\nfrom = "products"' in draft
    assert 'key = ["order_id", "order_item_id"]' in draft
    assert "country" not in draft  # PR and SP are states of Brazil


def judged_lines(shop: Shop, text: str) -> Any:
    shop.file("lines").write_text(LINES, "utf-8")
    with using(ShopFile("our.toml", text)):
        return check(str(shop.landing))


def test_a_key_that_is_too_coarse_is_doubtful(shop: Shop) -> None:
    text = shipped_shops()["invoice_lines"].text
    assert judged_lines(shop, text).doubtful == []
    coarse = text.replace('key = ["InvoiceNo", "_line_number"]', 'key = "InvoiceNo"')
    (said,) = judged_lines(shop, coarse).doubtful
    assert (
        "1 rows worth 3.00 GBP do not count, since another row has their key: 1 in the same" in said
    )


DOUBTS = [
    ("18.0", "NULL", "silver.orders: customer_id 'NULL' (rows: 1). If it means none, write it into"),
    ("18.0", " n/a ", "silver.customers: customer_id 'n/a' (rows: 1)"),
    ("18.0", "017.0", "2 customer ids of customers and orders differ only in letter case, white "
     "space, leading zeros or Unicode form, like '017.0' and '17.0'"),
    (",B,Thing B,", ",a,Thing B,", "2 product ids of products and order_items differ only in"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "said"), DOUBTS)
def test_ids_that_are_none_or_nearly_the_same_are_doubtful(
    shop: Shop, old: str, new: str, said: str
) -> None:
    rows = LINES.replace('"', "")
    text = shipped_shops()["invoice_lines"].text.replace("number(Quantity) > 0", "true")
    shop.file("lines").write_text(rows.replace(old, new, 1), "utf-8")
    with using(ShopFile("our.toml", text)):
        found = check(str(shop.landing)).doubtful
    assert any(said in one for one in found), found


def test_ids_that_are_addresses_are_doubtful(shop: Shop) -> None:
    """Gold would show them."""
    own = {"customer_id": "ann@example.com"}
    shop.deliver("orders", own, {"order_id": "O2"})
    shop.deliver("customers", own)
    shop.deliver("order_items", {}, {"order_item_id": "I2", "order_id": "O2"})
    found = [one for one in check(str(shop.landing)).doubtful if "e-mail address" in one]
    assert [one.split(":")[0] for one in found] == ["silver.customers", "silver.orders"]
    assert "md5(lower(trim(`HEADER`)))" in found[0]
    assert 'accept = ["ids_that_are_addresses"]' in found[0]


def test_a_condition_that_selects_nothing_is_doubtful(shop: Shop) -> None:
    text = shipped_shops()["invoice_lines"].text
    wrong = text.replace("CustomerID <> ''", "CustomerID = 'x'")
    (said,) = judged_lines(shop, wrong).doubtful
    assert said == (
        "silver.customers: tables.customers.where selects none of 4 rows (If it is meant: accept = "
        '["nothing_selected"] in tables.customers.)'
    )


def test_orders_without_items_are_doubtful(shop: Shop) -> None:
    shop.deliver("orders", *[{"order_id": f"O{n}"} for n in range(40)])
    shop.deliver("order_items", {"order_id": "O0"})
    found = check(str(shop.landing)).doubtful
    assert any(one.startswith("silver.orders: 39 of 40 orders have no item.") for one in found)


def test_discounts_that_are_fractions_are_doubtful(shop: Shop) -> None:
    text = shipped_shops()["invoice_lines"].text
    fractions = text.replace('unit_price = "UnitPrice"',
                             'unit_price = "UnitPrice"\ndiscount_percent = { constant = 0.2 }', 1)  # fmt: skip
    (said,) = judged_lines(shop, fractions).doubtful
    assert "all 3 discounts are below 1 percent" in said


def test_what_a_run_would_not_publish_is_said(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = [{"order_id": f"O{n}", "status": "lost" if n % 2 else "shipped"} for n in range(6)]
    shop.deliver("orders", *orders)
    shop.deliver("order_items", *[{"order_id": f"O{n}"} for n in range(6)])
    found = check(str(shop.landing))
    moved, quarantined = found.blocked
    assert quarantined.startswith("silver.orders: 50 % of its rows would be quarantined (limit 5 %")
    assert moved.startswith("silver.order_items: 83.3 % of its rows name another order_id")
    monkeypatch.setenv("ECOMMERCE_LANDING", str(shop.landing))
    told = CliRunner().invoke(ecommerce, ["shop", "check"])
    assert told.exit_code == 1
    assert "A run would not publish silver.orders" in told.stdout
    monkeypatch.setenv("ECOMMERCE_QUARANTINE_LIMIT", "1")
    monkeypatch.setenv("ECOMMERCE_IDENTITY_LIMIT", "1")
    told = CliRunner().invoke(ecommerce, ["shop", "check"])
    assert "A run would not publish" not in told.stdout
    assert "orders have no item." in told.stdout
    assert told.exit_code == 1
    for row in orders:
        row["status"] = "shipped"
    shop.deliver("orders", *orders)
    shop.deliver(
        "order_items", *[{"order_item_id": f"I{n}", "order_id": f"O{n}"} for n in range(6)]
    )
    assert CliRunner().invoke(ecommerce, ["shop", "check"]).exit_code == 0


def test_the_worked_example_of_the_documents(shop: Shop) -> None:
    page = Path(__file__).parents[2].joinpath("docs/how-to/shop.md").read_text("utf-8")
    lines, text = (re.search(rf"```{kind}\n(.*?)```", page, re.DOTALL) for kind in ("csv", "toml"))
    assert lines
    assert text
    shop.file("lines").write_text(lines[1], "utf-8")
    with using(ShopFile("shop.toml", text[1])):
        found = check(str(shop.landing))
    assert found.doubtful == []
    assert found.tables["order_items"]["current"] == 3
    assert found.months == [
        {"month": "2010-12", "revenue": Decimal("35.64"), "returned": Decimal("3.39"),
         "net_revenue": Decimal("32.25"), "orders": 2},
    ]  # fmt: skip
    left_out = {row["table"]: row["value"] for row in found.not_selected}
    assert left_out["order_items"] == Decimal("-3.39")
