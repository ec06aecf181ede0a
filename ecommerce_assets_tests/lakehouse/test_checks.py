"""Every check can fail: for each, a snapshot that breaks it is kept from being published (or warns)."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ecommerce_assets.engine.spark import SparkEngine, SparkRelation, frame_of
from ecommerce_assets.engine.spark_session import open_session
from ecommerce_assets.jobs.arguments import JobArguments
from ecommerce_assets.jobs.audit import checks_of
from ecommerce_assets.jobs.materialize import materialize
from ecommerce_assets.jobs.outcome import AuditFailed, Published, TableFailed
from ecommerce_assets.model.audit import Finding
from ecommerce_assets.refresh.run_cache import RunCache
from ecommerce_assets.tables import all_tables, publish_groups
from ecommerce_assets.thresholds import Thresholds
from ecommerce_assets_tests.shop import Shop
from ecommerce_assets_tests.three_days import make

DAY = date(2024, 1, 1)


@pytest.fixture(scope="module")
def healthy(module_shop: Shop) -> Shop:
    module_shop.deliver_one_of_each()
    module_shop.deliver("returns", {})
    module_shop.run_all()
    return module_shop


def arguments(shop: Shop, limit: float = 1, day: date = DAY) -> JobArguments:
    places = (str(shop.landing), str(shop.lakehouse))
    return JobArguments(
        (),
        day,
        day,
        *places,
        Thresholds(quarantine_limit=limit, identity_limit=1, money_limit=1),
        full_refresh=True,
    )


def attempt(
    shop: Shop, table: str, spoil: Any = None, limit: float = 1, day: date = DAY
) -> dict[str, Finding]:
    """The findings of a table's materialization, its transformation spoilt."""
    declared = all_tables()[table]
    if spoil is not None:
        original = declared.transform
        declared = replace(
            declared, transform=lambda *given: SparkRelation(spoil(frame_of(original(*given))))
        )
    cache = RunCache()
    before = shop.content(table)
    try:
        result: Published | AuditFailed
        (result,) = materialize(
            SparkEngine(open_session(str(shop.lakehouse))),
            shop.tables,
            [declared],
            arguments(shop, limit, day),
            cache,
        )
    except TableFailed as failed:
        if not isinstance(failed.error, AuditFailed):
            raise
        result = failed.error
        assert shop.content(table) == before, "a failed audit must not change what is published"
    finally:
        cache.release()
    return {finding.check.name: finding for finding in result.findings}


def doubled(frame: DataFrame) -> DataFrame:
    return frame.unionByName(frame)


def with_value(column: str, value: Any) -> Any:
    def spoil(frame: DataFrame) -> DataFrame:
        kind = frame.schema[column].dataType
        return frame.withColumn(column, F.lit(value).cast(kind))

    return spoil


SPOILT = [
    ("bronze.orders", "schema", lambda f: f.drop("order_id")),
    ("bronze.orders", "nullability", with_value("_source_file", None)),
    ("bronze.orders", "ranges", with_value("_row_number", 0)),
    ("bronze.orders", "unique_key", doubled),
    ("silver.orders", "schema", lambda f: f.withColumn("total_amount", F.lit(1.5))),
    ("silver.orders", "nullability", with_value("customer_id", None)),
    ("silver.orders", "ranges", with_value("total_amount", -1)),
    ("silver.orders", "allowed_values", with_value("status", "lost")),
    ("silver.orders", "formats", with_value("shipping_country", "Germany")),
    ("silver.orders", "unique_key", doubled),
    ("silver.orders", "row_conservation", lambda f: f.where("false")),
    ("silver.orders", "row_conservation", with_value("order_id", "phantom")),
    ("silver.orders", "row_conservation", doubled),
    ("gold.fact_sales", "unique_key", doubled),
    ("gold.fact_sales", "ranges", with_value("revenue", -1)),
    ("gold.dim_date", "fact_rows_join", lambda f: f.where("date_key != 20240101")),
    ("gold.dim_customer", "fact_rows_join", lambda f: f.where("false")),
    ("gold.dim_customer", "allowed_values", with_value("segment", "whale")),
    ("gold.dim_product", "fact_rows_join", with_value("product_key", 1)),
    ("gold.dim_product", "unique_key", doubled),
    ("gold.daily_revenue", "unique_key", doubled),
    ("gold.daily_revenue", "revenue_reconciles", with_value("revenue", 11)),
    ("gold.weekly_revenue", "revenue_reconciles", lambda f: f.where("false")),
    ("gold.monthly_revenue", "revenue_reconciles", with_value("revenue", 11)),
    ("gold.daily_revenue", "returned_reconciles", with_value("returned", 11)),
    ("gold.fact_orders", "revenue_reconciles", with_value("revenue", 1)),
    ("gold.fact_returns", "unique_key", doubled),
    ("gold.order_revenue_by_cohort", "returned_reconciles", lambda f: f.where("false")),
    ("gold.customer_lifetime_value", "revenue_reconciles", with_value("revenue", 1)),
    ("gold.customer_lifetime_value", "returned_reconciles", with_value("returned", 1)),
    ("gold.top_products", "revenue_reconciles", with_value("revenue", 1)),
    ("gold.category_performance", "revenue_reconciles", with_value("revenue", 1)),
    ("gold.category_performance", "ranges", with_value("revenue_share", 1.5)),
    ("gold.orders_per_customer", "orders_reconcile", with_value("orders", 2)),
]


