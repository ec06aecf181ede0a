"""Dagster's side, on a real instance in this process: assets, metadata, schedule, ranges, failures."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.loader import LoadingContextForTest

from ecommerce_assets.definitions import build_definitions
from ecommerce_assets.jobs.audit import checks_of
from ecommerce_assets.orchestration.local_glue_jobs import WholeLines
from ecommerce_assets.orchestration.timeline import show_in_lists
from ecommerce_assets.settings import Settings
from ecommerce_assets.tables import all_tables, tables_of
from ecommerce_assets.thresholds import Thresholds
from ecommerce_assets_tests.shop import Shop

FIRST, LAST = "2024-01-01", "2024-01-30"


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("instance"))) as instance:
        yield instance


def definitions(shop: Shop, **settings) -> dg.Definitions:
    return build_definitions(
        Settings(
            landing=str(shop.landing),
            lakehouse=str(shop.lakehouse),
            dashboard=str(shop.dashboard),
            **settings,
        )
    )


def materialize(
    shop: Shop,
    instance: dg.DagsterInstance,
    select: str,
    first: str = FIRST,
    last: str | None = None,
    config: dict | None = None,
    **settings,
) -> dg.ExecuteInProcessResult:
    defs = definitions(shop, **settings)
    chosen = dg.AssetSelection.from_string(select).resolve(defs.resolve_asset_graph())
    tags = {
        "dagster/asset_partition_range_start": first,
        "dagster/asset_partition_range_end": last or first,
    }
    return defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance, tags=tags, asset_selection=sorted(chosen), raise_on_error=False,
        run_config=config,
    )  # fmt: skip


FACTS = ("gold/fact_orders", "gold/fact_returns", "gold/fact_sales")


def test_the_graph(tmp_path: Path) -> None:
    """A change of the graph is a visible change here."""
    defs = definitions(Shop(tmp_path))
    graph = defs.resolve_asset_graph()
    deps = {
        key.to_user_string(): sorted(
            parent.to_user_string() for parent in graph.get(key).parent_keys
        )
        for key in graph.materializable_asset_keys
    }
    expected = {
        **{f"bronze/{t}": [f"landing/{t}"] for t in
           ("customers", "products", "orders", "order_items", "returns", "exchange_rates")},
        **{f"silver/{t}{kind}": [f"bronze/{t}"] for kind in ("", "_quarantine")
           for t in ("customers", "products", "orders", "order_items", "returns",
                     "exchange_rates")},
        "gold/dim_exchange_rate": ["silver/exchange_rates"],
        "gold/fact_sales": ["gold/dim_exchange_rate", "silver/order_items", "silver/orders"],
        "gold/fact_returns": ["gold/dim_exchange_rate", "gold/fact_sales", "silver/orders",
                              "silver/returns"],
        "gold/fact_orders": ["gold/dim_exchange_rate", "gold/fact_returns", "gold/fact_sales",
                             "silver/orders"],
        "gold/dim_date": [*FACTS, "silver/orders", "silver/returns"],
        "gold/dim_customer": [*FACTS, "silver/customers", "silver/orders", "silver/returns"],
        "gold/dim_product": ["gold/fact_returns", "gold/fact_sales", "silver/order_items",
                             "silver/products", "silver/returns"],
        "gold/daily_revenue": ["gold/fact_orders", "gold/fact_returns"],
        "gold/weekly_revenue": ["gold/fact_orders", "gold/fact_returns"],
        "gold/monthly_revenue": ["gold/fact_orders", "gold/fact_returns"],
        "gold/order_revenue_by_cohort": ["gold/fact_orders", "gold/fact_returns"],
        "gold/orders_per_customer": ["gold/dim_customer", "gold/fact_orders"],
        "gold/customer_lifetime_value": ["gold/dim_customer", "gold/fact_orders",
                                         "gold/fact_returns"],
        "gold/top_products": ["gold/dim_product", "gold/fact_returns", "gold/fact_sales"],
        "gold/category_performance": ["gold/dim_product", "gold/fact_returns", "gold/fact_sales"],
        "sales_dashboard": sorted(name.replace(".", "/") for name in all_tables()
                                  if name.startswith("gold")),
    }  # fmt: skip
    assert {name: deps[name] for name in expected} == expected
    # What is not listed here is a KPI that somebody added: by its declaration alone.
    for name in deps.keys() - expected.keys():
        table = all_tables()[name.replace("/", ".")]
        assert deps[name] == sorted(read.replace(".", "/") for read in table.reads)
    node = graph.get(dg.AssetKey(["gold", "daily_revenue"]))
    assert (node.tags["layer"], node.tags["strategy"]) == ("gold", "ByKey")
    (reference,) = node.metadata["dagster/code_references"].code_references
    assert Path(reference.file_path).name == "daily_revenue.py"
    assert (node.group_name, node.owners, node.kinds) == (
        "gold", ["team:data-engineering"], {"glue", "spark", "iceberg"},
    )  # fmt: skip
    assert node.code_version == all_tables()["gold.daily_revenue"].code_version
    assert {job.name for job in defs.resolve_all_job_defs()} >= {
        "ecommerce_daily", "ecommerce_bronze", "ecommerce_silver", "ecommerce_gold",
    }  # fmt: skip
    dg.Definitions.validate_loadable(defs)


def test_a_tick_of_the_daily_schedule_runs_the_last_complete_day(tmp_path: Path) -> None:
    schedule = definitions(Shop(tmp_path)).resolve_schedule_def("ecommerce_daily_schedule")
    assert schedule.cron_schedule == "0 5 * * *"
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance, scheduled_execution_time=datetime(2024, 3, 10, 5, 0, tzinfo=UTC)
        )
        requests = schedule.evaluate_tick(context).run_requests
    assert [request.partition_key for request in requests or []] == ["2024-03-09"]


@pytest.fixture(scope="module")
def month(module_shop: Shop, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    module_shop.deliver_one_of_each(FIRST)
    module_shop.deliver("orders", {"order_id": "O2"}, {"order_id": "O3"}, day="2024-01-15")
    return materialize(module_shop, instance, "group:bronze or group:silver or group:gold",
                       FIRST, LAST)  # fmt: skip


def test_a_backfill_of_30_days_is_one_run_with_three_job_runs(month, instance) -> None:
    assert month.success
    steps = [event.step_key for event in month.all_events if event.is_step_success]
    assert steps == ["bronze", "silver", "gold"]
    assert instance.get_runs_count() == 1
    for name in all_tables():
        key = dg.AssetKey(name.split("."))
        assert len(instance.get_materialized_partitions(key)) == 30


def test_metadata_of_a_materialization(month, instance: dg.DagsterInstance) -> None:
    def metadata(name: str, day: str) -> dict:
        records = instance.fetch_materializations(
            dg.AssetRecordsFilter(dg.AssetKey(name.split(".")), [day]), limit=1
        ).records
        return dict(records[0].asset_materialization.metadata)

    orders = metadata("bronze.orders", "2024-01-15")
    # Of a range, only the newest partition has what is not of that partition alone.
    assert {**orders} == {"dagster/partition_row_count": dg.IntMetadataValue(2)}
    newest = metadata("bronze.orders", LAST)
    assert newest["dagster/row_count"].value == 3
    assert newest["dagster/table_name"].value == "bronze.orders"
    assert metadata("bronze.orders", "2024-01-16")["dagster/partition_row_count"].value == 0
    assert metadata("silver.orders", FIRST)["dagster/partition_row_count"].value == 1
    kpi = metadata("gold.orders_per_customer", LAST)
    assert kpi["average_orders_per_customer"].value == 1.0
    lineage = metadata("gold.daily_revenue", LAST)["dagster/column_lineage"].value
    assert lineage.deps_by_column["revenue"] == [
        dg.TableColumnDep(dg.AssetKey(["gold", "fact_orders"]), "revenue")
    ]
    lineage = metadata("bronze.orders", LAST)["dagster/column_lineage"].value
    assert lineage.deps_by_column["status"] == [
        dg.TableColumnDep(dg.AssetKey(["landing", "orders"]), "status")
    ]
    lineage = metadata("silver.orders_quarantine", LAST)["dagster/column_lineage"].value
    assert lineage.deps_by_column["status"] == [
        dg.TableColumnDep(dg.AssetKey(["bronze", "orders"]), "status")
    ]


def test_column_schemas_are_there_before_the_first_run(tmp_path: Path) -> None:
    graph = definitions(Shop(tmp_path)).resolve_asset_graph()
    schema = graph.get(dg.AssetKey(["gold", "daily_revenue"])).metadata["dagster/column_schema"]
    revenue = next(column for column in schema.columns if column.name == "revenue")
    assert (revenue.type, revenue.constraints.nullable) == ("decimal(18,2)", False)
    assert revenue.constraints.other == ["at least 0"]


def test_every_check_is_recorded(month) -> None:
    recorded = {
        (result.asset_key.to_user_string().replace("/", "."), result.check_name): result.passed
        for result in month.get_asset_check_evaluations()
    }
    declared = {(name, check.name) for name, t in all_tables().items() for check in checks_of(t)}
    assert set(recorded) == declared
    # 29 and 28 days without a delivery; in a first load nothing is usual yet
    assert {key for key, passed in recorded.items() if not passed} == {
        (f"bronze.{table}", "delivery_not_empty")
        for table in ("customers", "products", "orders", "order_items")
    } | {("gold.fact_sales", "orders_have_items")}


def test_a_run_with_nothing_to_do_says_so_and_passes(month, module_shop: Shop, instance) -> None:
    tables = 'key:"bronze/orders" or key:"silver/orders"'
    again = materialize(module_shop, instance, tables, "2024-01-15")
    assert again.success
    made = {
        event.asset_key.to_user_string(): event.materialization.metadata
        for event in again.get_asset_materialization_events()
    }
    assert made["bronze/orders"]["refresh"].value == "nothing new has landed"
    assert made["bronze/orders"]["dagster/partition_row_count"].value == 2
    assert made["silver/orders"]["refresh"].value == "nothing changed upstream"
    assert made["silver/orders"]["rows_written"].value == 0


def test_a_run_with_nothing_to_do_repeats_what_was_said(
    shop: Shop, instance: dg.DagsterInstance
) -> None:
    """Warnings stay warnings, with severity and numbers, however many runs came between."""
    shop.deliver("orders", *[{"order_id": f"O{n}", "status": "shipped" if n < 80 else "shiped"}
                             for n in range(100)])  # fmt: skip
    shop.deliver("order_items", {}, {"order_item_id": "I2", "order_id": "O777"})
    tables = "group:bronze or group:silver or group:gold"
    limit = Thresholds(quarantine_limit=0.4)

    def said(first: str, last: str) -> dict[tuple[str, str], tuple]:
        result = materialize(shop, instance, tables, first, last, thresholds=limit)
        assert result.success
        return {
            (check.asset_key.to_user_string(), check.check_name): (
                check.passed, check.severity, check.description, check.blocking,
                {name: value for name, value in check.metadata.items() if name != "not_re_evaluated"},
            )
            for check in result.get_asset_check_evaluations()
        }  # fmt: skip

    first = said(FIRST, FIRST)
    # A repetition and a range, of which Dagster plans each date; each is one more record a check.
    said(FIRST, "2024-01-03")
    again = said(FIRST, "2024-01-03")
    passed = {key for key, (ok, *_) in first.items() if not ok}
    assert passed >= {("silver/orders", "quarantine_share"), ("gold/fact_sales", "items_without_order"),
                      ("gold/fact_sales", "orders_have_items")}  # fmt: skip
    tables_that_stay = {key for key in first if not key[0].startswith("bronze") and key[0] != "silver/orders"
                        and "quarantine" not in key[0]}  # fmt: skip
    assert {key: again[key] for key in tables_that_stay} == {
        key: first[key] for key in tables_that_stay
    }
    assert again["silver/orders", "quarantine_share"][:2] == (False, dg.AssetCheckSeverity.WARN)
    records = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(dg.AssetKey(["gold", "fact_sales"]), "items_without_order"), limit=1
    )
    note = records[0].evaluation.metadata["not_re_evaluated"].value
    assert note.startswith("The table has not changed since 20")


def test_a_changed_limit_judges_what_has_not_changed(
    shop: Shop, instance: dg.DagsterInstance
) -> None:
    orders = [{"order_id": f"O{n}", "status": "shipped" if n % 10 else "lost"} for n in range(500)]
    shop.deliver("orders", *orders)

    def judged(limit: float) -> dg.AssetCheckEvaluation:
        result = materialize(shop, instance, "group:bronze or group:silver", FIRST,
                             thresholds=Thresholds(quarantine_limit=limit))  # fmt: skip
        assert result.success  # what is published already is shown as failed, and fails nothing
        return next(
            check for check in result.get_asset_check_evaluations()
            if (check.asset_key.path[-1], check.check_name) == ("orders", "quarantine_share")
        )  # fmt: skip

    first = judged(0.2)
    assert (first.passed, first.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert first.description.startswith("50 of 500 rows (10 %, limit 20 %) of 2024-01-01 broke")
    assert "raise ECOMMERCE_QUARANTINE_LIMIT" in first.description
    wider = judged(0.9)
    assert wider.passed
    assert wider.description.startswith("50 of 500 rows (10 %, limit 90 %) of 2024-01-01 broke")
    assert "raise ECOMMERCE_QUARANTINE_LIMIT" not in wider.description
    assert wider.metadata["limit"].value == 0.9
    note = wider.metadata["not_re_evaluated"].value
    narrower = judged(0.01)
    assert (narrower.passed, narrower.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "limit 1 %" in narrower.description
    assert "verdict" in narrower.metadata
    assert "verdict" not in judged(0.01).metadata
    assert narrower.metadata["not_re_evaluated"].value == note  # since it was published
    back = judged(0.2)
    assert (back.passed, back.description) == (False, first.description)


def test_a_check_names_the_limit_in_force(tmp_path: Path) -> None:
    defs = definitions(Shop(tmp_path), thresholds=Thresholds(quarantine_limit=0.15))
    graph = defs.resolve_asset_graph()
    key = dg.AssetCheckKey(dg.AssetKey(["silver", "orders"]), "quarantine_share")
    assert "ECOMMERCE_QUARANTINE_LIMIT (15 %)" in graph.get_check_spec(key).description


def test_the_landing_assets_are_as_fresh_as_what_was_delivered(
    shop: Shop, instance: dg.DagsterInstance
) -> None:
    def delivered(day: str):
        assert materialize(shop, instance, "group:bronze", day).success
        event = instance.get_latest_materialization_event(dg.AssetKey(["landing", "products"]))
        shown = event.asset_materialization.metadata["newest_ingestion_date"].value
        return shown, event.timestamp

    days = ["2024-03-01", "2024-03-02", "2024-03-03"]
    shop.deliver("products", {}, day=days[0])
    first = delivered(days[0])
    assert first[0] == days[0]
    assert delivered(days[0]) == first  # nothing new
    assert delivered(days[1]) == first  # an empty delivery
    shop.deliver("products", {}, day=days[2])
    later = delivered(days[2])
    assert later[0] == days[2]
    assert later[1] > first[1]
    shop.deliver("products", {"price": "11.00"}, day=days[0])
    assert delivered(days[0]) == later  # a correction of an old date


def test_a_failed_evaluation_of_an_older_date_is_the_newest_one(
    shop: Shop, instance: dg.DagsterInstance
) -> None:
    """Dagster's Checks page had it as not evaluated, as a newer date is materialized."""
    day = "2024-01-03"
    shop.deliver_one_of_each(FIRST)
    shop.deliver_one_of_each(day)
    tables = "group:bronze or group:silver or group:gold"
    assert materialize(shop, instance, tables, FIRST, day).success
    shop.deliver("orders", {"status": "shiped"}, day=FIRST)
    result = materialize(shop, instance, tables, FIRST, thresholds=Thresholds())
    assert not result.success
    key = dg.AssetCheckKey(dg.AssetKey(["silver", "orders"]), "quarantine_share")
    (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    assert (record.evaluation.passed, record.partition) == (False, None)
    assert record.evaluation.target_materialization_data is None
    assert asyncio.run(record.targets_latest_materialization(LoadingContextForTest(instance)))
    # Gold did not run: its checks say what they said, though the failed run had planned them.
    gold = dg.AssetCheckKey(dg.AssetKey(["gold", "daily_revenue"]), "revenue_reconciles")
    (record,) = instance.event_log_storage.get_asset_check_execution_history(gold, limit=1)
    assert record.evaluation.passed
    assert record.run_id == ""


def test_a_full_refresh_is_a_run_config_field(month, module_shop: Shop, instance) -> None:
    config = {"ops": {"silver": {"config": {"full_refresh": True}}}}
    again = materialize(module_shop, instance, 'key:"silver/orders"', "2024-01-15", config=config)
    (event,) = again.get_asset_materialization_events()
    assert event.materialization.metadata["refresh"].value == "a full refresh was asked for"
    assert event.materialization.metadata["rows_written"].value == 3


def test_the_weekly_maintenance(month, module_shop: Shop, instance: dg.DagsterInstance) -> None:
    job = definitions(module_shop).resolve_job_def("ecommerce_maintenance")
    assert job.execute_in_process(instance=instance).success
    (record,) = instance.fetch_observations(dg.AssetKey(["silver", "orders"]), limit=1).records
    assert record.asset_observation.metadata["files"].value == 1


def test_a_selection_runs_only_its_tables(
    month, module_shop: Shop, instance: dg.DagsterInstance
) -> None:
    result = materialize(module_shop, instance, 'key:"gold/top_products" or key:"bronze/products"')
    assert result.success
    done = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}
    assert done == {"bronze/products", "gold/top_products"}


