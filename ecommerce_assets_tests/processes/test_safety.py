"""Promises 4 and 5: readers, kills, runs at the same time, failed audits, rebuilds."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from ecommerce_assets.engine.spark import SparkEngine
from ecommerce_assets.engine.spark_session import open_session
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.jobs.arguments import JobArguments
from ecommerce_assets.jobs.materialize import materialize
from ecommerce_assets.lakehouse import staging
from ecommerce_assets.lakehouse.history import history_of
from ecommerce_assets.lakehouse.local_catalog import CATALOG_FILE, prepare_catalog
from ecommerce_assets.query.local import create_views
from ecommerce_assets.refresh.run_cache import RunCache
from ecommerce_assets.settings import ENGINES
from ecommerce_assets.tables import all_tables
from ecommerce_assets.tables.star import FACTS
from ecommerce_assets.thresholds import Thresholds
from ecommerce_assets_tests.shop import Shop
from ecommerce_assets_tests.three_days import DAYS, deliver, different, make


def snapshots(shop: Shop) -> dict[str, int | None]:
    return {name: history_of(shop.tables, name).snapshot_id for name in all_tables()}


def start(
    shop: Shop, folder: Path, first: str, last: str, engine: str = "duckdb"
) -> subprocess.Popen:
    """`ecommerce run` as a process of its own, in a group of its own."""
    call = [sys.executable, "-c", "from ecommerce_assets.cli.main import main; main()", "run",
            "--from", first, "--to", last]  # fmt: skip
    environment = {**os.environ, "ECOMMERCE_LANDING": str(shop.landing),
                   "ECOMMERCE_LAKEHOUSE": str(shop.lakehouse), "ECOMMERCE_QUARANTINE_LIMIT": "1",
                   "ECOMMERCE_ENGINE": engine,
                   "PYTHONPATH": str(Path(__file__).parents[2])}  # fmt: skip
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        call, cwd=folder, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
        text=True, start_new_session=True,
    )  # fmt: skip


def test_killed_at_any_moment_and_run_again(shop: Shop, tmp_path: Path) -> None:
    """SIGKILL in each layer, at the first table that it publishes: of all, or Spark's JVM alone."""
    for number in range(len(DAYS)):
        deliver(shop, number)
    for said in ("bronze.", "silver.", "gold.dim_", "gold.daily"):
        engine = "spark" if said == "silver." else "duckdb"
        process = start(shop, tmp_path / "run", DAYS[0], DAYS[-1], engine)
        for line in process.stderr:
            if line.startswith(said):
                break
        time.sleep(0.15)
        if said == "silver.":
            java = subprocess.check_output(["pgrep", "--pgroup", str(process.pid), "java"])
            os.kill(int(java), signal.SIGKILL)
            assert "Spark's JVM ended with exit code -9" in process.communicate()[1]
            assert process.returncode == 1
        else:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    shop.run_all(DAYS[0], DAYS[-1])
    assert different(shop) == {}


def test_a_lakehouse_is_created_by_several_runs_at_once(tmp_path: Path) -> None:
    """Each finds a whole catalog, whoever made it, and nothing else is left in the folder."""
    together = threading.Barrier(8)

    def prepare(folder: Path) -> None:
        together.wait()
        prepare_catalog(folder)

    for number in range(5):
        folder = tmp_path / str(number)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(prepare, [folder] * 8))
        assert [file.name for file in folder.iterdir()] == [CATALOG_FILE]
        with closing(sqlite3.connect(folder / CATALOG_FILE)) as catalog:
            names = {name for (name,) in catalog.execute("select name from sqlite_master")}
        assert {"iceberg_tables", "iceberg_namespace_properties"} <= names


def test_two_processes_at_once(shop: Shop, tmp_path: Path) -> None:
    """Overlapping ranges, two engines: both end well, and nothing is lost or doubled."""
    for number in range(len(DAYS)):
        deliver(shop, number)
    ranges = [(DAYS[0], DAYS[1]), (DAYS[1], DAYS[2])]
    processes = [
        start(shop, tmp_path / f"run{engine}", *dates, engine)
        for engine, dates in zip(ENGINES, ranges, strict=True)
    ]
    ends = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ends
    shop.run_all(DAYS[0], DAYS[0])
    assert different(shop) == {}


