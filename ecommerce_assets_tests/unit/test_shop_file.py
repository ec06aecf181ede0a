"""The shop file: what it says comes true, and every mistake in it is one clear line."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import pytest

from ecommerce_assets.code_version import code_version
from ecommerce_assets.dashboard.build import build_dashboard
from ecommerce_assets.engine.duck import must_know_zones
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.jobs import run
from ecommerce_assets.query.summary import summary
from ecommerce_assets.settings import Settings
from ecommerce_assets.shop import Shop as ShopFile
from ecommerce_assets.shop import current_shop, read_shop, shipped_shops, using
from ecommerce_assets.tables import tables_for
from ecommerce_assets.tables.silver import feeds_of
from ecommerce_assets.trial.check import check
from ecommerce_assets_tests.shop import Shop, mistake_in

D = Decimal
LINES = shipped_shops()["invoice_lines"].text
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"


def changed(old: str, new: str) -> str:
    assert LINES.count(old) >= 1, old
    return LINES.replace(old, new)


MISTAKES = [
    ("currency", changed('"GBP"', '"EURO"'), "shop.currency: 'EURO' is no currency"),
    ("zone", changed("Europe/London", "Europe/Lundon"),
     "shop.zone: 'Europe/Lundon' is no time zone. Did you mean Europe/London?"),
    ("no header", changed("number_lines_within", 'header = ["InvoiceNo"]\nnumber_lines_within'),
     "sources.lines: header: it has no 'StockCode'"),
    ("header twice", changed("number_lines_within", 'header = ["A", "A"]\nnumber_lines_within'),
     "sources.lines: header: it has no 'InvoiceNo'"),
    ("escape", changed("number_lines_within", 'escape = ","\nnumber_lines_within'),
     "sources.lines: delimiter, quote and escape must differ"),
    ("doubt", changed('key = "StockCode"', 'key = "StockCode"\naccept = "all"'),
     "tables.products.accept.0: is 'all'; input should be"),
    ("no TOML", changed('currency = "GBP"', "currency = GBP"), "not TOML"),
    ("unknown key", changed("number_lines_within", "number_line_within"),
     "sources.lines.number_line_within: there is no such key. Did you mean number_lines_within?"),
    ("unknown part", LINES + "[rules]\n", "rules: there is no such key."),
    ("missing part", LINES.partition("[vocabulary]")[0], "vocabulary: is missing"),
    ("missing table", LINES.replace("[tables.products]", "[tables.product]"),
     "tables.product: there is no such table. Did you mean products?"),
    ("unknown source", changed('from = "lines"', 'from = "line"'),
     "tables.orders.from: there is no source 'line'. Did you mean lines?"),
    ("name of a source", LINES.replace("[sources.lines]", "[sources.Lines]"),
     "sources.Lines: a source's name is a table's"),
    ("role", changed('delivered = "sale"', 'delivered = "sold"'),
     "vocabulary.statuses.delivered: is 'sold'; input should be 'open', 'sale'"),
    ("two roles", changed('{ delivered = "sale" }', '{ delivered = "sale", Delivered = "open" }'),
     "vocabulary.statuses: 'Delivered' has two roles; capital and small letters do not differ"),
    ("no status", changed('statuses = { delivered = "sale" }', "statuses = {}"),
     "vocabulary.statuses: is {}"),
    ("group of lines", changed('within = ["InvoiceNo"]', 'within = ["Invoice"]'),
     "number_lines_within: there is no header 'Invoice'. Did you mean InvoiceNo?"),
    ("delimiter", changed("[sources.lines]", "[sources.lines]\ndelimiter = ';;'"),
     "sources.lines.delimiter: is ';;'"),
    ("encoding", changed("[sources.lines]", "[sources.lines]\nencoding = 'cp9'"),
     "sources.lines.encoding: 'cp9' is no encoding"),
    ("pattern of times", changed("[sources.lines]", "[sources.lines]\ntimes = 'DD.Q.yyyy'"),
     "'DD.Q.yyyy' has DD, which is no part of a time. Did you mean dd?"),
    ("two patterns", changed("[sources.lines]", "[sources.lines]\ntimes = ['d/M/yyyy', 'M/d/yyyy H:mm', 'M/d/yyyy']"),
     "sources.lines.times: 'd/M/yyyy' and 'M/d/yyyy' read '01/02/2003' as different times"),
    ("words in a pattern", changed("[sources.lines]", "[sources.lines]\ntimes = 'd.M.yyyy [HH]'"),
     "'d.M.yyyy [HH]' is no pattern of a time"),
    ("minutes for months", changed("[sources.lines]", "[sources.lines]\ntimes = 'd/m/yyyy'"),
     "'d/m/yyyy' lacks M, the month; m is the minute"),
    ("half a day", changed("[sources.lines]", "[sources.lines]\ntimes = 'd/M/yyyy hh:mm'"),
     "has h, which takes a for AM or PM"),
    ("no header", changed('required = ["InvoiceNo"', 'required = [1, "InvoiceNo"'),
     "sources.lines.required: is [1,"),
    ("a table twice", LINES.replace("[tables.products]", "[[tables.orders]]\nfrom = 'lines'\n[tables.products]"),
     "a table from several sources is written [[tables.NAME]] each time"),
    ("marks", changed("[sources.lines]", "[sources.lines]\nthousands = '.'"),
     "thousands and decimal_mark must differ"),
    ("headers alike", changed('"Country"]', '"Country", "country"]'),
     "the headers 'Country' and 'country' would be one column"),
    ("two origins", changed('{ constant = "delivered" }', '{ constant = "x", sql = "y" }'),
     "it has constant and sql"),
    ("unknown header", changed('order_date = "InvoiceDate"', 'order_date = "Invoicedate"'),
     "tables.orders.order_date: the source has no header 'Invoicedate'. Did you mean InvoiceDate?"),
    ("unknown column", changed("order_date =", "ordered_at ="),
     "tables.orders.ordered_at: silver.orders has no such column."),
    ("header of the key", changed('key = "InvoiceNo"', 'key = "Invoice"'),
     "tables.orders.key: the source has no header 'Invoice'. Did you mean InvoiceNo?"),
    ("no key", changed('key = "StockCode"\n', ""),
     "tables.products.key: is missing: name the headers that identify a row of products"),
    ("mapped key", LINES.replace('key = "StockCode"', 'product_id = { column = "StockCode", '
                                 'map = { A = "B" } }'),
     "tables.products.product_id: is the key, so its values can't be mapped"),
    ("line number", changed('number_lines_within = ["InvoiceNo"]', ""),
     "no header '_line_number'. It takes `number_lines_within`"),
    ("no date", changed('order_date = "InvoiceDate"\n', ""),
     "tables.orders.order_date: is missing: name a header"),
    ("no customer", changed('customer_id = "CustomerID"\n', "").replace(
        'may_be_empty = ["customer_id"]                # such orders belong to the guest\n', ""),
     "tables.orders.customer_id: is missing: name a header"),
    ("empty quantity", changed('unit_price = "UnitPrice"\n', 'unit_price = "UnitPrice"\n'
                               'may_be_empty = ["quantity"]\n'),
     "tables.order_items.quantity: may not be empty"),
    ("warned of a price", changed('may_be_empty = ["name"]', 'warn = ["price"]'),
     "tables.products.warn: price can't be kept"),
    ("no SQL", changed("number(Quantity) > 0", "(Quantity > 0"),
     "(Quantity > 0\" is no expression of DuckDB's SQL: syntax error at or near"),
    ("column of SQL", changed("number(Quantity)", "number(Qty)"),
     "where: \"regexp_matches(InvoiceNo, '^[0-9]') and number(Qty) > 0\" reads Qty, "
     "which is no header of the source."),
    ("aggregate", changed('{ constant = "goods" }', '{ sql = "max(StockCode)" }'),
     "looks at more than one row (max)"),
    ("window", changed('{ constant = "goods" }',
                       '{ sql = "lag(StockCode) over (order by StockCode)" }'),
     "looks at more than one row"),
    ("clock", changed('{ constant = "goods" }', '{ sql = "cast(today() as text)" }'),
     "uses today, whose value differs from run to run"),
    ("clock without brackets", changed('{ constant = "goods" }', '{ sql = "current_date || StockCode" }'),
     "reads current_date, which is no header of the source"),
    ("macro of a clock", changed('{ constant = "goods" }', '{ sql = "cast(ago(interval 1 day) as text)" }'),
     "uses ago, whose value differs from run to run"),
    ("clock of the day", changed('{ constant = "goods" }', '{ sql = "cast(current_localtimestamp() as text)" }'),
     "uses current_localtimestamp, whose value differs"),
    ("age", changed('{ constant = "goods" }', '{ sql = "year(age(try_cast(InvoiceDate as timestamp)))" }'),
     "uses age, whose value differs"),
    ("cast that fails", changed("number(Quantity)", "cast(Quantity as int)"),
     "write try_cast(… AS …)"),
    ("null", changed("CustomerID <> ''", "CustomerID is not null"),
     "'CustomerID is not null' asks whether CustomerID is null; a field that is empty, or that a file "
     "lacks, is an empty text: compare it with ''"),
    ("two numbers", changed("number(Quantity)", "number(Quantity, UnitPrice)"),
     "must give number one text, as in number(Quantity)"),
    ("first part", changed('{ constant = "goods" }', "{ sql = \"string_split(StockCode, ' ')[0]\" }"),
     "takes part 0 of a list; DuckDB counts from 1"),
    ("no condition", changed("where = \"CustomerID <> ''\"", 'where = "try_cast(CustomerID as date)"'),
     "is no condition, but of type DATE; compare it"),
    ("odd blanks", changed('{ constant = "goods" }', '{ sql = "StockCode\u00a0|| Country" }'),
     "has odd white space beside"),
    ("chance", changed('{ constant = "goods" }', '{ sql = "cast(random() as text)" }'),
     "uses random, whose value differs from run to run"),
    ("a query", changed('{ constant = "goods" }', '{ sql = "(select 1)" }'),
     "looks at more than one row (subquery)"),
    ("a file", changed('{ constant = "goods" }', '{ sql = "read_text(StockCode)" }'),
     "looks at more than one row (read_text)"),
    ("unknown function", changed('{ constant = "goods" }', '{ sql = "kind_of(StockCode)" }'),
     "tables.products.category: 'kind_of(StockCode)' can't be computed: Catalog Error: Scalar "
     "Function with name kind_of does not exist"),
    ("texts are no numbers", changed('unit_price = "UnitPrice"', 'unit_price = { sql = "UnitPrice * Quantity" }'),
     "Headers are texts; take their numbers first, as in number(Quantity)."),
    ("two expressions", changed('{ constant = "goods" }', '{ sql = "StockCode, Country" }'),
     "must be one expression of a row"),
    ("no rates", changed("[vocabulary]", "[vocabulary]\ncurrencies = ['EUR', 'USD']"),
     "vocabulary.currencies: EUR, USD can't be converted: say where tables.exchange_rates comes from"),
    ("rates of nothing", changed("[vocabulary]", "[tables.exchange_rates]\nfrom = 'lines'\n[vocabulary]"),
     "tables.exchange_rates: nothing is converted: name the currencies that orders may have beside GBP"),
    ("no currency", changed("[vocabulary]", "[vocabulary]\ncurrencies = ['EURO']"), "'EURO' is no currency"),
    ("named result", changed('{ constant = "goods" }', '{ sql = "StockCode as x" }'),
     "must not name its result"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_a_mistake_is_one_line_with_file_key_and_remedy(text: str, said: str) -> None:
    assert said in mistake_in(text)


def test_several_mistakes_are_several_lines() -> None:
    text = changed('"GBP"', '"X"').replace('"sale"', '"sold"')
    with pytest.raises(PipelineError) as caught:
        tables_for(ShopFile("our.toml", text))
    assert len(str(caught.value).splitlines()) == 2


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "our.toml").write_text(LINES, "utf-8-sig")
    assert read_shop(tmp_path / "our.toml").declared == ShopFile("our.toml", LINES).declared


def test_a_file_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PipelineError, match=r"ECOMMERCE_SHOP is .*none.toml.*No such file"):
        read_shop(tmp_path / "none.toml")
    file = tmp_path / "our.toml"
    file.write_text(LINES)
    monkeypatch.setenv("ECOMMERCE_SHOP", str(file))
    assert current_shop().currency == "GBP"
    monkeypatch.delenv("ECOMMERCE_SHOP")
    assert current_shop().currency == "EUR"


def test_a_changed_file_recomputes_what_it_touches_alone() -> None:
    def versions(text: str) -> dict[str, str]:
        tables = tables_for(ShopFile("our.toml", text))
        return {name: table.code_version for name, table in tables.items()}

    def touched(text: str) -> set[str]:
        before, after = versions(LINES), versions(text)
        return {name for name in before if before[name] != after[name]}

    products = {"silver.products", "silver.products_quarantine"}
    assert touched(changed('constant = "goods"', 'constant = "things"')) == products
    assert touched(changed('"Germany" = "DE"', '"EIRE" = "IE"')) == {
        "silver.customers", "silver.customers_quarantine",
    }  # fmt: skip
    assert touched(LINES + "# a remark\n") == set()
    # The lines' items have no time.
    with_times = {name for name in versions(LINES) if re.match(r"silver\.(?!order_items)", name)}
    assert touched(changed("Europe/London", "UTC")) == with_times
    statuses = changed('{ delivered = "sale" }', '{ delivered = "sale", lost = "cancelled" }')
    assert touched(statuses) == {
        "silver.orders", "silver.orders_quarantine", "gold.fact_sales", "gold.fact_returns",
    }  # fmt: skip
    assert "bronze.lines" in touched(changed("[sources.lines]", "[sources.lines]\nskip_lines = 1"))


def test_a_column_says_where_it_comes_from() -> None:
    tables = tables_for(ShopFile("our.toml", LINES))
    described = {
        name: column.description for name, column in tables["silver.orders"].columns.items()
    }
    assert described["order_date"] == "Time of the order, UTC. Source: InvoiceDate."
    assert described["status"] == "Order status. Source: always 'delivered'."
    assert described["order_id"] == "Order number; the key. Source: InvoiceNo."
    assert described["total_amount"].endswith("Source: not delivered.")
    assert described["business_date"].endswith("Source: computed.")
    default = tables_for(shipped_shops()["default"])["silver.orders"].columns
    assert default["order_date"].description == "Time of the order, UTC."


def test_numbers_of_lines_and_records_are_texts_in_a_key() -> None:
    for key in ("_line_number", "_row_number"):
        tables = tables_for(ShopFile("our.toml", changed('key = "StockCode"', f'key = "{key}"')))
        (feed,) = feeds_of(tables["silver.products"])
        assert feed.texts["product_id"] == f'CAST("{key}" AS VARCHAR)'


def test_every_zone_that_a_shop_file_may_name_is_known() -> None:
    must_know_zones(available_timezones() - {"localtime"})


def test_a_zone_that_only_the_machine_knows_is_refused_at_the_start(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecommerce_assets.shop.model._zones", lambda: {"Mars/Olympus", "UTC"})
    with using(ShopFile("our.toml", changed("Europe/London", "Mars/Olympus"))):
        lines(shop, "1,A,Lamp,1,2024-01-01T09:00:00,2.50,17.0,Germany")
        for refused in (lambda: check(str(shop.landing)), lambda: shop.run("bronze")):
            with pytest.raises(PipelineError, match="knows no time zone Mars/Olympus: name one"):
                refused()


def test_words_have_no_letter_case(shop: Shop) -> None:
    """As a person copies them from an export."""
    text = changed('{ delivered = "sale" }', '{ Delivered = "sale" }')
    text = text.replace('constant = "delivered"', 'constant = "DELIVERED"')
    text = text.replace('"Germany" = "DE"', '"Germany" = "de"')
    with using(ShopFile("our.toml", text)):
        lines(shop, "1,A,Lamp,1,2024-01-01T09:00:00,2.50,17.0,Germany")
        found = check(str(shop.landing))
        assert (found.unknown, found.tables["orders"]["current"]) == ([], 1)
        shop.run_all()
    assert shop.one("select status, is_sale from gold.fact_sales") == {
        "status": "delivered", "is_sale": True,
    }  # fmt: skip
    assert shop.one("select country from silver.customers")["country"] == "DE"


def test_a_code_version_is_of_the_plain_parts() -> None:
    """Two shops of the same content have the same versions, whatever their files are called."""
    one, other = (tables_for(ShopFile(name, LINES)) for name in ("a.toml", "b.toml"))
    assert all(one[name].code_version == other[name].code_version for name in one)
    assert code_version(1) != code_version(2)


def lines(shop: Shop, *rows: str, day: str = "2024-01-01", header: str = HEADER) -> None:
    shop.file("lines", day).write_text(header + "".join(f"{row}\n" for row in rows), "utf-8")


@pytest.fixture(scope="module")
def wholesaler(module_shop: Shop) -> Shop:
    """Two days of invoice lines."""
    with using(ShopFile("our.toml", LINES)):
        lines(
            module_shop,
            "1,A,Lamp,1000,2024-01-01T09:00:00,0.005,17.0,United Kingdom",
            "1,A,Lamp,1,2024-01-01T09:00:00,2.50,17.0,United Kingdom",
            "2,B,Vase,2,2024-01-01T10:00:00,1.00,,Germany",
            "3,B,Vase,3,2024-01-01T11:00:00,1.00,,Germany",
            "C1,A,Lamp,-1,2024-01-01T12:00:00,2.50,17.0,United Kingdom",
        )
        # Half past midnight in London is the evening before in UTC.
        lines(
            module_shop,
            "4,C,,1,2024-07-01T00:30:00,4.00,18.0,Atlantis",
            "4,B,Jug,x,2024-07-01T00:30:00,4.00,18.0,Atlantis",
            "4,B,Jug,1,2024-07-01T00:30:00,4.00,18.0,Atlantis",
            day="2024-01-02",
        )
        module_shop.run_all("2024-01-01", "2024-01-02")
    return module_shop


def test_a_row_whose_condition_can_not_be_told_is_quarantined(wholesaler: Shop) -> None:
    """It may be a sale: a quantity that is no number is neither above 0 nor not."""
    for table in ("orders", "order_items"):
        (row,) = wholesaler.query(f"select Quantity, _reasons from silver.{table}_quarantine")
        assert row["Quantity"] == "x"
        assert "where: can't be told for this row" in row["_reasons"]


def test_a_condition_reads_numbers_as_the_source_writes_them(shop: Shop) -> None:
    text = changed("[sources.lines]", "[sources.lines]\nthousands = ','")
    with using(ShopFile("our.toml", text)):
        lines(
            shop,
            '1,A,Lamp,"1,200",2024-01-01T09:00:00,2.00,17.0,Germany',
            '2,A,Lamp,"-1,200",2024-01-01T09:00:00,2.00,17.0,Germany',
            "3,A,Lamp, 3 ,2024-01-01T09:00:00,2.00,17.0,Germany",
        )
        shop.run_all()
        assert shop.query("select order_id, revenue from gold.fact_sales order by 1") == [
            {"order_id": "1", "revenue": D("2400.00")},
            {"order_id": "3", "revenue": D("6.00")},
        ]
        assert not shop.content("silver.order_items_quarantine")


def test_what_a_file_lacks_is_an_empty_text_to_a_condition() -> None:
    (feed,) = feeds_of(tables_for(ShopFile("our.toml", LINES))["silver.customers"])
    assert feed.where == """TRY((coalesce("CustomerID", '') <> ''\n))"""


def test_a_line_that_sells_nothing_names_no_product(shop: Shop) -> None:
    """Stock adjustments are lines called `check` or `damaged`."""
    with using(ShopFile("our.toml", LINES)):
        lines(
            shop,
            "1,A,Lamp,1,2024-01-01T09:00:00,2.50,17.0,Germany",
            "2,A,damaged,-3,2024-01-02T09:00:00,0,,Germany",
            "3,A,found,3,2024-01-03T09:00:00,0,,Germany",
        )
        shop.run("bronze")
        shop.run("silver", "products,products_quarantine")
    assert shop.one("select name, price from silver.products") == {
        "name": "Lamp", "price": D("2.5000"),
    }  # fmt: skip


def test_lines_feed_four_tables(wholesaler: Shop) -> None:
    items = wholesaler.query(
        "select order_item_id, order_id, unit_price, line_total from silver.order_items order by 1"
    )
    assert [tuple(item.values()) for item in items] == [
        ("1|1", "1", D("0.0050"), D("5.00")), ("1|2", "1", D("2.5000"), D("2.50")),
        ("2|1", "2", D("1.0000"), D("2.00")), ("3|1", "3", D("1.0000"), D("3.00")),
        ("4|1", "4", D("4.0000"), D("4.00")), ("4|3", "4", D("4.0000"), D("4.00")),
    ]  # fmt: skip
    products = wholesaler.query("select product_id, name from silver.products order by 1")
    assert [tuple(row.values()) for row in products] == [("A", "Lamp"), ("B", "Jug"), ("C", None)]
    customers = wholesaler.query(
        "select customer_id, country, email from silver.customers order by 1"
    )
    assert [tuple(row.values()) for row in customers] == [
        ("17.0", "GB", None), ("18.0", "ATLANTIS", None),
    ]  # fmt: skip


def test_a_price_of_half_a_cent_counts(wholesaler: Shop) -> None:
    fact = wholesaler.one("select * from gold.fact_sales where order_item_id = '1|1'")
    assert (fact["gross_amount"], fact["revenue"], fact["discount"]) == (
        D("5.00"), D("5.00"), D("0.00"),
    )  # fmt: skip


def test_guests_count_in_revenue_and_in_no_ranking(wholesaler: Shop) -> None:
    day = wholesaler.one("select * from gold.daily_revenue where order_date = '2024-01-01'")
    assert (day["revenue"], day["orders"], day["customers"]) == (D("12.50"), 3, 1)
    guest = wholesaler.one("select * from gold.dim_customer where customer_id = '(guest)'")
    assert (guest["segment"], guest["is_inferred"]) == ("guest", False)
    for kpi in ("customer_lifetime_value", "orders_per_customer"):
        ranked = wholesaler.query(f"select customer_id from gold.{kpi} order by 1")
        assert [row["customer_id"] for row in ranked] == ["17.0", "18.0"]


def test_the_business_day_is_that_of_the_shop(wholesaler: Shop) -> None:
    order = wholesaler.one(
        "select order_date, business_date from silver.orders where order_id = '4'"
    )
    assert f"{order['order_date']:%Y-%m-%d %H:%M}" == "2024-06-30 23:30"
    assert f"{order['business_date']}" == "2024-07-01"
    fact = wholesaler.one("select order_date, date_key from gold.fact_sales "
                          "where order_item_id = '4|1'")  # fmt: skip
    assert (f"{fact['order_date']}", fact["date_key"]) == ("2024-07-01", 20240701)


def test_a_row_that_speaks_of_no_order_is_not_selected(wholesaler: Shop) -> None:
    assert wholesaler.query("select * from silver.orders where order_id = 'C1'") == []


def test_rows_of_no_table_are_counted(shop: Shop) -> None:
    from ecommerce_assets.jobs import materialize as materializing
    from ecommerce_assets.jobs.outcome import Published

    found: list[Published] = []
    made = materializing.materialize

    def watched(*arguments: Any) -> list[Published]:
        found.extend(made(*arguments))
        return found

    lines(shop, "1,A,B,1,2024-01-01,1.00,,", "C1,POST,B,1,2024-01-01,1.00,,")
    with using(ShopFile("our.toml", LINES)), pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "materialize", watched)
        shop.run("bronze")
    assert found[0].metrics == {"rows_of_no_table": 1}


def test_an_operand_is_replaced_once_however_often_it_is_compared() -> None:
    sql = "case StockCode when 'a' then 'x' when 'b' then Country end"
    text = changed('constant = "goods"', f'sql = "{sql}"')
    (feed,) = feeds_of(tables_for(ShopFile("our.toml", text))["silver.products"])
    assert (
        """case "StockCode" when 'a' then 'x' when 'b' then "Country" end"""
        in feed.texts["category"]
    )
    assert feed.reads["category"] == ("StockCode", "Country")


def test_rows_of_no_table_are_a_figure_only_where_there_can_be_any() -> None:
    def audits(text: str) -> int:
        return len(tables_for(ShopFile("our.toml", text))["bronze.lines"].audits)

    head, _, tail = LINES.partition("[tables.products]")
    every = f"{head}[tables.products]{re.sub('where = .*', '', tail, count=1)}"
    assert audits(LINES) == audits(every) + 1  # else every line speaks of a product


def test_different_keys_of_several_columns_stay_different(shop: Shop) -> None:
    text = changed('key = "StockCode"', 'key = ["StockCode", "Description"]')
    with using(ShopFile("our.toml", text)):
        lines(
            shop,
            "1,A|B,C,1,2024-01-01,1.00,,",
            "1,A,B|C,1,2024-01-01,1.00,,",
            "1, A ,\\|C,1,2024-01-01,1.00,,",
            "1,A\\,C,1,2024-01-01,1.00,,",
            "1,,C,1,2024-01-01,1.00,,",
        )
        shop.run("bronze")
        shop.run("silver", "products,products_quarantine")
    keys = shop.query("select product_id from silver.products order by 1")
    assert [row["product_id"] for row in keys] == [
        "A\\\\|C", "A\\|B|C", "A|B\\|C", "A|\\\\\\|C",
    ]  # fmt: skip
    (broken,) = shop.query("select _reasons from silver.products_quarantine")
    assert broken["_reasons"] == ["product_id: required value is empty"]


PAYMENTS = """
[shop]
currency = "USD"