def test_a_reversed_range_is_refused(module_shop: Shop, instance: dg.DagsterInstance) -> None:
    result = materialize(module_shop, instance, 'key:"bronze/orders"', "2024-01-05", "2024-01-02")
    assert not result.success


def test_a_failed_blocking_check_fails_the_run_and_shows(
    shop: Shop, instance: dg.DagsterInstance
) -> None:
    shop.deliver_one_of_each()
    shop.deliver("products", {"price": "x"})
    select = "group:bronze or group:silver or group:gold"
    result = materialize(shop, instance, select, thresholds=Thresholds(quarantine_limit=0.05))
    assert not result.success
    failed = [check for check in result.get_asset_check_evaluations() if not check.passed]
    assert [(check.asset_key.to_user_string(), check.check_name) for check in failed] == [
        ("silver/products", "quarantine_share")
    ]
    (check,) = failed
    assert check.severity == dg.AssetCheckSeverity.ERROR
    assert check.metadata["share"].value == 1.0
    assert check.metadata["sample"].value[0]["_reasons"] == ["price: not a number, or out of range"]
    assert check.description == (
        "1 of 1 rows (100 %, limit 5 %) of 2024-01-01 broke the contract. Most common: price: not a "
        "number, or out of range (1), e.g. 'x' in products/ingestion_date=2024-01-01/rows.csv line 2. "
        'See them: ecommerce query "select _source_file, _row_number, _reasons from '
        "silver.products_quarantine where _ingestion_date = date '2024-01-01'\". "
        "Correct the delivery, or take it out of landing, and run its date again, or raise "
        "ECOMMERCE_QUARANTINE_LIMIT. Until then no other date gets into this table either."
    )
    done = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}
    assert "silver/products" not in done
    assert {"silver/orders", "silver/products_quarantine"} <= done
    assert not {key for key in done if key.startswith("gold")}
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    told = failure.step_failure_data.user_failure_data.description
    assert (
        "silver.products was not published, so readers keep its last snapshot; failed checks: "
        f"{check.check_name}: " in told
    )
    assert check.description in told


