"""deployment.json, Terraform's own reading of it, the tables and the README agree."""

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ecommerce_assets.aws.glue_runs import GlueRuns
from ecommerce_assets.aws.release import this_release
from ecommerce_assets.aws.wheels import lacking, pinned
from ecommerce_assets.deployment import deployment
from ecommerce_assets.lakehouse.names import in_environment
from ecommerce_assets.orchestration.landing_sensor import SECONDS_ON_AWS
from ecommerce_assets.shop import current_shop
from ecommerce_assets.tables import LAYERS, all_tables, tables_of
from ecommerce_assets_tests.aws_constraints import RULES, SCHEMAS, refused
from ecommerce_assets_tests.aws_stand_in import (
    ENVIRONMENT,
    deployed_arguments,
    deployed_settings,
    fixed_arguments,
)
from ecommerce_assets_tests.ecs_stand_in import without_spark
from ecommerce_assets_tests.terraform_plan import REPOSITORY, Planned
from tools import pins

COSTS = REPOSITORY / "docs" / "how-to" / "aws-cost.md"
OF_THE_IMAGE = {"platform_machine": "aarch64", "python_version": "3.11"}


def of(planned: Planned, kind: str) -> list[dict[str, Any]]:
    return [
        values for address, values in planned.resources.items() if address.startswith(f"{kind}.")
    ]


def test_a_job_a_layer_and_one_for_maintenance() -> None:
    assert list(deployment().jobs) == [*LAYERS, "maintenance"]
    for name, job in deployment().jobs.items():
        assert f'main("{name}", sys.argv[1:])' in this_release().scripts[job.script].decode()
        assert job.worker_type in deployment().prices.dpus_per_worker
        assert job.execution_class in deployment().prices.of("eu-central-1").dpu_hour


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
        # The end-to-end test takes them from deployment.json.
        assert jobs[job.name]["default_arguments"] == deployed_arguments(name)
        assert jobs[job.name]["non_overridable_arguments"] == fixed_arguments()
        assert jobs[job.name]["worker_type"] == job.worker_type
        assert jobs[job.name]["number_of_workers"] == job.workers
        own = this_release().arguments(settings["ECOMMERCE_ARTIFACTS"], name)
        # What Glue does with a run that names what its job insists on is not documented.
        assert not fixed_arguments().keys() & own.keys()
    assert deployed_settings().keys() <= settings.keys()
    for name, value in deployed_settings().items():
        assert settings[name].split("/")[3:] == value.split("/")[3:], name
    assert {group["name"] for group in of(planned, "aws_cloudwatch_log_group")} == {
        f"{deployment(ENVIRONMENT).storage['log_group']}/{ending}" for ending in ("output", "error")
    }


def test_the_costs_in_the_documents_follow_from_the_price_list() -> None:
    text = COSTS.read_text("utf-8")
    prices, job = deployment().prices, deployment().jobs["bronze"]
    dpus = job.workers * prices.dpus_per_worker[job.worker_type]
    assert prices.as_of in text
    # They are the same in every region that is listed.
    (of_glue,) = {json.dumps(found.dpu_hour) for found in prices.usd.values()}
    assert "at {STANDARD} per DPU-hour, {FLEX} on Flex".format(**json.loads(of_glue)) in text

    def usd(runs: int, seconds: int, execution_class: str = "STANDARD") -> str:
        of_run = prices.of("eu-central-1").glue_run(dpus * seconds, execution_class)
        return f"{runs * of_run:.2f}"

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
    own = prices.of("eu-central-1").task(deployment().dagster["run"], 30 * 2 / 60)
    assert (
        f"costs {own:.2f} in Dagster's own task (two minutes more a day) in place of "
        f"{usd(90, 60)} to {usd(90, 120)}."
    ) in text


