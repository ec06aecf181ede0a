"""deployment.json, Terraform's own reading of it, the tables and the README agree."""

import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ecommerce_assets.aws.glue_runs import GlueRuns
from ecommerce_assets.aws.release import this_release
from ecommerce_assets.deployment import deployment
from ecommerce_assets.lakehouse.names import in_environment
from ecommerce_assets.tables import LAYERS, all_tables, tables_of
from ecommerce_assets_tests.aws_constraints import RULES, SCHEMAS, refused
from ecommerce_assets_tests.aws_stand_in import ENVIRONMENT, deployed_arguments, deployed_settings
from ecommerce_assets_tests.terraform_plan import REPOSITORY, Planned


def of(planned: Planned, kind: str) -> list[dict[str, Any]]:
    return [
        values for address, values in planned.resources.items() if address.startswith(f"{kind}.")
    ]


def test_a_job_a_layer_and_one_for_maintenance() -> None:
    assert list(deployment().jobs) == [*LAYERS, "maintenance"]
    for name, job in deployment().jobs.items():
        assert f'main("{name}", sys.argv[1:])' in this_release().scripts[job.script].decode()
        assert job.worker_type in deployment().prices.dpus_per_worker
        assert job.execution_class in deployment().prices.usd_per_dpu_hour


@pytest.mark.parametrize("layer", LAYERS)
def test_a_jobs_role_may_read_what_its_tables_read(layer: str) -> None:
    job = deployment().jobs[layer]
    read = {name.split(".")[0] for table in tables_of(layer) for name in table.reads}
    assert read - {layer} == set(job.reads)
    assert job.writes == [layer]


