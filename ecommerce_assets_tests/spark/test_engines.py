"""Either engine writes what the other one would have written, and continues where it stopped."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecommerce_assets.engine.embedded import EmbeddedEngine
from ecommerce_assets.engine.surrogate_keys import surrogate_keys
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse.history import history_of
from ecommerce_assets.lakehouse.local_catalog import local_path
from ecommerce_assets.lakehouse.manifests import files_of
from ecommerce_assets.settings import ENGINES, Settings
from ecommerce_assets.tables import LAYERS, all_tables
from ecommerce_assets_tests.oracle import xxhash64
from ecommerce_assets_tests.shop import Shop
from ecommerce_assets_tests.three_days import DAYS, deliver

REPOSITORY = Path(__file__).parents[2]
OTHER = dict(zip(ENGINES, reversed(ENGINES), strict=True))


@given(st.lists(st.none() | st.text(max_size=100)))
def test_a_surrogate_key_is_that_of_spark(texts: list[str | None]) -> None:
    expected = [None if text is None else xxhash64(text) for text in texts]
    assert surrogate_keys(pa.array(texts, pa.string())).to_pylist() == expected
    behind = pa.array(["first", *texts], pa.string()).slice(1)
    assert surrogate_keys(behind).to_pylist() == expected


def run_all(shop: Shop, engine: str, day: str) -> None:
    for layer in LAYERS:
        shop.run(layer, first=day, engine=engine)


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Shop]:
    """The same three days, each lakehouse begun by one engine and continued by the other."""
    shops = {engine: Shop(tmp_path_factory.mktemp(engine)) for engine in ENGINES}
    for engine, shop in shops.items():
        for number, day in enumerate(DAYS):
            deliver(shop, number)
            shop.deliver("returns", {"return_id": f"R{number}", "order_id": f"O{number}",
                                     "order_item_id": f"I{number}", "returned_at": day}, day=day)  # fmt: skip
            rate = {"rate_date": DAYS[max(number - 1, 0)], "rate": f"0.2{number}1"}
            shop.deliver("exchange_rates", rate, day=day)
            run_all(shop, OTHER[engine] if number == 1 else engine, day)
    return shops


@pytest.mark.slow
def test_whoever_begins_and_whoever_continues_the_rows_are_the_same(shops: dict[str, Shop]) -> None:
    one, other = (shop.state() for shop in shops.values())
    assert one.keys() == all_tables().keys()
    assert all(one[name] for name in one if not name.endswith("_quarantine"))
    assert one == other


def files(shop: Shop, identifier: str) -> list[tuple[Any, ...]]:
    """Of each data file: its partition, rows, ids of columns, and what the manifest says of them."""
    history = history_of(shop.tables, identifier)
    assert history.snapshot_id is not None
    found = []
    times = {field.field_id for field in history.table.schema().fields
             if field.name == "_ingested_at"}  # fmt: skip
    for file in files_of(history.table, history.snapshot_id):
        schema = pq.read_schema(local_path(file.file_path))
        ids = [(field.name, str(field.type), field.metadata[b"PARQUET:field_id"])
               for field in map(schema.field, schema.names)]  # fmt: skip
        counts = {
            number: (count, (file.null_value_counts or {}).get(number))
            for number, count in (file.value_counts or {}).items()
        }
        bounds = [
            {number: value for number, value in (of or {}).items() if number not in times}
            for of in (file.lower_bounds, file.upper_bounds)
        ]
        found.append((repr(file.partition), file.record_count, ids, counts, bounds))
    return sorted(found, key=repr)


@pytest.mark.slow
@pytest.mark.parametrize("table", ["bronze.orders", "silver.orders", "silver.orders_quarantine",
                                   "gold.fact_sales", "gold.dim_customer"])  # fmt: skip
def test_the_files_are_laid_out_alike(shops: dict[str, Shop], table: str) -> None:
    one, other = (files(shop, table) for shop in shops.values())
    assert one == other


def test_an_error_while_a_delivery_is_read_is_raised_as_it_is(shop: Shop) -> None:
    shop.file("orders").write_bytes(b"order_id,customer_id\nO1,\xff\n")
    with pytest.raises(PipelineError, match=r"rows\.csv"):
        shop.run("bronze", "orders", engine="duckdb")
    assert not shop.tables.table("bronze.orders").refs()


def test_what_nobody_refers_to_any_more_is_dropped(shop: Shop) -> None:
    with closing(EmbeddedEngine(shop.tables)) as engine:
        kept = engine.kept("SELECT 1 AS n")
        above = kept.where("n = 1")
        del kept
        assert above.checkpointed().count() == 1  # what it is made of stays
        del above
        engine.kept("SELECT 2 AS n")
        names = engine.execute("SELECT table_name FROM duckdb_tables()")
        assert len(names) <= 1


def test_a_snapshot_that_is_gone_is_no_empty_table(shop: Shop) -> None:
    shop.deliver("orders", {"order_id": "O1"})
    shop.run("bronze", "orders", engine="duckdb")
    with closing(EmbeddedEngine(shop.tables)) as engine:
        assert engine.table("bronze.orders", None).is_empty  # before its first snapshot
        with pytest.raises(LookupError, match="has no snapshot 7 any more"):
            engine.table("bronze.orders", 7)


def test_a_run_leaves_no_file_beside_the_lakehouse(shop: Shop, tmp_path: Path) -> None:
    shop.deliver("orders", {"order_id": "O1"})
    shop.run("bronze", "orders", engine="duckdb")
    data = [path for path in (shop.lakehouse / "warehouse").rglob("*") if path.is_file()]
    history = history_of(shop.tables, "bronze.orders")
    assert history.snapshot_id is not None
    known = {local_path(file.file_path) for file in files_of(history.table, history.snapshot_id)}
    assert {path for path in data if path.suffix == ".parquet"} == known


def test_an_engine_that_there_is_not_is_refused() -> None:
    with pytest.raises(PipelineError, match="ECOMMERCE_ENGINE is 'polars'; it must be duckdb or"):
        Settings.from_environment({"ECOMMERCE_ENGINE": "polars"})


_IMPORTS = """
import sys, threading
from ecommerce_assets.jobs.run import run_layer

class Watch:
    def find_spec(self, name, path=None, target=None):
        if threading.current_thread() is not threading.main_thread():
            print(name)

sys.meta_path.insert(0, Watch())
run_layer("bronze", sys.argv[1:])
"""


@pytest.mark.parametrize("engine", ["duckdb", "spark"])
def test_no_thread_imports_what_another_may_be_importing(shop: Shop, engine: str) -> None:
    """Modules that import each other in a circle are met half loaded by the second thread.

    So are classes that enter themselves into a register, like sqlglot's dialects.
    """
    shop.deliver_one_of_each()
    shop.run("bronze", first="2024-01-01")
    shop.deliver_one_of_each("2024-01-02")
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTS, "--from", "2024-01-02", "--to", "2024-01-02",
         "--landing", str(shop.landing), "--lakehouse", str(shop.lakehouse), "--engine", engine],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        check=True,
    )  # fmt: skip
    assert len(shop.content("bronze.orders")) == 2
    shared = "pyiceberg", "sqlalchemy", "sqlglot"
    assert not [name for name in done.stdout.split() if name.startswith(shared)]