@pytest.mark.parametrize(
    ("table", "check", "spoil"), SPOILT, ids=[f"{table} {check}" for table, check, _ in SPOILT]
)
def test_a_spoilt_state_is_not_published(healthy: Shop, table: str, check: str, spoil: Any) -> None:
    findings = attempt(healthy, table, spoil)
    assert not findings[check].passed
    assert findings[check].blocks
    assert findings[check].counts
    assert findings[check].advice
    if check in ("nullability", "ranges", "allowed_values", "formats", "unique_key"):
        assert findings[check].sample


def test_a_healthy_state_passes_every_check(shop: Shop) -> None:
    shop.deliver_one_of_each()
    cache, engine = RunCache(), SparkEngine(open_session(str(shop.lakehouse)))
    findings = {
        made.table.identifier: made.findings
        for group in publish_groups(list(all_tables().values()))
        for made in materialize(engine, shop.tables, group, arguments(shop), cache)
    }
    cache.release()
    assert findings.keys() == all_tables().keys()
    for name, found in findings.items():
        assert [finding.check.name for finding in found if not finding.passed] == [], name
        assert [finding.check for finding in found] == checks_of(all_tables()[name]), name


def test_every_kind_of_check_is_proven_to_fail() -> None:
    proven = {check for _, check, _ in SPOILT}
    proven |= {"reasons_given", "quarantine_share", "delivery_not_empty", "volume_as_usual"}
    proven |= {"rows_kept"}  # test_lost_data
    proven |= {"all_files_read"}  # test_landing
    proven |= {"read_by_this_code"}  # test_code_version
    proven |= {"returns_within_sales", "returns_after_orders", "returns_have_amounts"}  # test_money
    proven |= {"orders_have_rates"}  # test_currencies
    proven |= {"keys_not_repeated"}  # test_repeated
    proven |= {"amounts_in_smallest_unit"}  # test_amounts; as named_by_sales of shops of lines
    proven |= {
        "items_without_order",
        "order_amounts_agree",
        "orders_have_items",
        "line_totals_agree",
        "discounts_are_percent",
        "inferred_members",
        "last_record_complete",
        "fields_as_in_header",
        "quotes_closed",
        "schema_as_usual",
        "rows_as_before",
        "value_as_before",
        "key_unambiguous",
        "newest_version_current",
        "value_quarantined",
    }  # test_doubts
    assert {check.name for table in all_tables().values() for check in checks_of(table)} == proven


def test_a_quarantined_row_without_a_reason(shop: Shop) -> None:
    shop.deliver("orders", {"status": "lost"})
    shop.run("bronze", "orders")
    shop.run("silver", "orders_quarantine")
    spoil = lambda f: f.withColumn("_reasons", F.expr("filter(_reasons, r -> false)"))  # noqa: E731
    assert attempt(shop, "silver.orders_quarantine", spoil)["reasons_given"].blocks
    counted = attempt(shop, "silver.orders_quarantine")["reasons_given"].counts
    assert counted == {"quarantined": 1, "status: not an allowed value": 1}


def test_quarantine_share_warns_from_a_fifth_and_blocks_above_the_limit(shop: Shop) -> None:
    orders = [{"order_id": f"O{n}", "status": "shipped" if n % 10 else "lost"} for n in range(1000)]
    shop.deliver("orders", *orders)
    shop.run("bronze", "orders")
    shop.run("silver", "orders")
    for limit, passed, blocks in [(1, True, False), (0.5, True, False), (0.3, False, False),
                                  (0.1, False, False), (0.05, False, True)]:  # fmt: skip
        finding = attempt(shop, "silver.orders", limit=limit)["quarantine_share"]
        assert (finding.passed, finding.blocks) == (passed, blocks)
    assert finding.sample[0]["_reasons"] == ["status: not an allowed value"]
    assert finding.counts == {"rows": 1000, "quarantined": 100, "share": 0.1, "limit": 0.05}