def test_what_dagster_on_aws_costs_follows_from_the_price_list(planned: Planned) -> None:
    text, hours = COSTS.read_text("utf-8"), 24 * 365 / 12
    sizes, prices = deployment().dagster, deployment().prices
    alarms = sum(address.startswith("aws_cloudwatch_metric_alarm.") for address in planned.dagster)
    ticks = hours * 3600 / SECONDS_ON_AWS
    # Measured by test_a_look_on_aws_is_a_list_request_for_each_source_and_one_more.
    lists = ticks * (1 + len(current_shop().sources))

    def month(region: str) -> list[float]:
        usd = prices.of(region)
        found = [
            usd.task(sizes["server"], hours),
            usd.task(sizes["run"], hours / 48),
            usd.database_hour * hours + 20 * usd.database_gigabyte_month,
            usd.address_hour * hours,
            2 * usd.secret_month + alarms * usd.alarm_month,
            usd.log_gigabyte,
            lists / 1000 * usd.thousand_lists,
        ]
        nat, ui = usd.nat_hour * hours, usd.load_balancer_hour * hours
        return [*found, sum(found), nat, nat + ui, 8 * usd.endpoint_hour * hours]

    names = (
        "its task: webserver, daemon, code server", "runs, half an hour a day",
        "database, with 20 GB", "a public address", f"two secrets, {alarms} alarms",
        "logs, 1 GB", f"the landing sensor: {lists:,.0f} LIST requests", "in all",
        "`dagster_private_subnets`: a NAT gateway, with its address, in place of the task's",
        "`dagster_sign_in`: that, and a load balancer, without its capacity",
        "`enable_vpc`: eight interface endpoints",
    )  # fmt: skip
    of_nat = [prices.of(region).nat_gigabyte for region in ("eu-central-1", "us-east-1")]
    assert "costs {} ({}) per GB as well".format(*of_nat) in text
    for name, here, there in zip(names, month("eu-central-1"), month("us-east-1"), strict=True):
        assert f"| {name} | {here:.2f} | {there:.2f} |" in text, name


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


def test_a_job_that_is_started_without_a_release_says_so(planned: Planned, tmp_path: Path) -> None:
    """As in Glue's console."""
    (script,) = of(planned, "aws_s3_object")
    for job in of(planned, "aws_glue_job"):
        assert job["command"][0]["script_location"].endswith(f"-artifacts/{script['key']}")
    (tmp_path / "no_release.py").write_text(script["content"], "utf-8")
    done = subprocess.run([sys.executable, "no_release.py"], cwd=tmp_path, capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert done.returncode == 1
    assert "`ecommerce run`, which name the release" in done.stderr


def test_the_alarm_of_the_quota_looks_for_what_the_launcher_says() -> None:
    monitoring = (REPOSITORY / "terraform" / "monitoring.tf").read_text()
    (message,) = re.findall(r'quota_message\s*= "([^"]*)"', monitoring)
    assert message in inspect.getsource(GlueRuns)


def test_what_is_installed_on_aws_is_pinned_as_it_is_installed_here() -> None:
    """Else: `make pins`."""
    assert set(pinned().digests) == lacking()
    lines = pins.IMAGE.read_text("utf-8").removeprefix(pins.HEADER).splitlines()
    listed = [re.fullmatch(r"(\S+)==(\S+) --hash=sha256:[0-9a-f]{64}", line) for line in lines]
    found = {line[1]: line[2] for line in listed if line}
    assert len(found) == len(lines)
    needed, waiting = {pins.BUILDS}, [Requirement("ecommerce_assets[server]")]
    while waiting:
        one = waiting.pop()
        for line in requires(one.name) or ():
            requirement = Requirement(line)
            name = canonicalize_name(requirement.name)
            extras = [{"extra": extra, **OF_THE_IMAGE} for extra in ("", *one.extras)]
            if name in pins.NOT_IN_THE_IMAGE or not any(
                requirement.marker is None or requirement.marker.evaluate(extra) for extra in extras
            ):
                continue
            if name not in needed or requirement.extras:
                needed.add(name)
                waiting.append(requirement)
    assert needed == set(found)
    assert {name: version(name) for name in found if name != pins.BUILDS}.items() <= found.items()


def test_without_spark_duckdb_does_everything(tmp_path: Path) -> None:
    """As in the image."""
    code = "from ecommerce_assets.cli.main import main; main()"

    def ecommerce(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": f"{blocked}{os.pathsep}{REPOSITORY}"}, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    blocked = without_spark(tmp_path)
    ecommerce("generate", "--output", "data/landing", "--records", "50", "--days", "2")
    ecommerce("run")
    sold = ecommerce("query", "select count(*) as n from gold.fact_sales", "--format", "csv")
    assert int(sold.split()[1]) > 0
    ecommerce("dashboard", "--no-open")


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
    assert "--no-deps --only-binary=:all: --require-hashes" in built
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
