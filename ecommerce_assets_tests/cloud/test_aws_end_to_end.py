"""The published artifacts, the deployed arguments, the Data Catalog: the same tables as locally."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import duckdb
import pyarrow as pa
import pytest
import requests
from pyiceberg.catalog import load_catalog
from pyiceberg.utils.config import Config

from ecommerce_assets.aws import glue_runs
from ecommerce_assets.dashboard.build import build_dashboard
from ecommerce_assets.dashboard.sales import days_of
from ecommerce_assets.definitions import build_definitions
from ecommerce_assets.deployment import deployment
from ecommerce_assets.lakehouse.names import in_environment
from ecommerce_assets.orchestration import assets
from ecommerce_assets.orchestration.metadata import asset_key
from ecommerce_assets.query import athena
from ecommerce_assets.settings import Settings
from ecommerce_assets.tables import LAYERS, all_tables, tables_of
from ecommerce_assets_tests import console
from ecommerce_assets_tests.aws_stand_in import (
    BUCKETS,
    ENVIRONMENT,
    ProcessGlue,
    deployed_arguments,
    deployed_settings,
    fixed_arguments,
    moto_server,
)
from ecommerce_assets_tests.iam import Policies, Recorder, signed_by
from ecommerce_assets_tests.shop import Shop
from ecommerce_assets_tests.terraform_plan import Planned

pytestmark = [
    pytest.mark.timeout(900),
]
FIRST, LAST = "2024-01-01", "2024-01-03"


@dataclass
class Account:
    """An AWS account after `terraform apply`, and a shop that is there and here."""

    environment: dict[str, str]
    glue: ProcessGlue
    shop: Shop
    recorder: Recorder

    def ecommerce(self, *words: str, role: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-c",
            "from ecommerce_assets.cli.main import main; main()",
            *words,
        ]
        done = subprocess.run(
            command, env={**os.environ, **self.environment, **signed_by(role)}, text=True,
            capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done

    def run(
        self,
        job: str | None = None,
        *,
        layer: str | None = None,
        dashboard: bool = False,
        engine: str = "spark",
    ) -> dg.ExecuteInProcessResult:
        """A job; or for all dates every table, or those of a layer, and the dashboard if wanted."""
        environment = {**self.environment, "ECOMMERCE_ENGINE": engine}
        definitions = build_definitions(Settings.from_environment(environment))
        role = "dagster" if engine == "spark" else "embedded"
        with dg.DagsterInstance.ephemeral() as instance, self.recorder.acting_as(role):
            found = (
                definitions.resolve_job_def(job)
                if job
                else definitions.resolve_implicit_global_asset_job_def()
            )
            ranged = {} if job else {
                "dagster/asset_partition_range_start": FIRST,
                "dagster/asset_partition_range_end": LAST,
            }  # fmt: skip
            tables = [
                asset_key(name)
                for name, table in all_tables().items()
                if layer in (None, table.layer)
            ]
            return found.execute_in_process(
                instance=instance, tags=ranged, raise_on_error=False,
                asset_selection=None if job or dashboard else tables,
            )  # fmt: skip

    def content(self, name: str) -> list[tuple[str, ...]]:
        """All rows of a table in the Data Catalog, sorted, without the time of ingestion."""
        rows = data_catalog_table(name)
        if "_ingested_at" in rows.column_names:
            rows = rows.drop_columns(["_ingested_at"])
        return sorted(tuple(map(str, row.values())) for row in rows.to_pylist())


def data_catalog_table(name: str) -> pa.Table:
    return (
        load_catalog("lakehouse", type="glue")
        .load_table(in_environment(name, ENVIRONMENT))
        .scan()
        .to_arrow()
    )


def instead_of_athena(
    connection: duckdb.DuckDBPyConnection, sql: str, workgroup: str, tell: Callable[[str], None]
) -> athena.Answer:
    """DuckDB runs Athena's statement over the tables of the Data Catalog; it reads no file itself."""
    known = {f"{schema}.{table}" for schema, table in connection.execute(
        "SELECT table_schema, table_name FROM information_schema.tables").fetchall()}  # fmt: skip
    for database, table in set(re.findall(rf"\b{ENVIRONMENT}_(\w+)\.(\w+)", sql)):
        name = f"{ENVIRONMENT}_{database}.{table}"
        if name not in known:
            rows = data_catalog_table(f"{database}.{table}")
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {ENVIRONMENT}_{database}")
            connection.from_arrow(rows).create(name)
    return athena.Answer(connection.sql(sql), 0, 0.0)


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    recorder = Recorder()
    with moto_server(recorder) as aws, pytest.MonkeyPatch.context() as patch:
        for name, value in aws.items():
            patch.setenv(name, value)
        for name, value in {
            "ENDPOINT": aws["AWS_ENDPOINT_URL"],
            "ACCESS_KEY_ID": "testing",
            "SECRET_ACCESS_KEY": "testing",
            "REGION": aws["AWS_REGION"],
        }.items():
            patch.setenv(f"PYICEBERG_CATALOG__LAKEHOUSE__S3__{name}", value)
        # pyiceberg has read its environment when it was imported.
        patch.setattr("pyiceberg.catalog._ENV_CONFIG", Config())
        patch.setattr(athena, "run", instead_of_athena)
        s3, catalog = boto3.client("s3"), boto3.client("glue")
        settings = deployed_settings()
        lakehouse = settings["ECOMMERCE_LAKEHOUSE"]
        place = {"LocationConstraint": aws["AWS_REGION"]}
        for bucket in BUCKETS.values():
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
        for layer in LAYERS:
            given = {
                "Name": in_environment(layer, ENVIRONMENT),
                "LocationUri": f"{lakehouse}/{layer}",
            }
            catalog.create_database(DatabaseInput=given)
        jobs = {
            job.name: {
                "default_arguments": deployed_arguments(key),
                "non_overridable_arguments": fixed_arguments(),
            }
            for key, job in deployment(ENVIRONMENT).jobs.items()
        }
        glue = ProcessGlue(tmp_path_factory.mktemp("glue"), jobs, aws)
        own = glue_runs.client
        patch.setattr(
            glue_runs, "client",
            lambda service, **options: glue if service == "glue" else own(service, **options),
        )  # fmt: skip
        patch.setattr(glue_runs, "POLL_SECONDS", 0.5)
        patch.setattr(assets, "RETRIES", 0)
        yield Account({**settings, **aws}, glue, Shop(tmp_path_factory.mktemp("shop")),
                      recorder)  # fmt: skip


