"""Nothing is given up because it can't be seen any more: deliveries, files, whole lakehouses."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.jobs.maintenance import maintain_lakehouse
from ecommerce_assets.lakehouse.local_catalog import CATALOG_FILE, metadata_files
from ecommerce_assets.lakehouse.rebuilding import why_broken
from ecommerce_assets.query.history import published_snapshots
from ecommerce_assets.query.local import connect
from ecommerce_assets.shop import current_shop
from ecommerce_assets.tables import LAYERS, all_tables
from ecommerce_assets.thresholds import exceeds
from ecommerce_assets_tests import console
from ecommerce_assets_tests.shop import DAY, Shop
from ecommerce_assets_tests.three_days import DAYS, deliver, different

NEXT = "2024-01-02"


def refused(shop: Shop, layer: str, *, first: str = DAY, last: str = "", **how: object) -> str:
    """What a run says that changes nothing."""
    names = [name for name in all_tables() if name in metadata_files(str(shop.lakehouse))]
    before = {name: shop.content(name) for name in names}
    with pytest.raises(PipelineError) as caught:
        shop.run(layer, first=first, last=last, **how)
    assert {name: shop.content(name) for name in names} == before
    return str(caught.value)


def orders(count: int, day: str) -> list[dict[str, str]]:
    return [{"order_id": f"O{day}-{n}"} for n in range(count)]


# --- a lakehouse knows where it lies ---


def test_a_copy_of_a_lakehouse_is_refused_and_its_original_stays(
    shop: Shop, tmp_path: Path
) -> None:
    shop.deliver_one_of_each()
    shop.run_all()
    copy = tmp_path / "backup"
    shutil.copytree(shop.lakehouse, copy)
    shop.deliver_one_of_each(NEXT)
    shop.run_all(NEXT)
    for file in shop.lakehouse.rglob("*"):
        os.utime(file, (0, 0))
    before = shop.state()
    told = rf"{copy} is a copy .* lie at {shop.lakehouse} .*rebuild --from landing"
    with pytest.raises(PipelineError, match=told):
        list(maintain_lakehouse(str(copy)))
    with pytest.raises(PipelineError, match=told):
        connect(str(copy))
    with pytest.raises(PipelineError, match=told):
        published_snapshots(str(copy), "orders")
    other = Shop(tmp_path)
    other.landing, other.lakehouse = shop.landing, copy
    for layer in LAYERS:
        with pytest.raises(PipelineError, match=told):
            other.run(layer, first=NEXT)
    assert shop.state() == before


def test_a_lakehouse_behind_a_link_is_the_same(shop: Shop, tmp_path: Path) -> None:
    shop.deliver_one_of_each()
    shop.run_all()
    link = tmp_path / "link"
    link.symlink_to(shop.lakehouse)
    before = shop.content("gold.fact_sales")
    shop.lakehouse = link
    shop.run_all()
    assert shop.content("gold.fact_sales") == before


def test_maintenance_removes_nothing_outside_the_lakehouse(shop: Shop, tmp_path: Path) -> None:
    """A snapshot may name files elsewhere; expiring it leaves them alone."""
    from ecommerce_assets.engine.spark_session import open_session

    shop.deliver("orders", {})
    shop.run("bronze", "orders")
    spark = open_session(str(shop.lakehouse))
    elsewhere = tmp_path / "elsewhere"
    table = "lakehouse.bronze.orders"
    (shop_file,) = (shop.lakehouse / "warehouse" / "bronze" / "orders" / "data").rglob("*.parquet")
    foreign = elsewhere / f"_ingestion_date={DAY}" / "a.parquet"
    foreign.parent.mkdir(parents=True)
    shutil.copy(shop_file, foreign)
    spark.sql(
        f"call lakehouse.system.add_files(table => 'bronze.orders', source_table => "
        f"'`parquet`.`{elsewhere}`', check_duplicate_files => false)"
    )
    assert spark.table(table).count() == 2
    shop.deliver("orders", {}, {"order_id": "O2"})
    shop.run("bronze", "orders")
    done = {
        found.identifier: what
        for found, what in maintain_lakehouse(str(shop.lakehouse), kept_days=0)
    }
    assert done["bronze.orders"].snapshots_expired
    assert foreign.exists()


# --- what a run takes away ---


def test_deliveries_that_can_not_be_seen_any_more(shop: Shop) -> None:
    """A folder that is not mounted, a typo in a prefix, dates that vanish: nothing is given up."""
    for day in DAYS:
        shop.deliver("orders", *orders(60, day), day=day)
        shop.deliver("products", {}, day=day)
    shop.run("bronze", "orders,products", DAYS[0], DAYS[-1])
    moved = shop.landing.with_name("elsewhere")

    # The folder of the source; for a date that the table holds, and for one that it does not.
    (shop.landing / "orders").rename(moved)
    for day in (DAYS[1], "2024-02-01"):
        told = refused(shop, "bronze", tables="orders", first=day)
        assert f"{shop.landing}/orders has no delivery any more, and bronze.orders holds" in told
        assert f"180 rows of 3 dates, {DAYS[0]} to {DAYS[2]}." in told
        assert "--allow-removal" in told
    moved.rename(shop.landing / "orders")

    # All of landing is empty, or not there.
    shop.landing.rename(moved)
    assert "no landing folder at" in refused(shop, "bronze", tables="orders", first=DAYS[1])
    shop.landing.mkdir()
    assert "has no delivery any more" in refused(shop, "bronze", tables="orders", first=DAYS[1])
    shop.landing.rmdir()
    moved.rename(shop.landing)

    # A date of fewer rows.
    before = shop.file("orders", DAYS[0]).read_text()
    shop.deliver("orders", {}, day=DAYS[0])
    told = refused(shop, "bronze", tables="orders", first=DAYS[0], removal_limit=0.2)
    assert "rows_kept: 59 of 180 rows (32.8 %, limit 20 %) are gone." in told
    shop.file("orders", DAYS[0]).write_text(before)

    # Several dates at once; one alone is a correction.
    for day in DAYS[:2]:
        shutil.rmtree(shop.landing / "orders" / f"ingestion_date={day}")
    told = refused(shop, "bronze", tables="orders", first=DAYS[0], last=DAYS[-1])
    assert f"no file any more of 2 dates that bronze.orders holds, {DAYS[0]} to {DAYS[1]}" in told
    assert "with 120 rows" in told
    shop.run("bronze", "orders", first=DAYS[0])
    assert len(shop.content("bronze.orders")) == 120
    shop.run("bronze", "orders", first=DAYS[0], last=DAYS[-1], allow_removal=True)
    assert len(shop.content("bronze.orders")) == 60

    # What is meant is done.
    shutil.rmtree(shop.landing / "orders")
    shop.run("bronze", "orders", first=DAYS[0], last=DAYS[-1], allow_removal=True)
    assert shop.content("bronze.orders") == []


def test_a_derived_table_that_loses_a_fifth_of_its_rows_is_not_published(shop: Shop) -> None:
    for day in DAYS:
        shop.deliver("orders", *orders(60, day), day=day)
    shop.run("bronze", "orders", DAYS[0], DAYS[-1])
    shop.run("silver", "orders", DAYS[0], DAYS[-1])
    shop.deliver("orders", {}, day=DAYS[0])
    shop.run("bronze", "orders", first=DAYS[0])
    told = refused(shop, "silver", tables="orders", first=DAYS[0], removal_limit=0.2)
    assert "rows_kept: 59 of 180 rows" in told
    shop.run("silver", "orders", first=DAYS[0], removal_limit=0.2, allow_removal=True)
    assert len(shop.content("silver.orders")) == 121


@pytest.mark.parametrize(("lost", "of", "blocks"), [
    (1, 1, False), (2, 2, False), (3, 3, True), (4, 10, False), (7, 10, True),
    (30, 100, False), (40, 100, True), (2_200, 10_000, True), (2_050, 10_000, False),
])  # fmt: skip
def test_small_counts_vary_by_chance(lost: int, of: int, blocks: bool) -> None:
    assert exceeds(lost, of, 0.2) is blocks


def test_a_limit_of_nothing_or_of_everything() -> None:
    assert not exceeds(0, 0, 0)
    assert not exceeds(0, 5, 0)
    assert exceeds(1, 5, 0)
    assert not exceeds(5, 5, 1)


@pytest.mark.parametrize("loaded", [True, False], ids=["loaded before", "first load"])
def test_a_condition_that_fits_no_row(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loaded: bool
) -> None:
    shop.deliver_one_of_each()
    shop.deliver("orders", *orders(30, DAY))
    if loaded:
        shop.run_all()
    ours = tmp_path / "our.toml"
    text = current_shop().text
    assert "[tables.orders]" in text
    ours.write_text(text.replace("[tables.orders]", "[tables.orders]\nwhere = \"status = 'sold'\""))
    monkeypatch.setenv("ECOMMERCE_SHOP", str(ours))
    if not loaded:
        shop.run("bronze")
    told = refused(shop, "silver", removal_limit=0.2)
    assert "silver.orders was not published" in told
    assert ("rows_kept: 30 of 30 rows" if loaded else "rows_selected: 0 of 30 rows") in told
    assert "--allow-removal" in told
    shop.run("silver", removal_limit=0.2, allow_removal=True)
    assert shop.content("silver.orders") == []


# --- files of the lakehouse ---


def test_the_catalog_alone_is_a_backup_of_it(shop: Shop, tmp_path: Path) -> None:
    """No commit stays in the write-ahead log; a restored copy is the lakehouse as it was."""
    shop.deliver_one_of_each()
    shop.run_all()
    before, backup = shop.state(), tmp_path / "backup"
    backup.mkdir()
    shutil.copy(shop.lakehouse / CATALOG_FILE, backup)
    shutil.copytree(shop.lakehouse / "warehouse", backup / "warehouse")
    shop.deliver_one_of_each(NEXT)
    shop.run_all(NEXT)
    assert shop.state() != before
    shutil.rmtree(shop.lakehouse)
    backup.rename(shop.lakehouse)
    assert shop.state() == before
    shop.run_all(NEXT)
    assert len(shop.content("bronze.orders")) == 2


def data_file(shop: Shop, table: str) -> Path:
    folder = shop.lakehouse / "warehouse" / table.replace(".", "/") / "data"
    return max(folder.rglob("*.parquet"), key=lambda file: file.stat().st_mtime_ns)


@pytest.mark.parametrize(
    ("table", "damage"),
    [("bronze.orders", "is gone"), ("silver.orders", "is cut off"), ("gold.dim_customer", "is gone"),
     ("gold.daily_revenue", "is cut off")],
)  # fmt: skip
def test_a_run_mends_a_table_that_has_lost_a_file(shop: Shop, table: str, damage: str) -> None:
    for number in range(len(DAYS)):
        deliver(shop, number)
    shop.run_all(DAYS[0], DAYS[-1])
    before, file = shop.state(), data_file(shop, table)
    if damage == "is gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(
        PipelineError, match=f"{table}: its data file {file} (is gone|has 100 bytes)"
    ):
        connect(str(shop.lakehouse), f"select * from {table}")
    with pytest.raises(
        PipelineError, match=f"data files are gone or cut off: {table} 1. `ecommerce run` mends"
    ):
        list(maintain_lakehouse(str(shop.lakehouse)))
    shop.run_all(DAYS[0])
    assert shop.state() == before
    assert different(shop) == {}


def test_a_table_that_has_lost_a_file_stops_only_those_that_read_it(shop: Shop) -> None:
    shop.deliver_one_of_each()
    shop.run("bronze")
    shop.run("silver", "orders,products")
    data_file(shop, "bronze.orders").unlink()
    shop.deliver("products", {"price": "11.00"})
    shop.run("bronze", "products")
    told = r"silver.orders_quarantine: bronze.orders: its data .*--select bronze.orders` mends it"
    with pytest.raises(PipelineError, match=told):
        shop.run("silver", "orders_quarantine,products")
    assert str(shop.one("select price from silver.products")["price"]) == "11.0000"


def test_a_column_that_is_not_published_yet_is_no_empty_one(shop: Shop) -> None:
    """The table that has to give it was not materialized since it was declared."""
    shop.deliver_one_of_each()
    shop.run_all()
    with shop.tables.table("silver.orders").update_schema() as update:
        update.delete_column("business_date")
    text = refused(shop, "gold", full_refresh=True)
    assert text.startswith(
        "gold.fact_sales: silver.orders has no column business_date yet: materialize it first\n"
    )


@pytest.mark.slow
def test_half_of_all_files_are_gone(shop: Shop) -> None:
    for number in range(len(DAYS)):
        deliver(shop, number)
    shop.run_all(DAYS[0], DAYS[-1])
    before = shop.state()

    def lose_half() -> None:
        for file in sorted((shop.lakehouse / "warehouse").rglob("*.parquet"))[::2]:
            file.unlink()

    lose_half()
    for layer in LAYERS:
        shop.run(layer, first=DAYS[0], last=DAYS[-1], full_refresh=True)
    assert shop.state() == before
    lose_half()
    told = command(shop, "rebuild", "--from", "landing", "-q", code=0).stderr
    assert "the table is mended where it is" in told
    assert shop.state() == before
    assert not list(shop.lakehouse.parent.glob("*-broken-*"))


def test_a_lost_date_whose_delivery_is_gone_too(shop: Shop) -> None:
    for day in DAYS[:2]:
        shop.deliver("orders", *orders(3, day), day=day)
    shop.run("bronze", "orders", DAYS[0], DAYS[1])
    file = next((shop.lakehouse / "warehouse/bronze/orders/data").glob(f"*{DAYS[0]}/*.parquet"))
    file.unlink()
    shutil.rmtree(shop.landing / "orders" / f"ingestion_date={DAYS[0]}")
    with pytest.raises(PipelineError) as caught:
        shop.run("bronze", "orders", DAYS[1])
    assert (
        f"bronze.orders: its data file {file} is gone, and {shop.landing}/orders has not all files of {DAYS[0]}"
        in str(caught.value)
    )
    shop.run("bronze", "orders", DAYS[1], allow_removal=True)
    assert len(shop.content("bronze.orders")) == 3


BREAK: dict[str, Callable[[Path, Path], Path]] = {}


def breaks(change: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
    """A way to break a lakehouse, given its catalog and the metadata of silver.orders; returns the
    file that is named."""
    BREAK[change.__name__] = change
    return change


@breaks
def catalog_missing(catalog: Path, metadata: Path) -> Path:
    catalog.unlink()
    return catalog


@breaks
def catalog_cut(catalog: Path, metadata: Path) -> Path:
    catalog.write_bytes(catalog.read_bytes()[:5000])
    return catalog


@breaks
def catalog_empty(catalog: Path, metadata: Path) -> Path:
    catalog.write_bytes(b"")
    return catalog


@breaks
def catalog_garbage(catalog: Path, metadata: Path) -> Path:
    catalog.write_bytes(b"garbage" * 2000)
    return catalog


@breaks
def metadata_missing(catalog: Path, metadata: Path) -> Path:
    metadata.unlink()
    return metadata


@breaks
def metadata_cut(catalog: Path, metadata: Path) -> Path:
    metadata.write_text(metadata.read_text()[:500])
    return metadata


def manifests(metadata: Path) -> Path:
    snapshot = json.loads(metadata.read_text())["current-snapshot-id"]
    (found,) = metadata.parent.glob(f"snap-{snapshot}-*")
    return found


@breaks
def manifests_missing(catalog: Path, metadata: Path) -> Path:
    found = manifests(metadata)
    found.unlink()
    return found


@breaks
def manifests_cut(catalog: Path, metadata: Path) -> Path:
    found = manifests(metadata)
    found.write_bytes(found.read_bytes()[:300])
    return found


def broken(shop: Shop, how: str) -> str:
    """Break a lakehouse; returns the name that is told."""
    if how == "moved":
        shop.lakehouse = shop.lakehouse.rename(shop.lakehouse.with_name("moved"))
        return str(shop.lakehouse)
    metadata = metadata_files(str(shop.lakehouse))["silver.orders"]
    return str(BREAK[how](shop.lakehouse / CATALOG_FILE, metadata))


@pytest.mark.parametrize("how", [*BREAK, "moved"])
def test_a_broken_lakehouse_is_told_by_the_file_and_the_remedy(shop: Shop, how: str) -> None:
    shop.deliver("orders", {})
    shop.run("bronze", "orders")
    shop.run("silver", "orders")
    named = broken(shop, how)
    told = rf"{named} (is|was) .*`ecommerce rebuild --from landing`$"
    with pytest.raises(PipelineError, match=told):
        connect(str(shop.lakehouse), "select * from silver.orders")
    with pytest.raises(PipelineError, match=told):
        shop.run("silver", "orders")
    with pytest.raises(PipelineError, match=told):
        list(maintain_lakehouse(str(shop.lakehouse)))
    if not how.startswith("manifests"):
        with pytest.raises(PipelineError, match=told):
            published_snapshots(str(shop.lakehouse), "silver.orders")


def command(shop: Shop, *words: str, code: int) -> console.Done:
    environment = {
        "ECOMMERCE_LANDING": str(shop.landing), "ECOMMERCE_LAKEHOUSE": str(shop.lakehouse),
        "ECOMMERCE_DASHBOARD": str(shop.dashboard), "ECOMMERCE_QUARANTINE_LIMIT": "1",
    }  # fmt: skip
    return console.ecommerce(*words, environment=environment, code=code)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["catalog_garbage", "metadata_missing", "moved"])
def test_what_is_broken_is_rebuilt_without_being_read(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.chdir(tmp_path)
    shop.deliver_one_of_each()
    shop.run_all()
    before = shop.state()
    named = broken(shop, how)
    said = command(shop, "query", "select * from silver.orders", code=1).stderr
    assert said.startswith("Error: ")
    assert named in said
    assert len(said.splitlines()) == 1
    done = command(shop, "rebuild", "--from", "landing", "-q", code=0)
    assert named in done.stderr
    assert "is put aside as" in done.stderr
    assert shop.state() == before
    (aside,) = shop.lakehouse.parent.glob(f"{shop.lakehouse.name}-broken-*")
    assert (aside / "warehouse").is_dir()


@pytest.mark.slow
def test_a_rebuild_that_was_killed_is_continued(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(len(DAYS)):
        deliver(shop, number)
    shop.run_all(DAYS[0], DAYS[-1])
    before = shop.state()
    (shop.lakehouse / CATALOG_FILE).write_bytes(b"no catalog")
    call = [
        sys.executable,
        "-c",
        "from ecommerce_assets.cli.main import main; main()",
        "rebuild",
        "--from",
        "landing",
    ]
    environment = {
        **os.environ,
        "ECOMMERCE_LANDING": str(shop.landing),
        "ECOMMERCE_LAKEHOUSE": str(shop.lakehouse),
        "ECOMMERCE_QUARANTINE_LIMIT": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    process = subprocess.Popen(
        call, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    for line in process.stderr:
        if line.startswith("silver."):
            break
    os.killpg(process.pid, 9)
    process.wait()
    assert set(metadata_files(str(shop.lakehouse))) >= {"bronze.orders"}
    command(shop, "rebuild", "--from", "landing", "-q", code=0)
    assert shop.state() == before
    # Now it is the lakehouse in service.
    assert "tables are equal" in command(shop, "rebuild", "--from", "landing", code=0).stderr


def test_a_locked_catalog_is_named_as_such(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ecommerce_assets.lakehouse import local_catalog

    monkeypatch.setattr(local_catalog, "LOCK_SECONDS", 0.2)
    local_catalog.prepare_catalog(tmp_path / "lake")
    told = r"catalog.db is locked by another process.*run this again"
    with closing(sqlite3.connect(tmp_path / "lake" / CATALOG_FILE)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(PipelineError, match=told):
            metadata_files(str(tmp_path / "lake"))
        with pytest.raises(PipelineError, match=told):
            why_broken(str(tmp_path / "lake"), all_tables())
    assert metadata_files(str(tmp_path / "lake")) == {}
