"""What the layers hold, by docs/explanation/design.md; every run through the jobs."""

from datetime import date
from decimal import Decimal

import pytest

from ecommerce_assets.tables import all_tables
from ecommerce_assets_tests.shop import Shop

D = Decimal


def newest(shop: Shop) -> str:
    return shop.one("select first_name from silver.customers where customer_id = 'C1'")[
        "first_name"
    ]


def name(text: str, updated: str = "") -> dict[str, str]:
    return {"first_name": text, "updated_at": updated}


def test_version_rule(shop: Shop) -> None:
    days = {
        "2024-01-01": [("a.csv", [name("none")])],
        "2024-01-02": [("a.csv", [name("later date")]), ("b.csv", [name("later file")])],
        "2024-01-03": [("a.csv", [name("dated", "2024-01-01"), name("last row", "2024-01-01")])],
        "2024-01-04": [("a.csv", [name("later update", "2024-01-02")])],
        "2024-01-05": [("a.csv", [name("older update", "2023-12-31")])],
        "2024-01-06": [("a.csv", [name("broken", "2024-06-01") | {"country": "?"}])],
    }
    expected = ["none", "later file", "last row", "later update", "later update", "later update"]
    for (day, files), current in zip(days.items(), expected, strict=True):
        for file, rows in files:
            shop.deliver("customers", *rows, day=day, name=file)
        shop.run("bronze", "customers", day)
        shop.run("silver", "customers,customers_quarantine", day)
        assert newest(shop) == current
    assert shop.one("select count(*) as n from silver.customers")["n"] == 1
    assert shop.one("select _ingestion_date as d, _source_file as f, _row_number as r "
                    "from silver.customers") == {
        "d": date(2024, 1, 4), "f": "customers/ingestion_date=2024-01-04/a.csv", "r": 1,
    }  # fmt: skip


def test_bronze_holds_rows_as_received(shop: Shop) -> None:
    shop.file("products", name="p.csv").write_text(
        'name,product_id,price,category,colour\n" Lamp, ""big""", P1 ,1.5 ,Books,red\n', "utf-8"
    )
    shop.run("bronze", "products")
    row = shop.one("select * from bronze.products")
    assert (row["name"], row["product_id"], row["price"]) == (' Lamp, "big"', " P1 ", "1.5 ")
    assert row["_rescued_data"] == '{"colour": "red"}'
    assert row["_source_file"] == "products/ingestion_date=2024-01-01/p.csv"
    assert row["sku"] is None


def test_files_with_other_endings_are_not_read(shop: Shop) -> None:
    shop.deliver("products", {}, name="p.csv")
    shop.deliver("products", {"product_id": "P2"}, name="p.csv.part")
    shop.run("bronze", "products")
    assert shop.one("select count(*) as n from bronze.products")["n"] == 1


def test_the_lakehouse_holds_files_of_iceberg_alone(shop: Shop) -> None:
    shop.deliver_one_of_each()
    shop.run("bronze")
    kinds = {file.suffix for file in (shop.lakehouse / "warehouse").rglob("*") if file.is_file()}
    assert kinds == {".parquet", ".avro", ".json"}