def test_the_whole_way(account: Account) -> None:
    account.ecommerce("generate", "--output", str(account.shop.landing), "--records", "300",
                      "--days", "3", "--defects", "0.02", "--late", "0.05", role="nobody")  # fmt: skip
    published = account.ecommerce(
        "package", "--publish", "--output", str(account.glue.folder / "d"), role="publisher"
    )
    assert published.stdout.startswith(account.environment["ECOMMERCE_ARTIFACTS"] + "/releases/")
    account.ecommerce("upload", "--source", str(account.shop.landing), role="uploader")
    result = account.run(dashboard=True)
    told = "\n".join(account.glue.outputs.values())
    assert result.success, told or account.glue.runs
    account.shop.run_all(first=FIRST, last=LAST)
    for name in all_tables():
        assert account.content(name) == account.shop.content(name), name
    assert len(account.content("gold.fact_sales")) > 300

    made = newest(result, "gold")[0]
    assert made.metadata["dpu_hours"].value == pytest.approx(90 * 2 / 3600)
    shares = [event.metadata["share_of_run"].value for event in newest(result, "gold")]
    assert len(shares) == len(tables_of("gold"))
    assert sum(shares) == pytest.approx(1, abs=0.01)
    assert account.glue.calls["start_job_run"] == len(LAYERS)
    # The context of Pipes is among a run's arguments, of which Glue takes 260 KB.
    assert max(len(str(run.arguments)) for run in account.glue.runs.values()) < 30_000

    shown = result.asset_materializations_for_node("sales_dashboard")[-1]
    # The link is signed by whoever opens it.
    assert shown.metadata["open"].value == "ecommerce dashboard --link"
    link = account.ecommerce("dashboard", "--link", "--no-open", role="analyst").stdout
    page = requests.get(link.strip(), timeout=30).text
    build_dashboard(Settings(lakehouse=str(account.shop.lakehouse),
                             dashboard=str(account.shop.dashboard)))  # fmt: skip
    here = account.shop.dashboard.read_text("utf-8")
    assert sales_of(page) == sales_of(here)
    assert days_of(sales_of(page)["sales"]) > 0


def newest(result: Any, layer: str) -> list[Any]:
    """A layer's materializations of the newest partition, which have the run's metadata."""
    made = result.asset_materializations_for_node(layer)
    return [event for event in made if event.partition == LAST]


def sales_of(page: str) -> dict[str, Any]:
    """The figures of a dashboard, without when and by which run its tables were published."""
    found = json.loads(re.search(r'id="figures">(.*?)</script>', page, re.DOTALL)[1])
    del found["built_at"], found["quality"]["tables"]
    return found


def test_the_history_is_that_of_the_environment(account: Account) -> None:
    listed = json.loads(
        account.ecommerce("history", "gold.dim_date", "--json", role="dagster").stdout
    )
    assert listed[0]["rows"] == len(account.content("gold.dim_date"))


