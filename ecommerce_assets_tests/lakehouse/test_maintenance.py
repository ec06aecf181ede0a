"""Maintenance changes no row, and the next run still sees what has changed."""

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from ecommerce_assets.engine.embedded import EmbeddedEngine
from ecommerce_assets.engine.parquet import add_snapshot, layout_of, write_files
from ecommerce_assets.engine.relation import Overwrite
from ecommerce_assets.jobs.maintenance import maintain_lakehouse
from ecommerce_assets.lakehouse import maintenance
from ecommerce_assets.lakehouse.history import History, history_of
from ecommerce_assets.lakehouse.staging import Write
from ecommerce_assets.settings import ENGINES
from ecommerce_assets.tables import all_tables
from ecommerce_assets_tests.shop import Shop
from ecommerce_assets_tests.three_days import DAYS, deliver, different, make


def nothing(base: History, condition: str) -> Write:
    raise AssertionError("an engine is needed for nothing but compaction")


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
        patch.setattr("ecommerce_assets.jobs.maintenance.open_engine", nothing)
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


def test_states_that_maintenance_forgot_are_made_anew(shop: Shop) -> None:
    deliver(shop, 0)
    shop.run_all(DAYS[0])
    shop.run("bronze", first=deliver(shop, 1))
    later = datetime.now(UTC) + timedelta(days=100)
    assert maintenance.maintain(shop.tables, "bronze.orders", [], nothing, later).snapshots == 1
    made = make(shop, "silver.orders", DAYS[1])
    assert made.why == "what changed in bronze.orders since it was built is no longer known"
    shop.run_all(DAYS[1])
    assert different(shop, 1) == {}


def in_small_files(shop: Shop, identifier: str) -> None:
    """Each row in a file of its own; nothing else changes."""
    base = history_of(shop.tables, identifier)
    assert base.snapshot_id
    assert base.record
    schema = base.table.schema()
    with closing(EmbeddedEngine(shop.tables)) as engine:
        rows, layout = engine.table(identifier, base.snapshot_id), layout_of(base, schema)
        with engine.cursor() as cursor:
            written = [
                file
                for row in rows.rows()
                for file in write_files(
                    cursor,
                    layout,
                    engine.storage,
                    f"SELECT * FROM {rows.view} WHERE order_id = '{row['order_id']}'",
                )
            ]
            write = Overwrite(base, rows, schema, "true")
            add_snapshot(cursor, write, written, "main", base.record.summary())


@pytest.mark.parametrize("name", ENGINES)
def test_small_files_are_compacted(shop: Shop, name: str) -> None:
    shop.deliver_one_of_each()
    shop.deliver("orders", *[{"order_id": f"X{row}"} for row in range(6)], day=DAYS[1])
    shop.run("bronze")
    shop.run("bronze", first=DAYS[1])
    in_small_files(shop, "bronze.orders")
    before = shop.content("bronze.orders")
    read = history_of(shop.tables, "bronze.orders")
    (done,) = (
        what for table, what in maintain_lakehouse(str(shop.lakehouse), engine=name)
        if table.identifier == "bronze.orders"
    )  # fmt: skip
    # Of two days, one has enough small files.
    assert (done.files_compacted, done.files) == (6, 2)
    assert shop.content("bronze.orders") == before
    now = history_of(shop.tables, "bronze.orders")
    assert now.snapshot_id != read.snapshot_id
    assert now.record == read.record
    assert not now.changed_partitions(read.snapshot_id, now.snapshot_id)
    again = [what.files_compacted for _, what in maintain_lakehouse(str(shop.lakehouse))]
    assert sum(again) == 0


def test_what_a_run_publishes_meanwhile_stays(shop: Shop, engine: EmbeddedEngine) -> None:
    shop.deliver("orders", *[{"order_id": f"X{row}"} for row in range(6)])
    shop.run("bronze", "orders")
    in_small_files(shop, "bronze.orders")

    def rewriting(base: History, condition: str) -> Write:
        def write(branch: str, summary: Mapping[str, str]) -> Sequence[str]:
            rows = engine.table(base.identifier, base.snapshot_id).where(condition)
            write = Overwrite(base, rows, base.table.schema(), condition)
            lacking = engine.overwrite(write, branch, summary)
            shop.deliver("orders", {"order_id": "LATER"})
            shop.run("bronze", "orders")
            return lacking

        return write

    done = maintenance.maintain(shop.tables, "bronze.orders", [], rewriting)
    assert done.files_compacted == 0
    assert [row["order_id"] for row in shop.query("select order_id from bronze.orders")] == [
        "LATER"
    ]
    assert list(history_of(shop.tables, "bronze.orders").table.refs()) == ["main"]