def test_bad_input_fails_the_step_naming_file_and_column(
    shop: Shop, instance: dg.DagsterInstance
) -> None:
    shop.deliver_one_of_each()
    shop.file("orders").write_text("order_id,status\n1,2\n")
    result = materialize(shop, instance, "group:bronze")
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    told = failure.step_failure_data.user_failure_data.description
    assert "orders/ingestion_date=2024-01-01/rows.csv" in told
    assert "customer_id, order_date, total_amount" in told
    done = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}
    others = {table.name for table in tables_of("bronze")} - {"orders"}
    assert done == {f"bronze/{name}" for name in others}


def test_a_message_that_is_still_being_written_is_not_lost(instance: dg.DagsterInstance) -> None:
    message = '{"method": "report_custom_message", "params": {"payload": "whole"}}\n'

    @dg.op
    def write_in_two(context: dg.OpExecutionContext) -> None:
        messages = WholeLines()
        injector = dg.PipesTempFileContextInjector()
        with dg.open_pipes_session(context, injector, messages) as session:
            path = session.message_reader_params["path"]
            with open(path, "a", encoding="utf-8", buffering=1) as file:
                file.write(message[:20])
                file.flush()
                messages.read()
                assert session.get_custom_messages() == ()
                file.write(message[20:] + message)
            messages.read()
            assert len(session.get_custom_messages()) == 2
            with open(path, "a", encoding="utf-8") as file:
                file.write(message)
        assert session.get_custom_messages() == ("whole",) * 3

    @dg.job
    def writing() -> None:
        write_in_two()

    assert writing.execute_in_process(instance=instance).success


@pytest.mark.parametrize("assets", [None, {dg.AssetKey(["gold", "top_products"])}])
def test_a_run_of_the_command_line_is_in_the_lists_of_the_ui(
    assets: set[dg.AssetKey] | None,
) -> None:
    """By its code location and, of a part of the graph, by its assets."""
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(dg.JobDefinition(
            name="ecommerce_daily", graph_def=dg.GraphDefinition(name="ecommerce_daily")
        ))  # fmt: skip
        show_in_lists(instance, run, assets)
        shown = instance.get_run_by_id(run.run_id)
    origin = shown.remote_job_origin.repository_origin
    assert origin.code_location_origin.location_name == "ecommerce_assets"
    assert origin.get_label() == "__repository__@ecommerce_assets"
    assert (shown.job_name, shown.asset_selection) == ("ecommerce_daily", assets)