@pytest.fixture(scope="module")
def sold(module_shop: Shop) -> Shop:
    """A small shop with everything that gold has rules for."""
    shop = module_shop
    shop.deliver("customers", {"customer_id": "C1"}, {"customer_id": "C2"}, {"customer_id": "C3"},
                 {"customer_id": "C4"})  # fmt: skip
    shop.deliver("products", {"product_id": "P1"}, {"product_id": "P2", "category": "books"})
    orders = [
        # Monday 1 January; Sunday 7 January; another month; another year; not a sale; unknown customer
        {"order_id": "O1", "discount_amount": "1.00"},
        {"order_id": "O2", "order_date": "2024-01-07T23:59:59Z", "customer_id": "C2"},
        {"order_id": "O3", "order_date": "2024-02-01", "customer_id": "C2"},
        {"order_id": "O4", "order_date": "2023-12-31T23:30:00-01:00", "customer_id": "C2"},
        {"order_id": "O5", "status": "cancelled", "customer_id": "C4"},
        {"order_id": "O6", "customer_id": "C9", "discount_amount": "99.00"},
    ]
    items = [
        # three equal parts of 1.00: the largest remainders tie, so item ids decide
        {"order_item_id": "I1", "order_id": "O1", "line_total": "10.00"},
        {"order_item_id": "I2", "order_id": "O1", "line_total": "10.00", "product_id": "P2"},
        {"order_item_id": "I3", "order_id": "O1", "line_total": "10.00"},
        {"order_item_id": "I4", "order_id": "O2", "line_total": "2500.00"},
        {"order_item_id": "I5", "order_id": "O3", "line_total": "2500.00", "quantity": "2"},
        {"order_item_id": "I6", "order_id": "O4", "line_total": "0.01"},
        {"order_item_id": "I7", "order_id": "O5", "line_total": "7.00"},
        {"order_item_id": "I8", "order_id": "O6", "line_total": "5.00", "product_id": "P9"},
        {"order_item_id": "I9", "order_id": "O7"},
    ]
    shop.deliver("orders", *orders)
    shop.deliver("order_items", *items)
    shop.run_all()
    return shop


def test_discount_shares_add_up_in_whole_cents(sold: Shop) -> None:
    rows = sold.query("select order_item_id, revenue from gold.fact_sales where order_id = 'O1' "
                      "order by order_item_id")  # fmt: skip
    assert [row["revenue"] for row in rows] == [D("9.66"), D("9.67"), D("9.67")]


def test_discount_above_the_total_leaves_nothing(sold: Shop) -> None:
    row = sold.one("select revenue, gross_amount, discount from gold.fact_sales "
                   "where order_id = 'O6'")  # fmt: skip
    assert row == {"revenue": D("0.00"), "gross_amount": D("10.00"), "discount": D("10.00")}


def test_items_without_an_order_wait(sold: Shop) -> None:
    assert sold.one("select count(*) as n from silver.order_items where order_id = 'O7'")["n"] == 1
    assert sold.query("select * from gold.fact_sales where order_id = 'O7'") == []


def test_every_fact_joins_every_dimension(sold: Shop) -> None:
    joined = sold.one(
        "select count(*) as n from gold.fact_sales join gold.dim_customer using (customer_key) "
        "join gold.dim_product using (product_key) join gold.dim_date using (date_key)"
    )
    assert joined["n"] == sold.one("select count(*) as n from gold.fact_sales")["n"] == 8


def test_inferred_members(sold: Shop) -> None:
    product = sold.one("select * from gold.dim_product where is_inferred")
    assert (product["product_id"], product["name"], product["category"]) == (
        "P9", "unknown", "unknown",
    )  # fmt: skip
    customer = sold.one("select * from gold.dim_customer where is_inferred")
    assert (customer["customer_id"], customer["country"]) == ("C9", None)


def test_segments_come_from_sales(sold: Shop) -> None:
    rows = sold.query("select customer_id, segment from gold.dim_customer order by customer_id")
    assert [(row["customer_id"], row["segment"]) for row in rows] == [
        ("C1", "new"), ("C2", "vip"), ("C3", "inactive"), ("C4", "inactive"), ("C9", "new"),
    ]  # fmt: skip


def test_calendar(sold: Shop) -> None:
    span = sold.one("select min(date) as a, max(date) as b, count(*) as n from gold.dim_date")
    assert span == {"a": date(2024, 1, 1), "b": date(2024, 12, 31), "n": 366}
    assert sold.one("select * from gold.dim_date where date = '2024-01-07'") == {
        "date_key": 20240107, "date": date(2024, 1, 7), "day_of_week": 7, "day_name": "Sunday",
        "week": 1, "week_start_date": date(2024, 1, 1), "month": 1, "month_name": "January",
        "quarter": 1, "year": 2024, "is_weekend": True,
    }  # fmt: skip


def test_order_dates_are_utc(sold: Shop) -> None:
    row = sold.one("select order_date, date_key from gold.fact_sales where order_id = 'O4'")
    assert row == {"order_date": date(2024, 1, 1), "date_key": 20240101}