[sources.raw_orders]
required = ["id", "user_id", "order_date"]

[sources.raw_payments]
required = ["id", "order_id", "amount"]

[tables.orders]
from = "raw_orders"
key = "id"
customer_id = "user_id"
status = { constant = "completed" }

[tables.order_items]
from = "raw_payments"
key = "id"
product_id = { constant = "sale" }
quantity = { constant = 1 }
unit_price = { sql = "try_cast(amount as decimal(18, 4)) / 100" }
line_total = { sql = "try_cast(amount as double) / 100" }

[vocabulary.statuses]
completed = "sale"
"""


def test_items_from_payments_without_customers_or_products(shop: Shop) -> None:
    """Amounts in cents, computed: some are written with an exponent."""
    shop.file("raw_orders").write_text("id,user_id,order_date\n1,7,2024-01-01\n2,8,2024-01-01\n")
    shop.file("raw_payments").write_text(
        "id,order_id,amount\n1,1,1000\n2,1,0\n3,2,0.01\n4,2,2000000000\n5,2,x\n"
    )
    with using(ShopFile("our.toml", PAYMENTS)):
        shop.run_all()
        items = shop.query(
            "select order_item_id, unit_price, line_total from silver.order_items order by 1"
        )
        assert [tuple(item.values()) for item in items] == [
            ("1", D("10.0000"), D("10.00")), ("2", D("0.0000"), D("0.00")),
            ("3", D("0.0001"), D("0.00")), ("4", D("20000000.0000"), D("20000000.00")),
        ]  # fmt: skip
        (broken,) = shop.query("select _reasons from silver.order_items_quarantine")
        assert broken["_reasons"] == ["unit_price: required value is empty"]
        trial = check(str(shop.landing))
        assert trial.tables["order_items"]["current"] == 4
        settings = Settings(landing=str(shop.landing), lakehouse=str(shop.lakehouse),
                            dashboard=str(shop.dashboard))  # fmt: skip
        told = summary(settings)["tables"]
        assert [(row["table"], row["delivered"], row["current"]) for row in told] == [
            ("order_items", 5, 4), ("orders", 2, 2),
        ]  # fmt: skip
        build_dashboard(settings)
    assert "USD" in shop.dashboard.read_text("utf-8")
