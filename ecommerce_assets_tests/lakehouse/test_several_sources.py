"""Tables that several sources feed: two shops, or a folder for each year."""

from decimal import Decimal

import pyarrow as pa
import pytest

from ecommerce_assets.dashboard.figures import sources
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.query.local import connect
from ecommerce_assets.query.trace import trace
from ecommerce_assets.shop import Shop as ShopFile
from ecommerce_assets.shop import using
from ecommerce_assets.tables import tables_for
from ecommerce_assets.trial.check import check
from ecommerce_assets_tests.lakehouse.test_trial import made, months
from ecommerce_assets_tests.shop import Shop, mistake_in

D = Decimal
TWO_SHOPS = """
[shop]
currency = "EUR"
zone = "Europe/Berlin"

[sources.web]
required = ["order", "customer", "mail", "sku", "title", "quantity", "price", "at"]
optional = ["changed"]
number_lines_within = ["order"]

[sources.till]
delimiter = ";"
encoding = "cp1252"
decimal_mark = ","
times = "dd.MM.yyyy HH:mm"
required = ["Bon", "Pos", "Artikel", "Menge", "Preis", "Zeit"]
optional = ["SKU"]

[[tables.orders]]
from = "web"
where = "quantity <> '0'"
key = "order"
customer_id = "customer"
order_date = "at"
status = { constant = "paid" }
updated_at = "changed"

[[tables.orders]]
from = "till"
order_id = { sql = "concat('T', Bon)" }
customer_id = { constant = "" }
may_be_empty = ["customer_id"]
order_date = "Zeit"
status = { constant = "paid" }

[[tables.order_items]]
from = "web"
where = "quantity <> '0'"
key = ["order", "_line_number"]
order_id = "order"
product_id = "sku"
quantity = "quantity"
unit_price = "price"
updated_at = "changed"

[[tables.order_items]]
from = "till"
order_item_id = { sql = "concat('T', Bon, '.', Pos)" }
order_id = { sql = "concat('T', Bon)" }
product_id = "Artikel"
quantity = "Menge"
unit_price = "Preis"

[[tables.products]]
from = "web"
key = "sku"
name = "title"
category = { constant = "goods" }
updated_at = "changed"

[[tables.products]]
from = "till"
key = "Artikel"
name = { constant = "" }
category = { constant = "goods" }
may_be_empty = ["name"]

[tables.customers]
from = "web"
where = "customer <> ''"
key = "customer"
email = "mail"

[vocabulary]
statuses = { paid = "sale" }
"""
WEB = "order,customer,mail,sku,title,quantity,price,at,changed\n"
TILL = "Bon;Pos;Artikel;Menge;Preis;Zeit;SKU\n"
FIRST, SECOND = "2024-01-01", "2024-01-02"


def web(shop: Shop, *rows: str, day: str = FIRST) -> None:
    shop.file("web", day).write_text(WEB + "".join(f"{row}\n" for row in rows), "utf-8")


def till(shop: Shop, *rows: str, day: str = FIRST) -> None:
    shop.file("till", day).write_text(TILL + "".join(f"{row}\n" for row in rows), "cp1252")


def text_with(old: str, new: str) -> str:
    assert old in TWO_SHOPS, old
    return TWO_SHOPS.replace(old, new, 1)


@pytest.fixture(scope="module")
def two_shops(module_shop: Shop) -> Shop:
    with using(ShopFile("our.toml", TWO_SHOPS)):
        web(
            module_shop,
            "1,C1,ann@example.com,A,Lamp,2,1.50,2024-01-01T10:00:00,",
            "1,C1,ann@example.com,B,Vase,x,1.50,2024-01-01T10:00:00,",
            "2,C1,ann@example.com,A,Lamp,0,1.50,2024-01-01T10:00:00,",
        )
        till(
            module_shop,
            "1;1;A;1;1.000,00;01.01.2024 11:00;",
            "1;2;C;3;0,50;01.01.2024 11:00;",
            "2;1;A;1;2,00;31.12.2023 23:30;",
        )
        module_shop.run_all()
    return module_shop


def test_both_are_in_the_tables(two_shops: Shop) -> None:
    items = two_shops.query("select order_item_id, unit_price from silver.order_items order by 1")
    assert [tuple(item.values()) for item in items] == [
        ("1|1", D("1.5000")), ("T1.2", D("0.5000")), ("T2.1", D("2.0000")),
    ]  # fmt: skip
    days = two_shops.query("select order_date, revenue from gold.daily_revenue order by 1")
    assert [f"{day['order_date']} {day['revenue']}" for day in days] == [
        "2023-12-31 2.00", "2024-01-01 4.50",
    ]  # fmt: skip
    # The price of the till lacks a separator that the file declares.
    broken = two_shops.query(
        'select _source, _reasons, "quantity", "Menge", "Preis" '
        "from silver.order_items_quarantine order by 1"
    )
    assert [tuple(row.values()) for row in broken] == [
        ("till", ["unit_price: not a number, or out of range"], None, "1", "1.000,00"),
        ("web", ["quantity: not a whole number, or out of range"], "x", None, None),
    ]