def test_readers_see_whole_states_that_fit_together(shop: Shop) -> None:
    """A reader polls through runs: facts find their dimensions' rows, a KPI never half a snapshot."""
    deliver(shop, 0)
    shop.run_all(DAYS[0])
    seen: list[tuple[int, int]] = []
    stop, polled = threading.Event(), threading.Event()

    def poll() -> None:
        while not stop.is_set():
            connection = duckdb.connect()
            create_views(connection, str(shop.lakehouse), "fact_sales")
            facts = connection.sql("from gold.fact_sales").to_arrow_table()
            create_views(connection, str(shop.lakehouse), "dim_customer dim_product dim_date")
            lost = connection.sql(
                "select count(*) from facts where customer_key not in (select customer_key from "
                "gold.dim_customer) or product_key not in (select product_key from "
                "gold.dim_product) or date_key not in (select date_key from gold.dim_date)"
            ).fetchall()[0][0]
            seen.append((len(facts), lost))
            connection.close()
            polled.set()

    reader = threading.Thread(target=poll)
    reader.start()
    try:
        assert polled.wait(60)  # before any run
        polls = len(seen)
        for number in (1, 2):
            shop.run_all(deliver(shop, number))
        assert len(seen) > polls, "the reader read nothing while tables were published"
        polled.clear()
        assert polled.wait(60)  # after the last run
    finally:
        stop.set()
        reader.join()
    assert {lost for _, lost in seen} == {0}
    assert len({rows for rows, _ in seen}) > 1


def facts_without_a_member(shop: Shop) -> int:
    """Published fact rows that lack a row of a dimension, as a reader counts them now."""
    lacking = "{} not in (select {} from gold.{})"
    of = {"dim_customer": "customer_key", "dim_date": "date_key", "dim_product": "product_key"}
    counts = [
        shop.one(f"select count(*) as n from {facts} where "
                 + " or ".join(lacking.format(key, key, name) for name, key in of.items()
                               if key in all_tables()[facts].columns))["n"]
        for facts in FACTS
    ]  # fmt: skip
    return sum(counts)