NOTHING_CHANGED = dict.fromkeys(("silver", "gold"), "nothing changed upstream")


def test_a_second_run_and_maintenance(account: Account) -> None:
    before = {name: account.content(name) for name in all_tables()}
    started = account.glue.calls["start_job_run"]
    again = account.run()
    assert again.success, "\n".join(account.glue.outputs.values())
    for layer, why in (("bronze", "nothing new has landed"), *NOTHING_CHANGED.items()):
        made = newest(again, layer)
        assert {event.metadata["refresh"].value for event in made} == {why}
        assert len(made) == len(tables_of(layer))
    assert account.glue.calls["start_job_run"] == started, "Glue was paid for nothing"
    kept = account.run(job="ecommerce_maintenance")
    assert kept.success, list(account.glue.outputs.values())[-1]
    observed = [event for event in kept.all_events if event.event_type_value == "ASSET_OBSERVATION"]
    assert len(observed) == len(all_tables())
    assert {name: account.content(name) for name in all_tables()} == before


def test_dagster_computes_the_tables_itself(account: Account) -> None:
    """What Glue began is continued in Dagster's process, and Glue goes on from there."""
    started = account.glue.calls["start_job_run"]
    late = {"order_id": "LATE"}
    account.shop.deliver("orders", late, day=LAST, name="late.csv")
    account.ecommerce("upload", "--source", str(account.shop.landing), role="uploader")
    computed = account.run(engine="duckdb")
    assert computed.success, [event.message for event in computed.all_events if event.is_failure]
    account.shop.run_all(first=FIRST, last=LAST)
    for name in all_tables():
        assert account.content(name) == account.shop.content(name), name
    assert ("LATE",) in {row[:1] for row in account.content("silver.orders")}
    again = account.run(engine="duckdb")
    assert {event.metadata["refresh"].value for event in newest(again, "gold")} == {
        "nothing changed upstream"
    }
    assert account.run(job="ecommerce_maintenance", engine="duckdb").success
    assert account.glue.calls["start_job_run"] == started
    assert account.run().success
    assert account.glue.calls["start_job_run"] == started, "Glue found nothing to do"


def test_what_the_job_says_is_the_failure(account: Account) -> None:
    bucket = account.environment["ECOMMERCE_LANDING"].removeprefix("s3://").split("/")[0]
    key = "landing/orders/ingestion_date=2024-01-02/broken.csv"
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=b"order_id\nO1\n")
    failed = account.run()
    boto3.client("s3").delete_object(Bucket=bucket, Key=key)
    assert not failed.success
    (failure,) = [event for event in failed.all_events if event.is_step_failure]
    told = failure.step_failure_data.user_failure_data.description
    assert f"{deployment(ENVIRONMENT).jobs['bronze'].name} run jr_" in told
    assert "orders/ingestion_date=2024-01-02/broken.csv: the header lacks" in told
    rows = {event.asset_key.path[-1] for event in failed.asset_materializations_for_node("bronze")}
    assert "customers" in rows
    assert "orders" not in rows


def test_a_lost_lakehouse_is_brought_back(
    account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # Dagster's history is where there is a dagster.yaml
    rebuild = ("rebuild", "--from", "landing", "--quiet")
    refused = console.ecommerce(*rebuild, environment=account.environment, code=1)
    assert "only an empty environment is rebuilt" in refused.stderr
    before = {name: account.content(name) for name in all_tables()}
    _lose_everything(account)
    with account.recorder.acting_as("dagster"):
        console.ecommerce(*rebuild, environment=account.environment)
    assert {name: account.content(name) for name in all_tables()} == before


def _lose_everything(account: Account) -> None:
    """As after a deleted bucket and `terraform apply`: databases without tables, no file."""
    for name in all_tables():
        load_catalog("lakehouse", type="glue").drop_table(in_environment(name, ENVIRONMENT))
    bucket = boto3.resource("s3").Bucket(BUCKETS["lakehouse"])
    bucket.objects.all().delete()


def test_every_call_is_allowed(account: Account, planned: Planned) -> None:
    made = {(role, call.action) for role, calls in account.recorder.calls.items() for call in calls}
    jobs = {
        (job, action)
        for job in LAYERS
        for action in ("glue:GetTable", "glue:UpdateTable", "s3:GetObject", "s3:PutObject")
    }
    others = {("publisher", "s3:PutObject"), ("uploader", "s3:PutObject"),
              ("bronze", "s3:ListBucket"), ("dagster", "glue:GetTable"),
              ("maintenance", "glue:GetTable"), ("maintenance", "s3:ListBucket")}  # fmt: skip
    assert jobs | others <= made
    Policies(planned).must_allow(account.recorder)
