"""What a later delivery no longer holds: lines of an order, rows of a table, keys that are gone."""

import itertools
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.query.local import connect
from ecommerce_assets.query.trace import trace
from ecommerce_assets.shop import Shop as ShopFile
from ecommerce_assets.shop import shipped_shops, using
from ecommerce_assets.trial.check import check
from ecommerce_assets_tests.shop import Shop, mistake_in
from ecommerce_assets_tests.three_days import make

DEFAULT = shipped_shops()["default"].text
DAYS = ("2024-01-01", "2024-01-02", "2024-01-03")


def saying(table: str, what: str) -> ShopFile:
    return ShopFile(
        "our.toml", DEFAULT.replace(f"[tables.{table}]\n", f"[tables.{table}]\n{what}\n")
    )


def lines(*amounts: int, order: str = "O1", updated_at: str = "") -> list[dict[str, str]]:
    return [
        {"order_item_id": f"{order}-{amount}", "order_id": order, "unit_price": f"{amount}.00",
         "line_total": "", "updated_at": updated_at}
        for amount in amounts
    ]  # fmt: skip


def held(shop: Shop, table: str = "order_items", key: str = "order_item_id") -> list[str]:
    return [row["k"] for row in shop.query(f"select {key} as k from silver.{table} order by 1")]


@pytest.fixture
def by_order() -> Iterator[None]:
    with using(saying("order_items", 'replaces = "order"')):
        yield


def run(shop: Shop, day: str, table: str = "order_items", **limits: Any) -> None:
    shop.run("bronze", table, first=day)
    shop.run("silver", f"{table},{table}_quarantine", first=day, **limits)


@pytest.mark.usefixtures("by_order")
def test_a_line_that_an_order_no_longer_has_is_gone_and_comes_back(shop: Shop) -> None:
    shop.deliver("orders", {"total_amount": "410.00"})
    shop.run("bronze", "orders")
    shop.run("silver", "orders")
    shop.deliver("order_items", *lines(410, 500), *lines(7, order="O2"), day=DAYS[0])
    run(shop, DAYS[0])
    assert held(shop) == ["O1-410", "O1-500", "O2-7"]
    shop.deliver("order_items", *lines(410), day=DAYS[1])
    shop.run("bronze", "order_items", first=DAYS[1])
    made = make(shop, "silver.order_items", DAYS[1])
    assert held(shop) == ["O1-410", "O2-7"]
    conserved = next(f for f in made.findings if f.check.name == "row_conservation")
    assert conserved.passed
    shop.run("gold", "fact_sales")
    assert shop.one("select sum(revenue) as r from gold.fact_sales") == {"r": Decimal("410.00")}
    connection = connect(str(shop.lakehouse))
    try:
        parts = [*trace("silver.order_items", "O1-410", lambda sql: connection.sql(sql).to_arrow_table(),
                        limit=9, on_aws=False)]  # fmt: skip
        assert [row["fate"] for row in parts[-1].first.to_pylist()] == ["current", "superseded"]
        gone = [*trace("bronze.order_items", f"order_items/ingestion_date={DAYS[0]}/rows.csv,2",
                       lambda sql: connection.sql(sql).to_arrow_table(), limit=9, on_aws=False)]  # fmt: skip
        assert [row["fate"] for row in gone[-1].first.to_pylist()] == ["gone"]
    finally:
        connection.close()
    shop.deliver("order_items", *lines(410, 500), day=DAYS[2])
    run(shop, DAYS[2])
    assert held(shop) == ["O1-410", "O1-500", "O2-7"]
    # The delivery that brought it back is corrected: it is gone again.
    shop.deliver("order_items", *lines(410), day=DAYS[2])
    run(shop, DAYS[2])
    assert held(shop) == ["O1-410", "O2-7"]
    found = check(str(shop.landing))
    assert found.tables["order_items"]["gone"] == 1