def test_members_leave_a_dimension_after_the_facts_that_name_them(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Corrections take away the last mention of inferred members, and of a year, and bring others.

    With kills at some of the publications; each published fact finds its members at every moment.
    """
    star = "fact_sales,fact_returns,fact_orders,dim_date,dim_customer,dim_product"
    deliver(shop, 0)
    publish, lacking = staging.Staged._fast_forward, []
    for number, published in enumerate((None, 1, 3, 4, 5)):
        year, other = ("2023-12-31", "8") if number % 2 else (DAYS[0], "9")
        shop.deliver("orders", {"order_id": "O8", "customer_id": f"C{other}", "order_date": year},
                     day=DAYS[0], name="more.csv")  # fmt: skip
        shop.deliver("order_items", {"order_item_id": "I8", "order_id": "O8", "product_id": f"P{other}"},
                     day=DAYS[0], name="more.csv")  # fmt: skip
        shop.run("bronze", first=DAYS[0])
        shop.run("silver", first=DAYS[0])
        left = [10 if published is None else published]

        def stop(
            staged: staging.Staged,
            tip: int,
            *,
            remove: bool,
            left: list[int] = left,
            first: bool = not number,
        ) -> None:
            if not left[0]:
                raise Killed
            left[0] -= 1
            publish(staged, tip, remove=remove)
            if not first:  # not all tables are there yet
                lacking.append(facts_without_a_member(shop))

        with monkeypatch.context() as killed, suppress(Killed, BaseExceptionGroup):
            killed.setattr(staging.Staged, "_fast_forward", stop)
            killed.setattr(staging, "drop_branch", lambda *arguments: None)
            shop.run("gold", star, first=DAYS[0])
        assert facts_without_a_member(shop) == 0
        shop.run("gold", star, first=DAYS[0])
        members = shop.query("select product_id from gold.dim_product where is_inferred")
        assert [member["product_id"] for member in members] == [f"P{other}"]
    assert set(lacking) == {0}
    shop.run("gold", first=DAYS[0])
    assert different(shop, 0) == {}


class Killed(BaseException):
    """Stands for SIGKILL: no handler of the product may see it as an error of its own."""


@pytest.fixture(scope="module")
def first_day(module_shop: Shop) -> Shop:
    """A shop after its first day: every test leaves its tables as they are for that day."""
    deliver(module_shop, 0)
    module_shop.run_all(DAYS[0])
    return module_shop


def test_nothing_changed_nothing_written(first_day: Shop) -> None:
    shop = first_day
    before = snapshots(shop)
    shop.run_all(DAYS[0])
    assert snapshots(shop) == before
    made = make(shop, "silver.orders", DAYS[0])
    assert (made.written, made.why, made.rows) == (None, "nothing changed upstream", 2)
    assert make(shop, "bronze.orders", DAYS[0]).why == "nothing new has landed"


def test_a_delivery_that_changes_nothing_here_is_only_noted(shop: Shop) -> None:
    """Upstream has another snapshot, of the same rows as far as they matter: no file is written."""
    deliver(shop, 0)
    shop.run_all(DAYS[0])
    shop.deliver("products", {"product_id": "P0", "price": "99"}, {"price": "1"}, day=DAYS[0])
    shop.run("bronze", "products", DAYS[0])
    shop.run("silver", "products", DAYS[0])
    shop.run("gold", "dim_product", DAYS[0])
    made = make(shop, "gold.category_performance", DAYS[0])
    assert (made.written, made.why) == (None, "nothing changed upstream")
    history = history_of(shop.tables, "gold.category_performance")
    assert history.current.summary.get("added-data-files") is None
    product = history_of(shop.tables, "gold.dim_product")
    assert history.record.sources["gold.dim_product"] == product.snapshot_id


def test_only_affected_rows_are_recomputed_and_why_is_said(shop: Shop) -> None:
    for number in (0, 1):
        shop.run_all(deliver(shop, number))
    day = deliver(shop, 2)
    shop.run("bronze", first=day)
    assert make(shop, "silver.orders").why == "2 affected by what changed upstream, by order_id"
    assert make(shop, "silver.order_items").why.startswith("2 affected")
    assert "by order_id" in make(shop, "gold.fact_sales").why


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            "insert into {t} select * from {t}",
            "its published snapshot has no record of what it was built from",
        ),
        ("delete from {t}", "its published snapshot has no record of what it was built from"),
    ],
)
def test_a_state_that_somebody_else_made_is_made_anew(
    first_day: Shop, spoil: str, said: str
) -> None:
    shop = first_day
    session = open_session(str(shop.lakehouse))
    for table in ("silver.orders", "gold.daily_revenue"):
        session.sql(spoil.format(t=f"lakehouse.{table}"))
        assert make(shop, table, DAYS[0]).why == said
    assert different(shop, 0) == {}


def test_a_changed_code_version_makes_the_table_anew(first_day: Shop) -> None:
    shop = first_day
    table = all_tables()["gold.dim_product"]
    before = table.code_version
    table.__dict__["code_version"] = "another"
    try:
        made = make(shop, "gold.dim_product", DAYS[0])
        assert made.why == f"its code changed from {before} to another"
        # The same rows again: what follows has nothing to do.
        assert make(shop, "gold.top_products", DAYS[0]).why == "nothing changed upstream"
    finally:
        table.__dict__["code_version"] = before
        make(shop, "gold.dim_product", DAYS[0])


def test_a_table_is_partitioned_anew_when_its_declaration_is(shop: Shop) -> None:
    table = all_tables()["silver.order_items"]
    now = {"partitioned_by": table.partitioned_by, "code_version": table.code_version}
    earlier = {"partitioned_by": ("months(_ingestion_date)",), "code_version": "earlier"}
    table.__dict__.update(earlier)
    try:
        for number in range(2):
            shop.run_all(deliver(shop, number))
    finally:
        table.__dict__.update(now)
    assert "its code changed" in make(shop, "silver.order_items", DAYS[1]).why
    items = history_of(shop.tables, "silver.order_items")
    by_date = items.rows_by_date(items.snapshot_id, "_ingestion_date")
    assert sum(by_date.values()) == items.rows
    assert make(shop, "gold.dim_product", DAYS[1]).why == (
        "what changed in silver.order_items since it was built is no longer known"
    )
    shop.run_all(deliver(shop, 2))
    assert different(shop) == {}


def test_full_refresh_makes_every_table_anew(first_day: Shop) -> None:
    shop = first_day
    before = snapshots(shop)
    for layer in ("bronze", "silver", "gold"):
        shop.run(layer, first=DAYS[0], full_refresh=True)
    after = snapshots(shop)
    assert all(after[name] != before[name] for name in before)
    assert different(shop, 0) == {}


def test_a_failed_audit_leaves_nothing_behind(shop: Shop) -> None:
    """No branch, no file, and the dependents are skipped."""
    deliver(shop, 0)
    shop.run_all(DAYS[0])
    before = snapshots(shop)
    files = set((shop.lakehouse / "warehouse").rglob("*.parquet"))
    table = all_tables()["gold.dim_product"]
    spoilt = replace(table, transform=lambda *given: table.transform(*given).where("false"))
    deliver(shop, 1)
    shop.run("bronze", first=DAYS[1])
    shop.run("silver", first=DAYS[1])
    made = set((shop.lakehouse / "warehouse").rglob("*.parquet"))
    names = ("gold.fact_sales", "gold.dim_product")
    places = (str(shop.landing), str(shop.lakehouse))
    day = date.fromisoformat(DAYS[1])
    session = open_session(str(shop.lakehouse))
    with pytest.raises(PipelineError, match="fact_rows_join"):
        materialize(
            SparkEngine(session), shop.tables, [all_tables()[names[0]], spoilt],
            JobArguments((), day, day, *places, Thresholds(1, 1, money_limit=1)), RunCache(),
        )  # fmt: skip
    for name in names:
        assert history_of(shop.tables, name).snapshot_id == before[name]
        refs = session.sql(f"select name from lakehouse.{name}.refs").collect()
        assert [row["name"] for row in refs] == ["main"]
    assert set((shop.lakehouse / "warehouse").rglob("*.parquet")) == made
    assert files < made
    shop.run("gold", first=DAYS[1])
    assert different(shop, 1) == {}
