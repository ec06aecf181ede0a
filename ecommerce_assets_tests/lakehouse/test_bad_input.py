"""Bad input, row by row of docs/how-to/deliveries.md: errors name the file, and nothing is lost."""

from collections.abc import Sequence
from threading import Event
from typing import Any

import pytest

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.jobs import run
from ecommerce_assets.jobs.materialize import materialize
from ecommerce_assets.jobs.outcome import Published
from ecommerce_assets.model.table import Table
from ecommerce_assets.tables import tables_of
from ecommerce_assets_tests.shop import DAY, Shop

NEXT = "2024-01-02"


def fail(shop: Shop, tables: str = "orders") -> str:
    with pytest.raises(PipelineError) as error:
        shop.run("bronze", tables, NEXT)
    return str(error.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"order_id,customer_id,order_date,status\n1,2,3,4\n", "required column total_amount"),
        ("order_id,customer_id,order_date,status,total_amount\nJ\xfc,2,3,4,5\n".encode("latin-1"),
         "not UTF-8"),
        (b'order_id,customer_id,order_date,status,total_amount\n"1,2,3,4,5\n', "not CSV at line 2"),
        (b"PK\x03\x04\xff\xfe", "not UTF-8"),
    ],
    ids=["missing column", "Latin-1", "open quote", "a zip file"],
)  # fmt: skip
def test_a_file_that_can_not_be_read(shop: Shop, content: bytes, said: str) -> None:
    shop.deliver("orders", {})
    shop.deliver("customers", {}, day=NEXT)
    shop.run("bronze", "orders")
    before = shop.content("bronze.orders")
    shop.deliver("orders", {}, day=NEXT, name="a.csv")
    shop.file("orders", NEXT, "b.csv").write_bytes(content)
    message = fail(shop, "orders,customers")
    assert "orders/ingestion_date=2024-01-02/b.csv" in message
    assert said in message
    assert shop.content("bronze.orders") == before
    assert len(shop.content("bronze.customers")) == 1


@pytest.mark.parametrize("folder", ["ingestion_date=2024-13-01", "ingestion_date=", "2024-01-02"])
def test_a_folder_name_that_is_no_date(shop: Shop, folder: str) -> None:
    (shop.landing / "orders" / folder).mkdir(parents=True)
    assert f"orders/{folder}: the folder's name is no date" in fail(shop)


def test_a_file_outside_a_date_folder(shop: Shop) -> None:
    shop.deliver("orders", {})
    (shop.landing / "orders" / "orders.csv").write_text("order_id\n")
    assert "orders/orders.csv: a delivery lies in a folder like" in fail(shop)


def test_no_landing_folder_says_how_to_make_one(shop: Shop) -> None:
    shop.landing.rmdir()
    message = fail(shop)
    assert str(shop.landing) in message
    assert "ecommerce generate" in message


@pytest.mark.parametrize("content", [None, "", "order_id,customer_id,order_date,status,total_amount\n"],
                         ids=["empty folder", "empty file", "only a header"])  # fmt: skip
def test_an_empty_delivery_empties_the_partition(shop: Shop, content: str | None) -> None:
    shop.deliver("orders", {})
    shop.run("bronze", "orders")
    shop.file("orders").unlink()
    if content is not None:
        shop.file("orders").write_text(content)
    shop.run("bronze", "orders")
    assert shop.content("bronze.orders") == []


def test_no_folder_at_all(shop: Shop) -> None:
    shop.run("bronze", "orders")
    assert shop.content("bronze.orders") == []


def test_too_many_quarantined_rows_publish_nothing(shop: Shop) -> None:
    shop.deliver("products", {})
    shop.run("bronze", "products")
    shop.run("silver", "products")
    broken = [{"product_id": f"X{n}", "price": "x"} for n in range(20)]
    shop.deliver("products", *broken, {"price": "x"}, {"product_id": "P2"}, day=NEXT)
    shop.run("bronze", "products", NEXT)
    with pytest.raises(PipelineError, match=r"silver.products was not published.*quarantine_share"):
        shop.run("silver", "products,products_quarantine", NEXT, limit=0.4)
    assert [row["product_id"] for row in shop.query("select * from silver.products")] == ["P1"]
    assert len(shop.content("silver.products_quarantine")) == 21
    shop.run("silver", "products", NEXT, limit=0.9)
    assert len(shop.content("silver.products")) == 2