def test_daily_revenue(sold: Shop) -> None:
    row = sold.one("select * from gold.daily_revenue where order_date = '2024-01-01'")
    assert row == {
        "order_date": date(2024, 1, 1), "revenue": D("29.01"), "discount": D("20.99"),
        "orders": 3, "units": 5, "customers": 3, "average_order_value": D("9.67"),
        "shipping": D("0.00"), "tax": D("0.00"), "total_paid": D("30.00"), "returned": D("0.00"),
        "net_revenue": D("29.01"),
    }  # fmt: skip


def test_weeks_and_months(sold: Shop) -> None:
    weeks = sold.query(
        "select week_start_date as w, orders as n from gold.weekly_revenue order by 1"
    )
    assert [(row["w"].isoformat(), row["n"]) for row in weeks] == [
        ("2024-01-01", 4), ("2024-01-29", 1),
    ]  # fmt: skip
    months = sold.query("select month_start_date as m, orders as n from gold.monthly_revenue "
                        "order by 1")  # fmt: skip
    assert [(row["m"].isoformat(), row["n"]) for row in months] == [
        ("2024-01-01", 4), ("2024-02-01", 1),
    ]  # fmt: skip


def test_customers_and_ranks(sold: Shop) -> None:
    row = sold.one("select * exclude (customer_key) from gold.orders_per_customer "
                   "where customer_id = 'C2'")  # fmt: skip
    assert row == {
        "customer_id": "C2", "orders": 3, "units": 4, "first_order_date": date(2024, 1, 1),
        "last_order_date": date(2024, 2, 1), "average_order_value": D("1666.67"),
    }  # fmt: skip
    values = sold.query("select customer_id, lifetime_value, value_rank "
                        "from gold.customer_lifetime_value order by value_rank")  # fmt: skip
    assert [(row["customer_id"], row["lifetime_value"]) for row in values] == [
        ("C2", D("5000.01")), ("C1", D("29.00")), ("C3", D("0.00")), ("C4", D("0.00")),
        ("C9", D("0.00")),
    ]  # fmt: skip


def test_products_and_categories(sold: Shop) -> None:
    rows = sold.query("select product_id, revenue, revenue_rank from gold.top_products order by 3")
    assert [(row["product_id"], row["revenue"]) for row in rows] == [
        ("P1", D("5019.34")), ("P2", D("9.67")), ("P9", D("0.00")),
    ]  # fmt: skip
    rows = sold.query("select category, revenue_share as s from gold.category_performance "
                      "where month_start_date = '2024-01-01' order by 1")  # fmt: skip
    assert [(row["category"], row["s"]) for row in rows] == [
        ("books", D("0.003824")), ("home_garden", D("0.996176")), ("unknown", D("0.000000")),
    ]  # fmt: skip


def test_surrogate_keys_never_change(sold: Shop) -> None:
    row = sold.one("select customer_key from gold.dim_customer where customer_id = 'C1'")
    assert row["customer_key"] == -3220996657417140566


def test_a_real_row_replaces_an_inferred_member(shop: Shop) -> None:
    shop.deliver("orders", {})
    shop.deliver("order_items", {})
    shop.deliver("customers")
    shop.deliver("products")
    shop.run_all()
    assert shop.one("select is_inferred from gold.dim_product")["is_inferred"]
    shop.deliver_one_of_each("2024-01-02")
    shop.run_all("2024-01-02")
    row = shop.one("select name, is_inferred from gold.dim_product")
    assert row == {"name": "Lamp", "is_inferred": False}


def test_row_conservation_with_every_fate(shop: Shop) -> None:
    shop.deliver("products", {}, {}, {"price": "x"}, {"product_id": "P2"})
    shop.run("bronze", "products")
    shop.run("silver", "products,products_quarantine")
    assert shop.one("select count(*) as n from bronze.products")["n"] == 4
    assert shop.one("select count(*) as n from silver.products")["n"] == 2
    bad = shop.one("select _reasons, price, _row_number from silver.products_quarantine")
    assert bad == {
        "_reasons": ["price: not a number, or out of range"], "price": "x", "_row_number": 3,
    }  # fmt: skip


def test_a_shop_without_a_row(shop: Shop) -> None:
    shop.run_all()
    assert all(rows == [] for rows in shop.state().values())
    assert list(shop.state()) == list(all_tables())
