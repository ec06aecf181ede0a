"""A value of a delivery: what it becomes in silver, or why it is quarantined (the source contract of docs/explanation/design.md)."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from ecommerce_assets.engine.spark import SparkRelation, struct_of
from ecommerce_assets.tables import all_tables
from ecommerce_assets_tests.shop import VALID

D = Decimal
IMPLAUSIBLE = "implausible: before 1970-01-01, or more than a year after the delivery"


DAY = date(2024, 2, 29)


def utc(*args: int) -> datetime:
    return datetime(*args, tzinfo=UTC).replace(tzinfo=None)  # type: ignore[misc]


# table, column, received, value in silver
GOOD: list[tuple[str, str, str | None, Any]] = [
    ("customers", "email", "  Ann@Example.COM\t", "ann@example.com"),
    ("customers", "country", "de", "DE"),
    ("customers", "city", "\u00a0Köln\u2003", "Köln"),
    ("customers", "first_name", "", None),
    ("customers", "created_at", "2023-05-01", utc(2023, 5, 1)),
    ("customers", "created_at", "2023-05-01 07:08", utc(2023, 5, 1, 7, 8)),
    ("customers", "created_at", "2023-05-01T07:08:09", utc(2023, 5, 1, 7, 8, 9)),
    ("customers", "created_at", "2023-05-01T07:08:09.5Z", utc(2023, 5, 1, 7, 8, 9, 500000)),
    ("customers", "created_at", "2023-05-01T00:30:00+02:00", utc(2023, 4, 30, 22, 30)),
    ("customers", "created_at", "2023-05-01T00:30:00-0530", utc(2023, 5, 1, 6, 0)),
    ("customers", "created_at", "1970-01-01", utc(1970, 1, 1)),
    ("customers", "updated_at", "2025-02-28T23:59:59Z", utc(2025, 2, 28, 23, 59, 59)),
    ("customers", "updated_at", None, None),
    ("products", "category", " Books ", "books"),
    ("products", "price", "0", D("0.00")),
    ("products", "price", "1.00005", D("1.0001")),
    ("products", "price", "1.00004", D("1.0000")),
    ("orders", "total_amount", "1.005", D("1.01")),
    ("orders", "total_amount", "1.0049", D("1.00")),
    ("products", "price", "9999999999.99", D("9999999999.99")),
    ("products", "stock_quantity", "7.00", 7),
    ("products", "is_active", "YES", True),
    ("products", "is_active", "f", False),
    ("products", "is_active", "0", False),
    ("order_items", "unit_price", "0.005", D("0.0050")),
    ("orders", "status", "Shipped", "shipped"),
    ("orders", "payment_method", "", None),
    ("orders", "discount_amount", "", D("0.00")),
    ("orders", "currency", "", "EUR"),
    ("orders", "currency", "eur", "EUR"),
    ("order_items", "quantity", "2.0", 2),
    ("order_items", "discount_percent", "", D("0.00")),
    ("order_items", "discount_percent", "100", D("100.00")),
    ("order_items", "line_total", "9.5", D("9.50")),
]
BAD = [
    ("customers", "customer_id", " ", "customer_id: required value is empty"),
    ("customers", "email", "", "email: required value is empty"),
    ("customers", "email", "a@b", "email: not an e-mail address"),
    ("customers", "email", "a@b@c.de", "email: not an e-mail address"),
    ("customers", "email", "a b@c.de", "email: not an e-mail address"),
    ("customers", "country", "DEU", "country: not two letters"),
    ("customers", "created_at", "01.05.2023", "created_at: not an ISO 8601 time"),
    ("customers", "created_at", "2023", "created_at: not an ISO 8601 time"),
    ("customers", "created_at", "2023-02-30", "created_at: not an ISO 8601 time"),
    ("customers", "created_at", "2023-05-01T25:00", "created_at: not an ISO 8601 time"),
    ("customers", "created_at", "1969-12-31T23:59:59Z", f"created_at: {IMPLAUSIBLE}"),
    ("customers", "updated_at", "2025-03-01", f"updated_at: {IMPLAUSIBLE}"),
    ("orders", "order_date", "1899-12-30", f"order_date: {IMPLAUSIBLE}"),
    ("orders", "order_date", "9999-12-31", f"order_date: {IMPLAUSIBLE}"),
    ("customers", "updated_at", "yesterday", "updated_at: not an ISO 8601 time"),
    ("products", "category", "gadgets", "category: not an allowed value"),
    ("products", "price", "-0.01", "price: below 0"),
    ("products", "price", "1,50", "price: not a number, or out of range"),
    ("products", "price", "1e3", "price: not a number, or out of range"),
    ("products", "price", "100000000000000", "price: not a number, or out of range"),
    ("products", "cost", "free", "cost: not a number, or out of range"),
    ("products", "stock_quantity", "2.5", "stock_quantity: not a whole number, or out of range"),
    ("products", "stock_quantity", "-1", "stock_quantity: below 0"),
    (
        "products",
        "stock_quantity",
        "4294967297",
        "stock_quantity: not a whole number, or out of range",
    ),
    ("products", "is_active", "maybe", "is_active: not true or false"),
    ("orders", "status", "lost", "status: not an allowed value"),
    ("orders", "payment_method", "barter", "payment_method: not an allowed value"),
    ("orders", "currency", "USD", "currency: not an allowed value"),
    ("orders", "shipping_country", "D1", "shipping_country: not two letters"),
    ("order_items", "quantity", "0", "quantity: below 1"),
    ("order_items", "quantity", "1.5", "quantity: not a whole number, or out of range"),
    ("order_items", "discount_percent", "100.01", "discount_percent: not from 0 to 100"),
    ("order_items", "line_total", "gratis", "line_total: not a number, or out of range"),
]


@pytest.fixture(scope="module")
def parsed(spark: SparkSession) -> dict[tuple[str, str, str | None], dict[str, Any]]:
    """Every case parsed, in one job a table."""
    results = {}
    for table in VALID:
        cases = [case for case in [*GOOD, *BAD] if case[0] == table]
        bronze = all_tables()[f"bronze.{table}"]
        names = list(bronze.kinds)
        rows = [
            tuple(
                {**VALID[table], column: received, "_row_number": n, "_ingestion_date": DAY}.get(
                    name
                )
                for name in names
            )
            for n, (_, column, received, _) in enumerate(cases)
        ]
        frame = spark.createDataFrame(rows, struct_of(bronze.kinds))
        prepare = all_tables()[f"silver.{table}"].prepare[f"bronze.{table}"]
        for row in prepare(SparkRelation(frame)).rows():
            results[cases[row["_row_number"]][:3]] = row
    return results


@pytest.mark.parametrize(("table", "column", "received", "value"), GOOD)
def test_valid_values(parsed, table: str, column: str, received: str | None, value: Any) -> None:
    row = parsed[table, column, received]
    assert row["_reasons"] == []
    assert row[column] == value
    assert row["_received"] is None


@pytest.mark.parametrize(("table", "column", "received", "reason"), BAD)
def test_reasons(parsed, table: str, column: str, received: str, reason: str) -> None:
    row = parsed[table, column, received]
    assert row["_reasons"] == [reason]
    assert row["_received"][column] == received


def test_every_reason_is_given(spark: SparkSession) -> None:
    bronze = all_tables()["bronze.orders"]
    prepare = all_tables()["silver.orders"].prepare["bronze.orders"]
    values = {"order_id": "O1", "status": "lost", "total_amount": "-1", "order_date": "x"}
    rows = [tuple(values.get(name) for name in bronze.kinds)]
    (row,) = prepare(SparkRelation(spark.createDataFrame(rows, struct_of(bronze.kinds)))).rows()
    assert sorted(row["_reasons"]) == [
        "customer_id: required value is empty",
        "order_date: not an ISO 8601 time",
        "status: not an allowed value",
        "total_amount: below 0",
    ]


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"quantity": "3", "unit_price": "0.35", "discount_percent": "50"}, "0.53"),
        ({"quantity": "1", "unit_price": "0.01", "discount_percent": "50"}, "0.01"),
        ({"quantity": "1", "unit_price": "0.01", "discount_percent": "50.01"}, "0.00"),
        ({"quantity": "1", "unit_price": "10", "line_total": "3"}, "3.00"),
        ({"quantity": "2000000000", "unit_price": "9999999999"},
         ["quantity x unit_price: out of range"]),
        ({"quantity": "1", "unit_price": "10", "discount_percent": "-900"},
         ["discount_percent: not from 0 to 100"]),
        ({"quantity": "1", "unit_price": "10", "discount_percent": "-999.99"},
         ["discount_percent: not from 0 to 100"]),
        ({"quantity": "2000", "unit_price": "9999999999"},
         ["quantity x unit_price: out of range"]),
    ],
    ids=["half up", "half cent up", "below half", "given", "gross too large", "surcharge", "most surcharge", "total too large"],
)  # fmt: skip
def test_line_total(spark: SparkSession, item: dict[str, str], expected: Any) -> None:
    bronze = all_tables()["bronze.order_items"]
    prepare = all_tables()["silver.order_items"].prepare["bronze.order_items"]
    values = {**VALID["order_items"], "line_total": "", **item}
    rows = [tuple(values.get(name) for name in bronze.kinds)]
    (row,) = prepare(SparkRelation(spark.createDataFrame(rows, struct_of(bronze.kinds)))).rows()
    if isinstance(expected, str):
        assert (row["line_total"], row["_reasons"]) == (D(expected), [])
    else:
        assert row["_reasons"] == expected
