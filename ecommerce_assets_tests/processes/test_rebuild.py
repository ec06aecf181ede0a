"""The lakehouse from its deliveries alone; and deliveries that landing lets go."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ecommerce_assets.query.compare import compare
from ecommerce_assets.tables import all_tables
from ecommerce_assets_tests import console
from ecommerce_assets_tests.shop import Shop

TODAY = datetime.now(UTC).date()
OLD, NEW = (TODAY - timedelta(days=days) for days in (20, 2))


@pytest.fixture
def two_days(shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shop:
    """A shop with an old and a new delivery, both run."""
    monkeypatch.chdir(tmp_path)  # Dagster's history is where there is a dagster.yaml
    shop.deliver_one_of_each(day=OLD.isoformat())
    shop.deliver("orders", {}, {"order_id": "O2"}, {"order_id": ""}, day=NEW.isoformat())
    for day in (OLD, NEW):
        shop.run_all(day.isoformat())
    return shop


def rebuild(shop: Shop, *words: str, code: int = 0) -> console.Done:
    environment = {
        "ECOMMERCE_LANDING": str(shop.landing),
        "ECOMMERCE_LAKEHOUSE": str(shop.lakehouse),
        "ECOMMERCE_DASHBOARD": str(shop.dashboard),
        "ECOMMERCE_QUARANTINE_LIMIT": "1",
        "ECOMMERCE_IDENTITY_LIMIT": "1",
    }
    given = ("rebuild", "--from", "landing", "-q", *words)
    return console.ecommerce(*given, environment=environment, code=code)


def test_a_drill_rebuilds_beside_and_compares(two_days: Shop, tmp_path: Path) -> None:
    beside = tmp_path / "drill"
    compared = json.loads(rebuild(two_days, "--into", str(beside), "--json").stdout)
    assert [row["table"] for row in compared] == list(all_tables())
    assert all(row["in_service"] == row["rebuilt"] for row in compared)
    assert all(row["only_in_service"] == row["only_rebuilt"] == 0 for row in compared)
    assert next(row["rebuilt"] for row in compared if row["table"] == "silver.orders") == 2
    assert "is a lakehouse already" in rebuild(two_days, "--into", str(beside), code=1).stderr

    # What differs is told: an order that landed after the last run.
    two_days.deliver("orders", {"order_id": "O3"}, day=NEW.isoformat(), name="late.csv")
    told = rebuild(two_days, "--into", str(tmp_path / "second"), "--json", code=1)
    orders = next(row for row in json.loads(told.stdout) if row["table"] == "silver.orders")
    assert (orders["in_service"], orders["rebuilt"], orders["only_rebuilt"]) == (2, 3, 1)
    assert "bronze.orders, silver.orders" in told.stderr
    assert "gold.dim_product" not in told.stderr


def test_a_lost_lakehouse_is_brought_back_where_it_was(two_days: Shop) -> None:
    before = {name: two_days.content(name) for name in all_tables()}
    shutil.rmtree(two_days.lakehouse)
    rebuild(two_days)
    assert {name: two_days.content(name) for name in all_tables()} == before


def test_a_table_that_is_missing_or_has_other_columns_is_not_equal(
    two_days: Shop, tmp_path: Path
) -> None:
    other = Shop(tmp_path / "other")
    other.deliver("orders", {}, day=OLD.isoformat())
    other.run("bronze", "orders", OLD.isoformat())
    found = {one.table: one for one in compare(str(two_days.lakehouse), str(other.lakehouse))}
    assert found["gold.dim_date"].other_rows is None
    assert not found["gold.dim_date"].equal
    assert (found["bronze.orders"].rows, found["bronze.orders"].other_rows) == (4, 1)
    assert (found["bronze.orders"].only_here, found["bronze.orders"].only_there) == (3, 0)


def test_what_landing_does_not_keep_is_no_empty_delivery(
    two_days: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(two_days.landing / "products" / f"ingestion_date={OLD}")
    monkeypatch.setenv("ECOMMERCE_LANDING_DAYS", "10")
    two_days.run("bronze", first=OLD.isoformat(), full_refresh=True)
    assert len(two_days.content("bronze.products")) == 1


def test_a_new_delivery_that_is_taken_back_is_empty_all_the_same(
    two_days: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(two_days.landing / "orders" / f"ingestion_date={NEW}")
    monkeypatch.setenv("ECOMMERCE_LANDING_DAYS", "10")
    two_days.run("bronze", first=NEW.isoformat())
    assert len(two_days.content("bronze.orders")) == 1


@pytest.mark.parametrize("later", ["10", "0", "400"])
def test_a_late_file_is_added_to_what_landing_has_let_go(
    two_days: Shop, monkeypatch: pytest.MonkeyPatch, later: str
) -> None:
    """Whatever the setting says later: what an earlier one let go does not come back."""
    old = OLD.isoformat()
    two_days.deliver("orders", {"order_id": "O9"}, day=old, name="second.csv")
    two_days.run("bronze", first=old)
    before = two_days.content("bronze.orders")
    monkeypatch.setenv("ECOMMERCE_LANDING_DAYS", "10")
    two_days.run("bronze", first=old)  # with nothing to do

    # S3 counts the days of each file.
    two_days.file("orders", old).unlink()
    monkeypatch.setenv("ECOMMERCE_LANDING_DAYS", later)
    two_days.run("bronze", first=old)
    assert two_days.content("bronze.orders") == before
    two_days.file("orders", old, "second.csv").unlink()
    two_days.deliver("orders", {"order_id": "O10"}, day=old, name="late.csv")
    for _ in range(2):
        two_days.run("bronze", first=old, full_refresh=True)
        after = two_days.content("bronze.orders")
        assert set(before) < set(after)
        assert len(after) == len(before) + 1

    # A file that is there is read as it is now.
    two_days.deliver("orders", {"order_id": "O11"}, {"order_id": "O12"}, day=old, name="late.csv")
    two_days.run("bronze", first=old)
    assert len(two_days.content("bronze.orders")) == len(before) + 2


def test_an_old_date_that_was_never_read_is_read(
    two_days: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECOMMERCE_LANDING_DAYS", "10")
    older = (OLD - timedelta(days=1)).isoformat()
    two_days.deliver("orders", {}, {"order_id": "O9"}, day=older)
    two_days.run("bronze", first=older)
    assert len(two_days.content("bronze.orders")) == 6
