"""`ecommerce query` on AWS: Athena as moto plays it, and with faults at every call."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import requests
from botocore.exceptions import ConnectionClosedError, NoCredentialsError
from click.testing import CliRunner, Result

from ecommerce_assets.cli.main import ecommerce
from ecommerce_assets.query import athena
from ecommerce_assets_tests.aws_stand_in import Faulty, client_error, moto_server

ENVIRONMENT = {
    "ECOMMERCE_DEPLOYMENT": "aws",
    "ECOMMERCE_LANDING": "s3://shop/landing",
    "ECOMMERCE_LAKEHOUSE": "s3://lake",
    "ECOMMERCE_DASHBOARD": "s3://results/dashboard/sales.html",
    "ECOMMERCE_ARTIFACTS": "s3://artifacts",
}
COLUMNS = [("day", "date"), ("revenue", "decimal"), ("orders", "bigint"), ("note", "varchar")]


def column(name: str, kind: str) -> dict[str, Any]:
    return {"CatalogName": "hive", "SchemaName": "", "TableName": "", "Name": name, "Label": name,
            "Type": kind, "Precision": 18, "Scale": 2, "Nullable": "UNKNOWN", "CaseSensitive": False}  # fmt: skip


def seeded(rows: list[list[str | None]]) -> dict[str, Any]:
    """A result as Athena gives it: the first row is the header, a null has no value."""
    lines = [[name for name, _ in COLUMNS], *rows]
    return {
        "rows": [
            {"Data": [{} if cell is None else {"VarCharValue": cell} for cell in line]}
            for line in lines
        ],
        "column_info": [column(*given) for given in COLUMNS],
    }


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with moto_server() as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in {**environment, **ENVIRONMENT}.items():
            patch.setenv(name, value)
        patch.setattr(athena, "FIRST_WAIT_SECONDS", 0.01)
        configuration = {"ResultConfiguration": {"OutputLocation": "s3://results/athena/"}}
        boto3.client("athena").create_work_group(Name="ecommerce", Configuration=configuration)
        yield environment["AWS_ENDPOINT_URL"]


def seed(endpoint: str, *results: dict[str, Any]) -> None:
    requests.post(f"{endpoint}/moto-api/static/athena/query-results", timeout=10,
                  json={"results": list(results), "region": "eu-central-1"})  # fmt: skip


def query(*words: str) -> Result:
    return CliRunner().invoke(ecommerce, ["query", *words])


def test_rows_come_typed_in_every_format(endpoint: str) -> None:
    rows: list[list[str | None]] = [
        ["2024-01-15", "1234.50", "3", None],
        ["2024-01-16", None, "0", 'a "b", c'],
    ]
    seed(endpoint, *[seeded(rows)] * 3)
    asked = query("select * from gold.daily_revenue", "--format", "csv")
    assert list(csv.reader(io.StringIO(asked.stdout))) == [
        ["day", "revenue", "orders", "note"],
        ["2024-01-15", "1234.50", "3", ""],
        ["2024-01-16", "", "0", 'a "b", c'],
    ]
    assert "Athena query" in asked.stderr
    assert "MB scanned, 0.0000" in asked.stderr
    assert json.loads(query("select 1", "--format", "json").stdout)[0]["revenue"] == 1234.5
    table = query("select 1").stdout
    assert "decimal(18,2)" in table
    assert "2 rows" in table or "1234.50" in table


def test_many_pages(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = [
        {"ResultSet": {"Rows": seeded([["2024-01-01", "1.00", str(number), "x"]])["rows"][number > 0:],
                       "ResultSetMetadata": {"ColumnInfo": seeded([])["column_info"]}}}
        for number in range(3)
    ]  # fmt: skip
    monkeypatch.setattr(athena, "_pages", lambda *_: iter(pages))
    seed(endpoint, seeded([]))
    assert query("select 1", "--format", "csv").stdout.count("2024-01-01") == 3


def test_a_query_that_fails_says_why(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    status = {"State": "FAILED", "StateChangeReason": "SYNTAX_ERROR: line 1:1: no such table"}
    monkeypatch.setattr(athena, "_wait", lambda *_: {"Status": status})
    assert "Athena: failed: SYNTAX_ERROR" in str(query("select 1").exception)


def test_it_is_waited_for(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    states = ["QUEUED", "RUNNING", "RUNNING", "SUCCEEDED"]
    real = boto3.client("athena")

    class Slow(Faulty):
        def get_query_execution(self, **given: Any) -> dict[str, Any]:
            answer = real.get_query_execution(**given)
            answer["QueryExecution"]["Status"]["State"] = states.pop(0)
            answer["QueryExecution"]["Statistics"] = {"DataScannedInBytes": 2**40}
            return answer

    monkeypatch.setattr(athena, "client", lambda _: Slow(real))
    seed(endpoint, seeded([]))
    asked = query("select 1")
    assert states == []
    assert "1,099,511.63 MB scanned, 5.000000 USD" in asked.stderr


@pytest.mark.parametrize("call", ["start_query_execution", "get_query_execution", "get_paginator"])
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (client_error("AccessDeniedException", 403), "access denied"),
        (client_error("ThrottlingException"), "AWS kept throttling"),
        (
            client_error("InvalidRequestException", message="WorkGroup is not found"),
            "WorkGroup is not found",
        ),
        (NoCredentialsError(), "no AWS credentials"),
        (ConnectionClosedError(endpoint_url="x"), "Connection was closed"),
    ],
)
def test_faults_are_one_line(endpoint: str, monkeypatch: pytest.MonkeyPatch, call: str,
                             fault: Exception, said: str) -> None:  # fmt: skip
    faulty = Faulty(boto3.client("athena"), **{call: [fault]})
    monkeypatch.setattr(athena, "client", lambda _: faulty)
    if call == "get_paginator":  # moto hands out what is seeded one by one
        seed(endpoint, seeded([]))
    failed = query("select 1")
    assert failed.exit_code == 1
    assert said in str(failed.exception)
    assert "\n" not in str(failed.exception)


@pytest.mark.parametrize(
    "sql", ["drop table gold.x", "/* select */ delete from gold.x", "msck repair table x"]
)
def test_only_reading(endpoint: str, monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    faulty = Faulty(boto3.client("athena"))
    monkeypatch.setattr(athena, "client", lambda _: faulty)
    assert "only for reading" in str(query(sql).exception)
    assert not faulty.calls


@pytest.mark.parametrize(
    "sql", ["/* what\n */ (select 1)", "WITH a AS (SELECT 1) SELECT 1", "show tables"]
)
def test_what_reads_is_asked(endpoint: str, sql: str) -> None:
    seed(endpoint, seeded([]))
    assert query(sql).exit_code == 0


@pytest.mark.parametrize(
    ("sql", "sent"),
    [
        ("select * from gold.dim_date", "select * from dev_gold.dim_date"),
        ("table gold.nothing_like_it", "table dev_gold.nothing_like_it"),
        (
            'select gold.dim_date.date from "gold" . dim_date, silver.orders',
            'select dev_gold.dim_date.date from "dev_gold" . dim_date, dev_silver.orders',
        ),
        ("show tables in gold", "show tables in dev_gold"),
        ("describe bronze.orders", "describe dev_bronze.orders"),
        ("select 'gold.dim_date' -- gold.dim_date", "select 'gold.dim_date' -- gold.dim_date"),
        (
            "with gold as (select 1 as a) select gold.a from gold",
            "with gold as (select 1 as a) select gold.a from gold",
        ),
        ("select * from other_gold.dim_date", "select * from other_gold.dim_date"),
        (
            "select date as \"customer's\" from gold.dim_date where day_name = 'a'",
            "select date as \"customer's\" from dev_gold.dim_date where day_name = 'a'",
        ),
        (
            'select * from AwsDataCatalog.gold.dim_date, "awsdatacatalog"."gold"."dim_date"',
            "select * from AwsDataCatalog.dev_gold.dim_date, "
            '"awsdatacatalog"."dev_gold"."dim_date"',
        ),
    ],
)
def test_tables_are_those_of_the_environment(sql: str, sent: str) -> None:
    assert athena.in_environment(sql, "dev") == sent
    assert athena.in_environment(sql, "") == sql


def test_a_query_as_of_a_time_in_an_environment(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECOMMERCE_ENVIRONMENT", "dev")
    configuration = {"ResultConfiguration": {"OutputLocation": "s3://results/athena/"}}
    boto3.client("athena").create_work_group(Name="dev-ecommerce", Configuration=configuration)
    seed(endpoint, seeded([]))
    asked = query("select * from gold.dim_date", "--as-of", "123456789012345678")
    assert asked.exit_code == 0, asked.exception
    identifier = asked.stderr.split("Athena query ")[1].split()[0]
    sent = boto3.client("athena").get_query_execution(QueryExecutionId=identifier)
    assert (
        sent["QueryExecution"]["Query"]
        == "select * from dev_gold.dim_date FOR VERSION AS OF 123456789012345678"
    )
    assert sent["QueryExecution"]["WorkGroup"] == "dev-ecommerce"


def test_types_that_duckdb_lacks_and_no_columns(endpoint: str) -> None:
    result = {"rows": [{"Data": [{"VarCharValue": "a"}, {"VarCharValue": "b"}]},
                       {"Data": [{}, {"VarCharValue": "2 00:00:00.000"}]}],
              "column_info": [column("a", "unknown"), column("b", "interval day to second")]}  # fmt: skip
    seed(endpoint, result, {"rows": [], "column_info": []})
    assert query("select 1", "--format", "csv").stdout.splitlines() == ["a,b", ",2 00:00:00.000"]
    assert query("describe x", "--format", "csv").stdout.splitlines() == ["result"]


def test_an_interrupted_query_is_stopped(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    faulty = Faulty(boto3.client("athena"), get_query_execution=[KeyboardInterrupt()])
    monkeypatch.setattr(athena, "client", lambda _: faulty)
    query("select 1")
    assert faulty.calls["stop_query_execution"] == 1


def test_no_region(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    assert "no AWS region: set AWS_REGION" in str(query("select 1").exception)
