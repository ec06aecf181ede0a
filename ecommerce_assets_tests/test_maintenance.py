"""Maintenance changes no row, and the next run still sees what has changed."""

import os
from datetime import UTC, datetime, timedelta

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from ecommerce_assets.jobs.maintenance import maintain_lakehouse
from ecommerce_assets.lakehouse import maintenance
from ecommerce_assets.lakehouse.history import history_of
from ecommerce_assets.lakehouse.session import open_session
from ecommerce_assets.tables import all_tables
from ecommerce_assets_tests.shop import Shop
from ecommerce_assets_tests.three_days import DAYS, deliver, different, make


def no_session() -> SparkSession:
    raise AssertionError("Spark is needed for nothing but compaction")


def test_maintenance_changes_no_row_and_keeps_what_runs_need(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (0, 1):
        shop.run_all(deliver(shop, number))
    # A table that was not made since; a lost file; everything is weeks old.
    shop.run("bronze", "orders", deliver(shop, 2))
    lost = shop.lakehouse / "warehouse" / "silver" / "orders" / "data" / "lost.parquet"
    lost.write_text("lost")
    os.utime(lost, (0, 0))
    snapshot = {name: shop.content(name) for name in all_tables()}
    before = {name: len(history_of(shop.tables, name).snapshots) for name in snapshot}
    with monkeypatch.context() as patch:
        patch.setattr("ecommerce_assets.jobs.maintenance.open_session", no_session)
        kept = maintain_lakehouse(str(shop.lakehouse), kept_days=0)
        done = {table.identifier: what for table, what in kept}
    assert {name: shop.content(name) for name in all_tables()} == snapshot
    assert done["silver.orders"].orphans_removed == 1
    assert not lost.exists()
    assert sum(what.snapshots_expired for what in done.values()) > 10
    assert done["gold.daily_revenue"].snapshots == 1 < before["gold.daily_revenue"]
    shop.run("bronze", first=DAYS[2])
    assert make(shop, "silver.orders").why.endswith(
        "affected by what changed upstream, by order_id"
    )
    shop.run_all(DAYS[2])
    assert different(shop) == {}


def test_states_that_maintenance_forgot_are_made_anew(shop: Shop, spark: SparkSession) -> None:
    deliver(shop, 0)
    shop.run_all(DAYS[0])
    shop.run("bronze", first=deliver(shop, 1))
    later = datetime.now(UTC) + timedelta(days=100)
    assert maintenance.maintain(shop.tables, "bronze.orders", [], no_session, later).snapshots == 1
    made = make(shop, "silver.orders", DAYS[1])
    assert made.why == "what changed in bronze.orders since it was built is no longer known"
    shop.run_all(DAYS[1])
    assert different(shop, 1) == {}


def test_small_files_are_compacted(shop: Shop) -> None:
    deliver(shop, 0)
    shop.run_all(DAYS[0])
    session = open_session(str(shop.lakehouse))
    table = "lakehouse.bronze.orders"
    row = session.table(table).limit(1).withColumn("order_id", F.lit("X"))
    for _ in range(6):
        row.writeTo(table).append()
    done = maintenance.maintain(shop.tables, "bronze.orders", [], lambda: session)
    assert (done.files_compacted, done.files) == (7, 1)