def test_every_row_of_both_is_accounted_for(two_shops: Shop) -> None:
    with using(ShopFile("our.toml", TWO_SHOPS)):
        found = check(str(two_shops.landing))
        assert found.tables == made(two_shops)
        assert found.months == months(two_shops)
        assert found.tables["order_items"] == {
            "current": 3, "superseded": 0, "quarantined": 2, "not_selected": 1,
        }  # fmt: skip
        assert sources() == ["customers", "order_items", "orders", "products"]


def test_a_row_is_traced_to_the_source_that_has_it(two_shops: Shop) -> None:
    with using(ShopFile("our.toml", TWO_SHOPS)):
        connection = connect(str(two_shops.lakehouse))

        def query(sql: str) -> pa.Table:
            return connection.sql(sql).to_arrow_table()

        parts = {p.title: p for p in trace("fact_sales", "T1.2", query, limit=5, on_aws=False)}
        of_items = {
            title.split(",")[0]: part for title, part in parts.items() if "order_items" in title
        }
        assert {name: part.rows for name, part in of_items.items()} == {
            "bronze.web": 0, "bronze.till": 1,
        }  # fmt: skip
        assert of_items["bronze.till"].first.to_pylist()[0]["fate"] == "current"
        record = "till/ingestion_date=2024-01-01/rows.csv,1"
        (row, web_rows, till_rows) = trace(
            "order_items_quarantine", record, query, limit=5, on_aws=False
        )
        assert (row.rows, web_rows.rows, till_rows.rows) == (1, 0, 1)
        assert till_rows.first.to_pylist()[0]["fate"].startswith("quarantined: unit_price")


def test_columns_name_the_sources_that_they_come_from() -> None:
    tables = tables_for(ShopFile("our.toml", TWO_SHOPS))
    described = tables["silver.orders"].columns["order_date"].description
    assert described == "Time of the order, UTC. Source: web: at; till: Zeit."
    quarantine = tables["silver.orders_quarantine"]
    assert quarantine.upstream == ("bronze.web", "bronze.till")
    assert quarantine.columns["_line_number"].nullable
    assert not tables["silver.orders"].columns["customer_id"].nullable
    assert tables["silver.products"].columns["name"].nullable


def test_a_key_moves_between_sources(shop: Shop) -> None:
    """A version of one source replaces that of the other, and comes back when it is taken away."""

    def lamp() -> tuple[object, ...]:
        return tuple(
            shop.one(
                "select name, _source_file from silver.products where product_id = 'A'"
            ).values()
        )

    def run(day: str) -> None:
        shop.run("bronze", first=day)
        shop.run("silver", "products", first=day)

    with using(ShopFile("our.toml", TWO_SHOPS)):
        till(shop, "1;1;A;1;1,00;01.01.2024 11:00;")
        run(FIRST)
        assert lamp() == (None, "till/ingestion_date=2024-01-01/rows.csv")
        web(shop, "1,C1,a@b.c,A,Lamp,2,1.50,2024-01-02T10:00:00,2024-01-02", day=SECOND)
        till(shop, "2;1;A;1;1,00;02.01.2024 11:00;", day=SECOND)
        run(SECOND)
        assert lamp() == ("Lamp", "web/ingestion_date=2024-01-02/rows.csv")
        # Without the version of the web shop, that of the till on the same date is the latest.
        web(shop, day=SECOND)
        run(SECOND)
        assert lamp() == (None, "till/ingestion_date=2024-01-02/rows.csv")
        till(shop, day=SECOND)
        run(SECOND)
        assert lamp() == (None, "till/ingestion_date=2024-01-01/rows.csv")


def test_sources_that_are_written_alike_are_a_list(shop: Shop) -> None:
    block = TWO_SHOPS[TWO_SHOPS.index("[sources.till]") : TWO_SHOPS.index("[[tables.orders]]")]
    both = TWO_SHOPS.replace(block, block.replace("till", "old_till") + block)
    both = both.replace('from = "till"', 'from = ["old_till", "till"]')
    with using(ShopFile("our.toml", both)):
        web(shop)
        till(shop, "2;1;A;1;2,00;01.01.2024 11:00;")
        shop.file("old_till").write_text(TILL + "1;1;A;1;1,00;01.01.2024 11:00;\n")
        shop.run_all()
        assert shop.one("select revenue from gold.daily_revenue")["revenue"] == D("3.00")


