"""The published artifacts, the deployed arguments, the Data Catalog: the same tables as locally."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import boto3
import dagster as dg
import pyarrow as pa
import pytest
from pyiceberg.catalog.glue import GlueCatalog

from ecommerce_assets.aws import glue_runs
from ecommerce_assets.definitions import build_definitions
from ecommerce_assets.deployment import deployment
from ecommerce_assets.settings import Settings
from ecommerce_assets.tables import LAYERS, all_tables, tables_of
from ecommerce_assets_tests.aws_stand_in import ProcessGlue, moto_server
from ecommerce_assets_tests.shop import Shop
from ecommerce_assets_tests.terraform_plan import Planned

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("terraform") is None, reason="Terraform is not installed"),
]
FIRST, LAST = "2024-01-01", "2024-01-03"


@dataclass
class Account:
    """An AWS account after `terraform apply`, and a shop that is there and here."""

    environment: dict[str, str]
    glue: ProcessGlue
    shop: Shop

    def ecommerce(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-c",
            "from ecommerce_assets.cli.main import main; main()",
            *words,
        ]
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done

    def run(
        self, first: str = FIRST, last: str = LAST, job: str | None = None
    ) -> dg.ExecuteInProcessResult:
        definitions = build_definitions(Settings.from_environment(self.environment))
        with dg.DagsterInstance.ephemeral() as instance:
            found = (
                definitions.resolve_job_def(job)
                if job
                else definitions.resolve_implicit_global_asset_job_def()
            )
            ranged = {} if job else {
                "dagster/asset_partition_range_start": first,
                "dagster/asset_partition_range_end": last,
            }  # fmt: skip
            return found.execute_in_process(instance=instance, tags=ranged, raise_on_error=False)

    def content(self, name: str) -> list[tuple[str, ...]]:
        """All rows of a table in the Data Catalog, sorted, without the time of ingestion."""
        catalog = GlueCatalog("lakehouse", **{
            "s3.endpoint": self.environment["AWS_ENDPOINT_URL"], "s3.access-key-id": "testing",
            "s3.secret-access-key": "testing", "s3.region": self.environment["AWS_REGION"],
        })  # fmt: skip
        rows: pa.Table = catalog.load_table(name).scan().to_arrow()
        if "_ingested_at" in rows.column_names:
            rows = rows.drop_columns(["_ingested_at"])
        return sorted(tuple(map(str, row.values())) for row in rows.to_pylist())


@pytest.fixture(scope="module")
def account(planned: Planned, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with moto_server() as aws, pytest.MonkeyPatch.context() as patch:
        for name, value in aws.items():
            patch.setenv(name, value)
        s3, catalog = boto3.client("s3"), boto3.client("glue")
        for address, values in planned.resources.items():
            if address.startswith("aws_s3_bucket.this"):
                place = {"LocationConstraint": aws["AWS_REGION"]}
                s3.create_bucket(Bucket=values["bucket"], CreateBucketConfiguration=place)
            if address.startswith("aws_glue_catalog_database"):
                given = {"Name": values["name"], "LocationUri": values["location_uri"]}
                catalog.create_database(DatabaseInput=given)
        jobs = {
            values["name"]: values
            for address, values in planned.resources.items()
            if address.startswith("aws_glue_job.")
        }
        glue = ProcessGlue(tmp_path_factory.mktemp("glue"), jobs, aws)
        own = glue_runs.client
        patch.setattr(
            glue_runs, "client",
            lambda service, **options: glue if service == "glue" else own(service, **options),
        )  # fmt: skip
        patch.setattr(glue_runs, "POLL_SECONDS", 0.5)
        yield Account({**planned.environment, **aws}, glue, Shop(tmp_path_factory.mktemp("shop")))


def test_the_whole_way(account: Account):
    account.ecommerce("generate", "--output", str(account.shop.landing), "--records", "300",
                      "--days", "3", "--defects", "0.02", "--late", "0.05")  # fmt: skip
    published = account.ecommerce(
        "package", "--publish", "--output", str(account.glue.folder / "d")
    )
    assert published.stdout.startswith(account.environment["ECOMMERCE_ARTIFACTS"] + "/releases/")
    account.ecommerce("upload", "--source", str(account.shop.landing))
    result = account.run()
    told = "\n".join(account.glue.outputs.values())
    assert result.success, told or account.glue.runs
    account.shop.run_all(first=FIRST, last=LAST)
    for name in all_tables():
        assert account.content(name) == account.shop.content(name), name
    assert len(account.content("gold.fact_sales")) > 300

    (made,) = result.asset_materializations_for_node("gold")[:1]
    assert made.metadata["dpu_hours"].value == pytest.approx(90 * 2 / 3600)
    shares = [
        event.metadata["share_of_run"].value
        for event in result.asset_materializations_for_node("gold")
        if event.partition == LAST
    ]
    assert len(shares) == len(tables_of("gold"))
    assert sum(shares) == pytest.approx(1, abs=0.01)
    assert account.glue.calls["start_job_run"] == len(LAYERS)


def test_a_second_run_and_maintenance(account: Account):
    before = {name: account.content(name) for name in all_tables()}
    again = account.run()
    assert again.success, "\n".join(account.glue.outputs.values())
    made = again.asset_materializations_for_node("silver")[0].metadata["made"].value
    assert made == "nothing changed upstream"
    kept = account.run(job="ecommerce_maintenance")
    assert kept.success, list(account.glue.outputs.values())[-1]
    observed = [event for event in kept.all_events if event.event_type_value == "ASSET_OBSERVATION"]
    assert len(observed) == len(all_tables())
    assert {name: account.content(name) for name in all_tables()} == before


def test_what_the_job_says_is_the_failure(account: Account):
    bucket = account.environment["ECOMMERCE_LANDING"].removeprefix("s3://").split("/")[0]
    key = "landing/orders/ingestion_date=2024-01-02/broken.csv"
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=b"order_id\nO1\n")
    failed = account.run()
    assert not failed.success
    (failure,) = [event for event in failed.all_events if event.is_step_failure]
    told = failure.step_failure_data.user_failure_data.description
    assert f"{deployment().jobs['bronze'].name} run jr_" in told
    assert "orders/ingestion_date=2024-01-02/broken.csv: the header lacks" in told
    rows = {event.asset_key.path[-1] for event in failed.asset_materializations_for_node("bronze")}
    assert "customers" in rows
    assert "orders" not in rows