@pytest.mark.usefixtures("by_order")
def test_any_order_of_deliveries_gives_the_same(tmp_path: Any) -> None:
    """The whole order is the delivery with its highest version, whenever it came."""
    deliveries = {
        DAYS[0]: [*lines(1, 2, 3, updated_at="2024-01-01"), *lines(7, order="O2")],
        DAYS[1]: lines(1, 3, 4, updated_at="2024-02-01"),
        DAYS[2]: [*lines(1, 2, updated_at="2024-01-15"), *lines(8, order="O2")],
    }
    for n, days in enumerate(itertools.permutations(DAYS)):
        shop = Shop(tmp_path / str(n))
        for day in days:
            shop.deliver("order_items", *deliveries[day], day=day)
            run(shop, day)
        assert held(shop) == ["O1-1", "O1-3", "O1-4", "O2-8"], days


@pytest.mark.usefixtures("by_order")
def test_a_line_that_came_broken_is_not_gone(shop: Shop) -> None:
    shop.deliver("order_items", *lines(1, 2), day=DAYS[0])
    run(shop, DAYS[0])
    shop.deliver("order_items", *lines(1), {**lines(2)[0], "quantity": "x"}, day=DAYS[1])
    run(shop, DAYS[1])
    assert held(shop) == ["O1-1", "O1-2"]


def test_what_a_complete_delivery_lacks_is_gone_up_to_a_share(shop: Shop) -> None:
    products = [{"product_id": f"P{n}", "updated_at": ""} for n in range(200)]
    with using(saying("products", "complete = true")):
        shop.deliver("products", *products, day=DAYS[0])
        run(shop, DAYS[0], "products")
        shop.deliver("products", *products[:198], day=DAYS[1])
        run(shop, DAYS[1], "products", absence_limit=0.05)
        assert len(held(shop, "products", "product_id")) == 198
        shop.deliver("products", *products[:100], day=DAYS[2])
        shop.run("bronze", "products", first=DAYS[2])
        with pytest.raises(
            PipelineError, match=r"rows_absent: .*98 of 198 rows \(49.5 %, limit 5 %\)"
        ):
            shop.run("silver", "products", first=DAYS[2], absence_limit=0.05)
        shop.run("silver", "products", first=DAYS[2], absence_limit=0.05, allow_removal=True)
        assert len(held(shop, "products", "product_id")) == 100
        # An empty delivery says nothing; bronze says that it is empty.
        shop.deliver_exactly("products", [], day="2024-01-04")
        run(shop, "2024-01-04", "products", absence_limit=0.05)
        assert len(held(shop, "products", "product_id")) == 100


def test_a_tombstone_needs_nothing_but_the_key(shop: Shop) -> None:
    with using(saying("customers", "gone = \"country = 'XX'\"")):
        shop.deliver("customers", {}, {"customer_id": "C2"}, day=DAYS[0])
        run(shop, DAYS[0], "customers")
        tomb = {
            "customer_id": "C1",
            "country": "XX",
            "email": "",
            "created_at": "",
            "updated_at": DAYS[1],
        }
        shop.deliver("customers", tomb, {**tomb, "customer_id": ""}, day=DAYS[1])
        run(shop, DAYS[1], "customers")
        assert held(shop, "customers", "customer_id") == ["C2"]
        (broken,) = shop.query("select _reasons from silver.customers_quarantine")
        assert "customer_id: required value is empty" in broken["_reasons"]
        # A later version brings it back, an older one does not.
        shop.deliver("customers", {"updated_at": "2023-06-01"}, day=DAYS[2])
        run(shop, DAYS[2], "customers")
        assert held(shop, "customers", "customer_id") == ["C2"]
        shop.deliver("customers", {"updated_at": DAYS[2]}, day=DAYS[2])
        run(shop, DAYS[2], "customers")
        assert held(shop, "customers", "customer_id") == ["C1", "C2"]


MISTAKES = [
    ("products", 'replaces = "order"', "tables.products.replaces: only the lines of orders"),
    ("order_items", 'replaces = "order"\ncomplete = true', "complete: takes a table of one source, without"),
    ("orders", 'gone = "stats = 1"', "tables.orders.gone: "),
]  # fmt: skip


@pytest.mark.parametrize(("table", "what", "said"), MISTAKES)
def test_what_can_not_be_said(table: str, what: str, said: str) -> None:
    assert said in mistake_in(saying(table, what).text)