def test_a_small_delivery_may_exceed_the_limit_by_chance(shop: Shop) -> None:
    """One row of 19 is no more than 5 %."""
    shop.deliver("orders", *[{"order_id": f"O{n}"} for n in range(18)], {"status": "lost"})
    shop.run("bronze", "orders")
    shop.run("silver", "orders", limit=0.05)
    finding = attempt(shop, "silver.orders", limit=0.05)["quarantine_share"]
    assert (finding.passed, finding.counts["share"]) == (True, 0.052632)


def test_an_empty_delivery_warns(shop: Shop) -> None:
    shop.run("bronze", "orders")
    finding = attempt(shop, "bronze.orders")["delivery_not_empty"]
    assert (finding.passed, finding.blocks, finding.level) == (False, False, "WARN")


@pytest.mark.parametrize(
    ("rows", "passed"),
    [(100, True), (150, True), (151, False), (50, True), (49, False), (0, False)],
)
def test_a_delivery_of_another_size_than_in_the_weeks_before_warns(
    shop: Shop, rows: int, passed: bool
) -> None:
    for day, usual in (
        ("2024-01-01", 80),
        ("2024-01-08", 1200),
        ("2024-01-14", 990),
        ("2024-01-15", 100),
        ("2024-01-22", rows),
    ):
        shop.deliver("orders", *[{"order_id": f"{day}{n}"} for n in range(usual)], day=day)
    shop.run("bronze", "orders", first="2024-01-01", last="2024-01-15")
    finding = attempt(shop, "bronze.orders", day=date(2024, 1, 22))["volume_as_usual"]
    assert (finding.passed, finding.blocks) == (passed, False)
    assert finding.counts["dates"] == 1
    if not passed:
        assert finding.sample == [{"date": "2024-01-22", "rows": rows, "usual": 100}]
    # Three weeks at least must be known.
    early = attempt(shop, "bronze.orders", day=date(2024, 1, 15))["volume_as_usual"]
    assert (early.passed, early.counts["dates"]) == (True, 0)


def test_chance_and_a_first_load_are_usual(shop: Shop) -> None:
    for day, rows in (("2024-01-01", 4), ("2024-01-08", 4), ("2024-01-15", 4), ("2024-01-22", 11)):
        shop.deliver("orders", *[{"order_id": f"{day}{n}"} for n in range(rows)], day=day)
    made = make(shop, "bronze.orders", "2024-01-22")
    assert [f.counts["dates"] for f in made.findings if f.check.name == "volume_as_usual"] == [0]
    shop.run("bronze", "orders", first="2024-01-01", last="2024-01-15")
    finding = attempt(shop, "bronze.orders", day=date(2024, 1, 22))["volume_as_usual"]
    assert (finding.passed, finding.counts["dates"]) == (False, 1)
    shop.deliver("orders", *[{"order_id": f"X{n}"} for n in range(9)], day="2024-01-22")
    finding = attempt(shop, "bronze.orders", day=date(2024, 1, 22))["volume_as_usual"]
    assert (finding.passed, finding.counts["dates"]) == (True, 1)


@pytest.mark.slow
def test_at_most_two_spark_jobs_beside_the_one_that_writes(
    healthy: Shop, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted by Spark itself, with all of a table's checks, in a healthy run."""
    tracker = spark.sparkContext.statusTracker()
    overwrite = SparkEngine.overwrite
    last: list[int] = []

    def last_job() -> int:
        return max(tracker.getJobIdsForGroup(None), default=-1)

    def counted(self: SparkEngine, *given: Any) -> list[str]:
        lacking = overwrite(self, *given)
        last.append(last_job())
        return lacking

    monkeypatch.setattr(SparkEngine, "overwrite", counted)
    for name, table in all_tables().items():
        cache, before = RunCache(), last_job()
        materialize(
            SparkEngine(open_session(str(healthy.lakehouse))),
            healthy.tables,
            [table],
            arguments(healthy),
            cache,
        )
        cache.release()
        assert last[-1] > before, f"{name}: the write took no Spark job"
        beside = last_job() - last[-1]
        assert beside <= 2, f"{name}: {beside} Spark jobs beside the write"


def test_a_failed_audit_leaves_no_branch(healthy: Shop, tmp_path: Path) -> None:
    attempt(healthy, "gold.daily_revenue", doubled)
    session = open_session(str(healthy.lakehouse))
    refs = session.sql("select name from lakehouse.gold.daily_revenue.refs").collect()
    assert [row["name"] for row in refs] == ["main"]