MISTAKES = [
    ("unknown source", text_with('from = "till"', 'from = "tills"'),
     "tables.orders.from: there is no source 'tills'. Did you mean till?"),
    ("a source twice", text_with('from = "till"', 'from = "web"'),
     "tables.orders.from: web is named twice"),
    ("files twice", text_with("[sources.till]", '[sources.till]\nfolder = "web"'),
     "tables.orders.from: web and till have the same files"),
    ("unknown header", text_with('order_date = "Zeit"', 'order_date = "Zeiten"'),
     "tables.orders.order_date (from till): the source has no header 'Zeiten'."),
    ("no date", text_with('order_date = "Zeit"\n', ""),
     "tables.orders.order_date (from till): is missing"),
    ("two origins", text_with('customer_id = { constant = "" }', 'customer_id = { column = "Bon", sql = "Bon" }'),
     "tables.orders.customer_id (from till): must be a header"),
    ("empty list", text_with('from = "till"', "from = []"), "tables.orders.from"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_a_mistake_names_the_source(text: str, said: str) -> None:
    assert said in mistake_in(text)


def test_a_source_is_taken_out_and_comes_back(shop: Shop) -> None:
    """A derived table has the columns of its declaration, whatever it had before."""
    till_part = TWO_SHOPS[TWO_SHOPS.rindex("[[tables.products]]") : TWO_SHOPS.index("[tables.cust")]
    web_alone = TWO_SHOPS.replace(till_part, "")
    quarantine = "silver.products_quarantine"

    def columns() -> set[str]:
        shop.run("silver", "products,products_quarantine")
        return {row["column_name"] for row in shop.query(f"describe {quarantine}")}

    with using(ShopFile("our.toml", TWO_SHOPS)):
        web(shop, "1,C1,a@b.c,,Lamp,2,1.50,2024-01-01T10:00:00,")
        till(shop, "1;1;;1;1,00;01.01.2024 11:00;")
        shop.run("bronze")
        assert columns() >= {"sku", "Artikel", "_source"}
    with using(ShopFile("our.toml", web_alone)):
        with pytest.raises(PipelineError, match="quarantine_share"):
            shop.run("silver", "products", limit=0.01)
        assert "sku" in columns()
        assert not columns() & {"Artikel", "Bon", "_source"}
        assert shop.one(f"select count(*) as n from {quarantine}")["n"] == 1
    with using(ShopFile("our.toml", TWO_SHOPS)):
        assert columns() >= {"sku", "Artikel", "_source"}
        assert shop.one(f"select count(*) as n from {quarantine}")["n"] == 2


def test_a_header_is_declared_and_taken_back(shop: Shop) -> None:
    """Bronze keeps what it read; what was not read yet is empty."""
    wider = TWO_SHOPS.replace('optional = ["changed"]', 'optional = ["changed", "colour"]')
    wider = wider.replace('name = "title"', 'name = "title"\ndescription = "colour"')

    def described() -> object:
        shop.run("silver", "products")
        return shop.one("select description from silver.products")["description"]

    with using(ShopFile("our.toml", TWO_SHOPS)):
        shop.file("web").write_text(
            "order,customer,mail,sku,title,quantity,price,at,colour\n"
            "1,C1,a@b.c,A,Lamp,2,1.50,2024-01-01T10:00:00,red\n"
        )
        shop.run("bronze", "web,till")
        assert described() is None
    with using(ShopFile("our.toml", wider)):
        assert described() is None
        shop.run("bronze", "web")
        assert described() == "red"
    with using(ShopFile("our.toml", TWO_SHOPS)):
        shop.run("bronze", "web", first=SECOND)
        assert shop.one("select colour from bronze.web")["colour"] == "red"
        assert described() is None


def test_a_header_is_written_in_another_case(shop: Shop) -> None:
    """To Spark and Iceberg, it is the same column."""
    other = TWO_SHOPS.replace('"title", "quantity"', '"Title", "quantity"')
    other = other.replace('name = "title"', 'name = "Title"')
    for text, header in ((TWO_SHOPS, WEB), (other, WEB.replace("title", "Title"))):
        with using(ShopFile("our.toml", text)):
            shop.file("web").write_text(
                f"{header}1,C1,a@b.c,A,Lamp,2,1.50,2024-01-01T10:00:00,\n"
                "1,C1,a@b.c,,Vase,2,1.50,2024-01-01T10:00:00,\n"
            )
            shop.run("bronze", "web,till")
            shop.run("silver", "products,products_quarantine")
            assert shop.one("select name from silver.products")["name"] == "Lamp"
            broken = shop.one("select title from silver.products_quarantine")
            assert list(broken.values()) == ["Vase"]