def test_a_release_holds_all_of_the_package_that_its_jobs_import(tmp_path: Path) -> None:
    for path, content in this_release().sources.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    code = (
        # An editable install would find what the release lacks.
        "import sys\n"
        "sys.meta_path = [it for it in sys.meta_path if 'editable' not in repr(it).lower()]\n"
        "import ecommerce_assets.jobs.__main__ as jobs, ecommerce_assets.jobs.run, "
        "ecommerce_assets.jobs.maintenance, ecommerce_assets.engine.duck\n"
        "from ecommerce_assets.tables import all_tables\n"
        "print(jobs.__file__, len(all_tables()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)}, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    where, tables = done.stdout.split()
    assert (Path(where).is_relative_to(tmp_path), tables) == (True, str(len(all_tables())))


def test_maintenance_may_change_every_layer() -> None:
    assert tuple(deployment().jobs["maintenance"].writes) == LAYERS


def test_terraforms_own_tests_pass(planned: Planned) -> None:
    assert planned.passed, planned.output


def test_aws_takes_every_planned_value(planned: Planned) -> None:
    """No plan and no linter of Terraform's sees what the services refuse."""
    wrong = {
        line
        for resources in planned.all.values()
        for address, values in resources.items()
        for line in refused(address, values or {})
    }
    assert sorted(wrong) == []
    kinds = {address.split(".")[0] for plan in planned.all.values() for address in plan}
    assert set(SCHEMAS) <= kinds
    assert all(any(re.fullmatch(rule.types, kind) for kind in kinds) for rule in RULES)


# The first ten are those that stopped the first deployment.
REFUSED = [
    ('aws_s3_bucket.this["artifacts"]', {"tags": {"Purpose": "releases of the job code, and messages"}}),
    ('aws_s3_bucket.this["results"]', {"tags_all": {"Purpose": "Athena's queries"}}),
    ("aws_security_group.tasks", {"description": "Dagster's tasks."}),
    ("aws_security_group.database", {"description": "Dagster's database."}),
    ("aws_security_group.ui", {"description": "The UI's load balancer."}),
    ("aws_vpc_security_group_ingress_rule.code", {"description": "the chat's webhook"}),
    ("aws_vpc_security_group_ingress_rule.database", {"description": "Dagster's tasks"}),
    ("aws_vpc_security_group_egress_rule.tasks", {"description": "AWS's services"}),
    ("aws_vpc_security_group_egress_rule.ui", {"description": "the identity provider's endpoints"}),
    ("aws_vpc_security_group_ingress_rule.ui", {"description": "people's browsers"}),
    ("aws_s3_bucket.this", {"bucket": "Prod-Landing"}),
    ("aws_s3_bucket.this", {"bucket": "landing-s3alias"}),
    ("aws_s3_bucket.this", {"tags": {"aws:owner": "me"}}),
    ("aws_iam_role.job", {"name": "r" * 65}),
    ("aws_iam_role.job", {"description": "\u2014"}),
    ("aws_glue_job.this", {"worker_type": "G.3X"}),
    ("aws_glue_catalog_database.layer", {"name": "my-gold"}),
    ("aws_athena_workgroup.this", {"name": "w" * 129}),
    ("aws_cloudwatch_metric_alarm.failed", {"treat_missing_data": "breach"}),
    ("aws_cloudwatch_log_group.jobs", {"name": "/glue jobs"}),
    ("aws_cloudwatch_log_group.jobs", {"retention_in_days": 15}),
    ("aws_cloudwatch_event_rule.daily", {"schedule_expression": "rate(5 minute)"}),
    ("aws_cloudwatch_event_rule.daily", {"schedule_expression": "cron(0 5 * * *)"}),
    ("aws_db_instance.dagster", {"final_snapshot_identifier": "last_one"}),
    ("aws_lb.dagster", {"name": "l" * 33}),
    ("aws_lb.dagster", {"name": "internal-ui"}),
    ("aws_lb_target_group.dagster", {"name": "ui-"}),
    ("aws_sns_topic.alerts", {"name": "alerts!"}),
    ("aws_secretsmanager_secret.webhook", {"name": "alerts-AbCdEf"}),
    ("aws_lb_listener.dagster", {"certificate_arn": "certificate/1"}),
]  # fmt: skip


@pytest.mark.parametrize(("address", "values"), REFUSED)
def test_what_aws_refuses_is_known(address: str, values: dict[str, Any]) -> None:
    assert [*refused(address, values)]


def test_databases_and_named_queries_are_those_of_the_tables(planned: Planned) -> None:
    databases = {database["name"] for database in of(planned, "aws_glue_catalog_database")}
    assert databases == {in_environment(layer, ENVIRONMENT) for layer in LAYERS}
    queries = of(planned, "aws_athena_named_query")
    for query in queries:
        (table,) = re.findall(r"FROM (\w+\.\w+)", query["query"])
        assert table in {in_environment(name, ENVIRONMENT) for name in all_tables()}
        assert query["database"] == table.split(".")[0]
    kpis = {table.name for table in tables_of("gold") if not re.match("dim_|fact_", table.name)}
    assert {query["name"] for query in queries} <= kpis


def test_jobs_settings_and_prefixes_are_those_of_the_launcher(planned: Planned) -> None:
    jobs = {job["name"]: job for job in of(planned, "aws_glue_job")}
    assert set(jobs) == {job.name for job in deployment(ENVIRONMENT).jobs.values()}
    settings = planned.environment
    for name, job in deployment(ENVIRONMENT).jobs.items():
        arguments = jobs[job.name]["default_arguments"]
        # The end-to-end test takes them from deployment.json.
        assert arguments == deployed_arguments(settings["ECOMMERCE_LAKEHOUSE"])
        assert jobs[job.name]["worker_type"] == job.worker_type
        assert jobs[job.name]["number_of_workers"] == job.workers
        own = this_release().arguments(settings["ECOMMERCE_ARTIFACTS"], name)
        releases = jobs[job.name]["command"][0]["script_location"].rsplit("/", 1)[0]
        assert own["--scriptLocation"].startswith(releases + "/")
        # What the launcher names on each run must not be something that the job insists on.
        assert not jobs[job.name]["non_overridable_arguments"]
    assert deployed_settings().keys() <= settings.keys()
    for name, value in deployed_settings().items():
        assert settings[name].split("/")[3:] == value.split("/")[3:], name
    assert {group["name"] for group in of(planned, "aws_cloudwatch_log_group")} == {
        f"{deployment(ENVIRONMENT).storage['log_group']}/{ending}" for ending in ("output", "error")
    }


def test_the_costs_in_the_documents_follow_from_the_price_list() -> None:
    text = Path(REPOSITORY / "docs/how-to/aws.md").read_text("utf-8")
    prices, job = deployment().prices, deployment().jobs["bronze"]
    dpus = job.workers * prices.dpus_per_worker[job.worker_type]
    assert prices.as_of in text

    def usd(runs: int, seconds: int, execution_class: str = "STANDARD") -> str:
        return f"{runs * prices.glue_run(dpus * seconds, execution_class):.2f}"

    told = re.search(r"if each table had a run of its own \((\d+)\)", text)
    assert told
    tables = int(told[1])  # of those that the project itself declares; a KPI more costs so little
    for row in (
        f"| a day, one run a layer (3), a minute each | {usd(3, 60)} | {usd(3, 60, 'FLEX')} |",
        f"| the same, two minutes each | {usd(3, 120)} | {usd(3, 120, 'FLEX')} |",
        f"| a day, if each table had a run of its own ({tables}) | {usd(tables, 60)} | "
        f"{usd(tables, 60, 'FLEX')} |",
        f"| a year's backfill, one run a layer, five minutes each | {usd(3, 300)} | "
        f"{usd(3, 300, 'FLEX')} |",
        f"| the same year, day by day | {usd(3 * 365, 60)} | {usd(3 * 365, 60, 'FLEX')} |",
    ):
        assert row in text, row


def test_what_dagster_on_aws_costs_follows_from_the_price_list() -> None:
    text = Path(REPOSITORY / "docs/how-to/aws.md").read_text("utf-8")
    prices, sizes = deployment().prices, dict(deployment().dagster)
    run = prices.task(sizes.pop("run"), 0.5 * 365 / 12)
    services = sum(prices.task(size, 24 * 365 / 12) for size in sizes.values())
    month = prices.usd_per_month
    for row in (
        f"| webserver, daemon, code server | {services:.2f} |",
        f"| runs, half an hour a day | {run:.2f} |",
        f"| database, with 20 GB | {month['database']:.2f} |",
        f"| NAT gateway, with its address | {month['nat']:.2f} |",
        f"| secrets, alarms | {month['secrets'] + month['alarms']:.2f} |",
        f"| in all | {services + run + sum(month.values()):.2f} |",
    ):
        assert row in text, row


def test_every_alarm_has_a_place_in_the_runbook(planned: Planned) -> None:
    page = (REPOSITORY / "docs" / "how-to" / "aws-alarms.md").read_text("utf-8")
    explained = set(re.findall(r"`([\w-]+)`", " ".join(re.findall(r"(?m)^## (`.*)$", page))))
    names = {
        values["alarm_name"].removeprefix("prod-ecommerce-")
        for resources in planned.all.values()
        for address, values in resources.items()
        if address.startswith("aws_cloudwatch_metric_alarm.")
        and values["alarm_name"].startswith("prod-ecommerce-")
    }
    assert names == explained


def test_the_alarm_of_the_quota_looks_for_what_the_launcher_says() -> None:
    monitoring = (REPOSITORY / "terraform" / "monitoring.tf").read_text()
    (message,) = re.findall(r'quota_message\s*= "([^"]*)"', monitoring)
    assert message in inspect.getsource(GlueRuns)


def test_what_the_image_installs_is_the_release_of_this_code(tmp_path: Path) -> None:
    dockerfile = (REPOSITORY / "container" / "Dockerfile").read_text()
    built, _, _ = dockerfile.partition("COPY --from=built")
    copied = [line.split()[1:-1] for line in built.splitlines() if line.startswith("COPY")]
    for name in (name for names in copied for name in names):
        source, target = REPOSITORY / name, tmp_path / "build" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    assert "'.[server]'" in built
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target",
         str(tmp_path / "installed"), str(tmp_path / "build")], check=True, capture_output=True,
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", "from ecommerce_assets.aws.release import this_release; "
         "import ecommerce_assets; print(ecommerce_assets.__file__, this_release().id)"],
        env={"PYTHONPATH": str(tmp_path / "installed")}, cwd=tmp_path, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    where, identifier = done.stdout.split()
    assert where.startswith(str(tmp_path / "installed"))
    assert identifier == this_release().id
