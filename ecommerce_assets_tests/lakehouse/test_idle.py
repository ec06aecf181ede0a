"""A run with nothing to do: no Spark is needed to know it, and it reports what a refresh would."""

from dataclasses import replace
from datetime import date

import pytest

from ecommerce_assets.engine.spark import SparkEngine
from ecommerce_assets.engine.spark_session import open_session
from ecommerce_assets.jobs import run
from ecommerce_assets.jobs.arguments import JobArguments
from ecommerce_assets.jobs.idle import idle_tables
from ecommerce_assets.jobs.materialize import materialize
from ecommerce_assets.jobs.outcome import Published
from ecommerce_assets.lakehouse.history import histories
from ecommerce_assets.lakehouse.local_catalog import Broken
from ecommerce_assets.refresh.run_cache import RunCache
from ecommerce_assets.tables import LAYERS, all_tables, publish_groups, tables_of
from ecommerce_assets_tests.shop import Shop
from ecommerce_assets_tests.three_days import DAYS, deliver


class EngineIsNeeded(Exception):
    """A session was opened."""


@pytest.fixture(scope="module")
def quiet(module_shop: Shop) -> Shop:
    """A shop of three days, one of them without a delivery of products, all of it materialized."""
    for number in range(3):
        deliver(module_shop, number)
    module_shop.file("products", DAYS[1]).unlink()
    module_shop.run_all(DAYS[0], DAYS[-1])
    return module_shop


def _idle(arguments: JobArguments) -> dict[str, Published]:
    return idle_tables(arguments, histories(arguments.lakehouse, arguments.reads))


def _arguments(shop: Shop, layer: str, first: str = DAYS[0], last: str = DAYS[-1]) -> JobArguments:
    return JobArguments(tables_of(layer), date.fromisoformat(first), date.fromisoformat(last),
                        str(shop.landing), str(shop.lakehouse))  # fmt: skip


def test_no_engine_is_opened(quiet: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*arguments: object) -> None:
        raise EngineIsNeeded

    monkeypatch.setattr(run, "open_engine", opened)
    quiet.run_all(DAYS[0], DAYS[-1])
    quiet.run_all(DAYS[1])
    with pytest.raises(EngineIsNeeded):
        quiet.run("bronze", full_refresh=True, first=DAYS[0])
    with pytest.raises(EngineIsNeeded):
        quiet.run("bronze", first="2024-03-01")


def test_it_reports_what_a_refresh_would(quiet: Shop) -> None:
    spark = open_session(str(quiet.lakehouse))
    for layer in LAYERS:
        arguments = _arguments(quiet, layer)
        idle = _idle(arguments)
        assert idle.keys() == {table.identifier for table in arguments.tables}
        for group in publish_groups(arguments.tables):
            for found in materialize(
                SparkEngine(spark), quiet.tables, group, arguments, RunCache()
            ):
                reported = idle[found.table.identifier]
                assert replace(reported, seconds=0) == replace(found, seconds=0)


def test_what_may_have_changed_is_left_to_the_refresh(quiet: Shop) -> None:
    quiet.deliver("orders", {"order_id": "O1"}, {"order_id": "O2"}, day=DAYS[2])
    assert "bronze.orders" not in _idle(_arguments(quiet, "bronze"))
    assert "bronze.products" in _idle(_arguments(quiet, "bronze"))
    quiet.run("bronze", "orders", DAYS[2])
    idle = _idle(_arguments(quiet, "silver"))
    assert {"silver.orders", "silver.orders_quarantine"}.isdisjoint(idle)
    assert "silver.products" in idle
    quiet.run("silver", first=DAYS[2])
    # A group is published together, and KPIs read its facts; no rate came.
    assert [*_idle(_arguments(quiet, "gold"))] == ["gold.dim_exchange_rate"]


def test_a_date_read_by_this_code_again_is_recorded(
    quiet: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After other code and back, the run that the check advises ends its warning."""
    table = all_tables()["bronze.customers"]
    own = table.code_version
    for version, day in (("another", DAYS[1]), (own, DAYS[2])):
        monkeypatch.setitem(table.__dict__, "code_version", version)
        quiet.run("bronze", "customers", day)
    for day in DAYS[:2]:
        assert "bronze.customers" not in _idle(_arguments(quiet, "bronze", day, day))
        quiet.run("bronze", "customers", day)
    (found,) = [
        finding
        for finding in _idle(_arguments(quiet, "bronze"))["bronze.customers"].findings
        if finding.check.name == "read_by_this_code"
    ]
    assert found.passed


def test_a_table_that_cannot_be_read_is_not_taken_for_unchanged(
    quiet: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(file: object) -> None:
        raise ValueError

    monkeypatch.setattr("pyiceberg.serializers.FromInputFile.table_metadata", broken)
    with pytest.raises(Broken, match="is damaged"):
        _idle(_arguments(quiet, "silver"))


def test_other_code_is_left_to_the_refresh(quiet: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    table = all_tables()["bronze.customers"]
    monkeypatch.setitem(table.__dict__, "code_version", "another")
    idle = _idle(_arguments(quiet, "bronze"))
    assert "bronze.customers" not in idle
    assert "bronze.products" in idle