def test_of_a_range_every_date_over_the_limit_is_named(shop: Shop) -> None:
    """And what is advised works: their deliveries out of landing, the others are published."""
    bad, good, last = [f"2024-01-0{n}" for n in (1, 2, 3)]
    for day, prices in (
        (bad, ["x"] * 80 + ["1.00"] * 40), (good, ["1.00"] * 40), (last, ["x", "1.00"] * 40),
    ):  # fmt: skip
        rows = [{"product_id": f"{day}-{n}", "price": price} for n, price in enumerate(prices)]
        shop.deliver("products", *rows, day=day)
    shop.run("bronze", "products", bad, last)
    with pytest.raises(PipelineError) as failed:
        shop.run("silver", "products", bad, last, limit=0.3)
    told = str(failed.value)
    assert "Over the limit: 2024-01-01 with 80 of 120 rows, 2024-01-03." in told
    assert "Until then no other date gets into this table either" in told
    assert "To run the dates but" not in told
    with pytest.raises(PipelineError, match="2024-01-03"):
        shop.run("silver", "products", good, limit=0.3)
    for day in (bad, last):
        shop.file("products", day).unlink()
    shop.run("bronze", "products", bad, last, allow_removal=True)
    shop.run("silver", "products", bad, last, limit=0.3)
    assert shop.one("select count(*) as n from silver.products") == {"n": 40}


def test_a_table_that_fails_stops_only_those_that_read_it(shop: Shop) -> None:
    shop.run_all()
    shop.deliver_one_of_each(NEXT)
    shop.file("orders", NEXT).write_text("nonsense\n1\n")
    with pytest.raises(PipelineError, match="orders"):
        shop.run("bronze", first=NEXT)
    assert [len(shop.content(f"bronze.{table}")) for table in
            ("customers", "products", "orders", "order_items")] == [1, 1, 0, 1]  # fmt: skip


def test_an_upstream_table_that_is_not_there(shop: Shop) -> None:
    with pytest.raises(
        PipelineError, match=r"bronze.orders does not exist yet: materialize it first"
    ):
        shop.run("silver", "orders")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ({"tables": "orders,nonsense"}, "nonsense; silver has customers"),
        ({"first": "2024-01-02", "last": "2024-01-01"}, "is before --from"),
        ({"first": "tomorrow"}, "--from is 'tomorrow'"),
    ],
)
def test_wrong_arguments(shop: Shop, argv: dict[str, str], said: str) -> None:
    with pytest.raises(PipelineError, match=said):
        shop.run("silver", **argv)


def test_of_a_run_that_is_stopped_no_further_table_is_begun(shop: Shop) -> None:
    shop.deliver_one_of_each()
    shop.deliver("returns", {})
    shop.deliver("exchange_rates", {})
    stop = Event()
    begun: list[str] = []

    def begins(engine: Any, lakehouse: Any, tables: Sequence[Table], *rest: Any) -> list[Published]:
        begun.append(tables[0].identifier)
        stop.set()
        return materialize(engine, lakehouse, tables, *rest)

    argv = ["--from", DAY, "--to", DAY, "--landing", str(shop.landing),
            "--lakehouse", str(shop.lakehouse)]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "materialize", begins)
        patch.setattr(run, "SIDE_BY_SIDE", 1)
        with pytest.raises(PipelineError, match="stopped before this table began"):
            run.run_layer("bronze", argv, stop)
    assert len(begun) == 1
    assert shop.content(begun[0])
    shop.run("bronze")
    assert all(shop.content(table.identifier) for table in tables_of("bronze"))
