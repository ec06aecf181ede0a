"""From a figure to its records: what is shown is what the figure was computed from."""

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner

from ecommerce_assets.cli.main import ecommerce
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.query.local import connect
from ecommerce_assets.query.trace import trace
from ecommerce_assets.tables import tables_of
from ecommerce_assets.tables.personal import without_personal
from ecommerce_assets_tests.shop import Shop

LATER = "2024-01-02T10:00:00Z"


@pytest.fixture(scope="module")
def traced(module_shop: Shop) -> Shop:
    """Two orders of two days; one has an older and a broken version, and an item each."""
    shop = module_shop
    shop.deliver_one_of_each()
    shop.deliver("orders", {}, {"order_id": "O2", "order_date": "2024-01-08"})
    shop.deliver("order_items", {}, {"order_item_id": "I2", "order_id": "O2", "product_id": "P2"})
    shop.deliver("returns", {"returned_at": "2024-01-08"})
    shop.deliver("exchange_rates", {})
    shop.deliver("orders", {"updated_at": LATER, "status": "shipped"}, {"status": "lost"},
                 day="2024-01-02")  # fmt: skip
    shop.run_all("2024-01-01", "2024-01-02")
    return shop


def parts(shop: Shop, table: str, key: str, limit: int = 20) -> dict[str, Any]:
    connection = connect(str(shop.lakehouse))
    try:
        found = trace(
            table, key, lambda sql: connection.sql(sql).to_arrow_table(),
            limit=limit, on_aws=False,
        )  # fmt: skip
        return {part.title.split(",")[0]: part for part in found}
    finally:
        connection.close()


def test_a_day_down_to_every_version_of_its_records(traced: Shop) -> None:
    found = parts(traced, "daily_revenue", "2024-01-01")
    (row,) = found["gold.daily_revenue"].first.to_pylist()
    facts = found["gold.fact_sales"].first.to_pylist()
    assert sum((fact["revenue"] for fact in facts if fact["is_sale"]), Decimal()) == row["revenue"]
    assert [fact["order_item_id"] for fact in facts] == ["I1"]
    orders = {
        (line["_source_file"].split("/")[1], line["_row_number"]): line["fate"]
        for line in found["bronze.orders"].first.to_pylist()
    }
    assert orders == {
        ("ingestion_date=2024-01-01", 1): "superseded",
        ("ingestion_date=2024-01-02", 1): "current",
        ("ingestion_date=2024-01-02", 2): "quarantined: status: not an allowed value",
    }
    assert [line["order_item_id"] for line in found["bronze.order_items"].first.to_pylist()] == [
        "I1"
    ]


@pytest.mark.parametrize(
    ("table", "key", "items"),
    [
        ("weekly_revenue", "2024-01-08", {"I2"}),
        ("gold.monthly_revenue", "2024-01-01", {"I1", "I2"}),
        ("customer_lifetime_value", "C1", {"I1", "I2"}),
        ("top_products", "P1", {"I1"}),
        ("orders_per_customer", "C1", {"I1", "I2"}),
        ("dim_product", "P2", {"I2"}),
        ("dim_customer", "C1", {"I1", "I2"}),
        ("dim_date", "20240108", {"I2"}),
        ("fact_sales", "I2", {"I2"}),
        ("category_performance", "home_garden, 2024-01-01", {"I1"}),
    ],
)
def test_the_rows_behind_every_table_of_gold(
    traced: Shop, table: str, key: str, items: set[str]
) -> None:
    found = parts(traced, table, key)
    assert {fact["order_item_id"] for fact in found["gold.fact_sales"].first.to_pylist()} == items
    sources = {title for title in found if title.startswith("bronze.")}
    assert {"bronze.orders", "bronze.order_items"} <= sources
    if "product" in table or table.startswith("category"):
        known = {line["product_id"] for line in found["bronze.products"].first.to_pylist()}
        assert known == ({"P1"} if "I1" in items else set())


def test_every_table_of_gold_can_be_followed(traced: Shop) -> None:
    for table in tables_of("gold"):
        (row, *_) = traced.query(f"select * from {table.identifier} order by all")
        found = parts(traced, table.identifier, ",".join(str(row[name]) for name in table.key))
        assert found[table.identifier].first.to_pylist() == [without_personal(row)]
        sources = {title for title in found if title.startswith("bronze.")}
        delivered = sum(found[source].rows for source in sources)
        assert delivered, f"{table.identifier}: no delivered record behind it"


def test_a_row_of_silver_and_of_quarantine(traced: Shop) -> None:
    fates = {
        line["fate"]
        for line in parts(traced, "silver.orders", "O1")["bronze.orders"].first.to_pylist()
    }
    assert fates == {"current", "superseded", "quarantined: status: not an allowed value"}


def test_many_rows_are_counted_and_the_first_shown(traced: Shop) -> None:
    part = parts(traced, "monthly_revenue", "2024-01-01", limit=1)["gold.fact_sales"]
    assert (part.rows, part.first.num_rows) == (2, 1)


@pytest.mark.parametrize(
    ("table", "key", "said"),
    [
        ("nonsense", "x", "no table nonsense. There are: bronze.customers"),
        ("daily_revenue", "2030-01-01", "no row whose order_date is '2030-01-01'"),
        ("category_performance", "books", "values by commas"),
        ("daily_revenue", "' or true --", "no row whose order_date"),
    ],
)
def test_what_is_not_there(traced: Shop, table: str, key: str, said: str) -> None:
    with pytest.raises(PipelineError, match=said):
        parts(traced, table, key)


def test_on_the_command_line(traced: Shop) -> None:
    places = {
        "ECOMMERCE_LANDING": str(traced.landing),
        "ECOMMERCE_LAKEHOUSE": str(traced.lakehouse),
    }
    done = CliRunner().invoke(
        ecommerce, ["trace", "--table", "daily_revenue", "--key", "2024-01-01"], env=places
    )
    assert "gold.fact_sales, the rows behind it: 1\n" in done.stdout
    assert "orders/ingestion_date=2024-01-02/rows.csv" in done.stdout


def test_athena_is_asked_in_its_own_words() -> None:
    asked: list[str] = []

    def query(sql: str) -> pa.Table:
        asked.append(sql)
        return pa.table({"order_id": ["O1"]})

    list(trace("silver.orders", "O1", query, limit=20, on_aws=True))
    assert "array_join(q._reasons, '; ')" in asked[-1]
    assert "WHERE b._traced IN (SELECT 'O1')" in asked[-1]
