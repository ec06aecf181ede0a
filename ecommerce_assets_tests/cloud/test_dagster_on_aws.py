"""Dagster as it runs on AWS, by its own configuration: Postgres, S3, tasks that are started and lost."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import psycopg2
import pytest
import requests
from dagster._core.execution.stats import StepEventStatus
from dagster._core.instance.ref import InstanceRef
from dagster._core.scheduler.instigation import ScheduleInstigatorData

from ecommerce_assets.jobs.audit import checks_of
from ecommerce_assets.jobs.reporting import open_pipes
from ecommerce_assets.tables import LAYERS, all_tables
from ecommerce_assets_tests.aws_stand_in import (
    BUCKETS,
    FakeGlue,
    FakeRun,
    client_error,
    deployed_settings,
    moto_server,
    publish_code,
)
from ecommerce_assets_tests.dagster_dev import BIN, LAUNCH, LOCATION, REPOSITORY, ask, free_port
from ecommerce_assets_tests.ecs_stand_in import (
    MASTER,
    RUN_TASK,
    Database,
    ProcessEcs,
    postgres,
    postgres_programs,
    service,
    without_spark,
)
from ecommerce_assets_tests.iam import Policies, Recorder
from ecommerce_assets_tests.optional import missing
from ecommerce_assets_tests.terraform_plan import Planned

pytestmark = pytest.mark.timeout(600)
CONTAINER = REPOSITORY / "container"
CODE = ["dagster", "code-server", "start", "--host", "localhost", "--port", "4000",
        "--module-name", "ecommerce_assets.definitions"]  # fmt: skip
# What runs are not told.
OF_SERVER = {"DAGSTER_CODE_HOST": "localhost"}
START_SCHEDULE = """
mutation($schedule: ScheduleSelector!) { startSchedule(scheduleSelector: $schedule) {
  __typename ... on PythonError { message } } }"""
TERMINATE = """
mutation($run: String!) { terminateRun(runId: $run) {
  __typename ... on TerminateRunFailure { message } ... on PythonError { message stack } } }"""
RUNS = "{ runsOrError { ... on Runs { results { runId status tags { key value } } } } }"


@dataclass
class Jobs:
    """What the Glue jobs do: report every table of theirs, silver's when it may.

    Attributes:
        silver_begun: set when silver's job has started.
        silver_may_end: silver's job waits for it.
    """

    silver_begun: threading.Event = field(default_factory=threading.Event)
    silver_may_end: threading.Event = field(default_factory=threading.Event)

    def work(self, run: FakeRun) -> None:
        run.states = ["RUNNING"]
        threading.Thread(target=self._report, args=(run,), daemon=True).start()

    def _report(self, run: FakeRun) -> None:
        script = run.arguments["--scriptLocation"].rsplit("/", 1)[1]
        layer = script.split("_")[0]
        if layer == "silver":
            self.silver_begun.set()
            self.silver_may_end.wait(300)
        with open_pipes([word for pair in run.arguments.items() for word in pair]) as context:
            for name in run.arguments["--tables"].split(","):
                table, key = all_tables()[f"{layer}.{name}"], f"{layer}/{name}"
                for check in checks_of(table):
                    context.report_asset_check(check_name=check.name, passed=True, asset_key=key)
                told = {"dagster/row_count": 3, "seconds": 2.0}
                context.report_asset_materialization(metadata=told, asset_key=key)
        run.states = ["SUCCEEDED"]


class WithoutTables(FakeGlue):
    """A Glue whose jobs only report: its Data Catalog is empty."""

    def get_table(self, **_: Any) -> None:
        raise client_error("EntityNotFoundException")


@dataclass
class Deployed:
    """Dagster's tasks, what they talk to, and its UI, for all and for those who only look."""

    ecs: ProcessEcs
    glue: FakeGlue
    jobs: Jobs
    url: str
    viewers: str
    home: Path
    database: Database
    recorder: Recorder

    def ask(self, query: str, **variables: Any) -> Any:
        return ask(self.url, query, **variables)

    def assets(self) -> int:
        try:
            return len(self.ask("{ assetNodes { id } }")["assetNodes"])
        except requests.ConnectionError:
            return 0

    def runs(self) -> dict[str, str]:
        """Status by run, the newest first."""
        found = self.ask(RUNS)["runsOrError"]["results"]
        return {run["runId"]: run["status"] for run in found}

    def instance(self) -> dg.DagsterInstance:
        return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(self.home)))

    def start_daemon(self) -> None:
        self.ecs.start("daemon", ["dagster-daemon", "run", *self.workspace], **OF_SERVER,
                       ECS_CONTAINER_METADATA_URI_V4=self.ecs.environment["METADATA"] + "/v4/daemon")  # fmt: skip

    def start_code_server(self) -> None:
        self.ecs.start("code", CODE, **OF_SERVER)

    @property
    def workspace(self) -> list[str]:
        return ["--workspace", str(self.home / "workspace.yaml")]

    def launch(self, table: str, day: str, url: str = "") -> str:
        layer = table.split(".")[0]
        selected = {"pipelineName": f"ecommerce_{layer}", **LOCATION,
                    "assetSelection": [{"path": table.split(".")}], "assetCheckSelection": []}  # fmt: skip
        # Whoever reaches the UI can write tags, and dagster-aws would obey them.
        evil = '[{"name": "run", "command": ["sh", "-c", "id"]}]'
        tags = [{"key": "dagster/partition", "value": day},
                {"key": "ecs/container_overrides", "value": evil},
                {"key": "ecs/task_overrides", "value": '{"taskRoleArn": "arn:aws:iam::1:role/admin"}'},
                {"key": "ecs/run_task_kwargs", "value": '{"enableExecuteCommand": true}'},
                {"key": "ecs/cpu", "value": "16384"}]  # fmt: skip
        params = {"selector": selected, "mode": "default", "executionMetadata": {"tags": tags}}
        answer = ask(url or self.url, LAUNCH, params=params)["launchPipelineExecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])


def until(found: Any, what: str, seconds: int = 120) -> Any:
    """Wait for something true."""
    for _ in range(seconds * 2):
        if value := found():
            return value
        time.sleep(0.5)
    raise AssertionError(f"{what} did not happen")


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    if postgres_programs() is None:
        missing("Postgres is not installed: apt-get install postgresql")
    folder = tmp_path_factory.mktemp("ecs")
    home = folder / "dagster"
    shutil.copytree(CONTAINER, home)
    jobs = Jobs()
    glue, recorder = WithoutTables(jobs.work), Recorder()
    with (
        moto_server(recorder) as aws,
        postgres(folder / "rds") as database,
        service(glue, recorder) as glue_url,
        pytest.MonkeyPatch.context() as patch,
    ):
        ports = {"webserver": free_port(), "viewer": free_port()}
        ecs = ProcessEcs(folder, {}, "")
        with service(ecs, recorder, ecs.metadata) as ecs_url:
            settings = {
                **image_environment(),
                **aws,
                **deployed_settings(),
                "AWS_ENDPOINT_URL_ECS": ecs_url,
                "AWS_ENDPOINT_URL_GLUE": glue_url,
                "METADATA": ecs_url,
                "DAGSTER_HOME": str(home),
                "DAGSTER_DATABASE_HOST": "localhost",
                "DAGSTER_DATABASE_PORT": str(database.port),
                "DAGSTER_LOGS_BUCKET": BUCKETS["artifacts"],
                "DAGSTER_RUN_TASK": RUN_TASK,
                "PGSSLROOTCERT": str(database.certificate),
                "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": f"{without_spark(folder)}{os.pathsep}{REPOSITORY}",
                "PYTHONUNBUFFERED": "1",
            }
            for name, value in settings.items():
                patch.setenv(name, value)
            ecs.environment = {**os.environ}
            ecs.interface = _account(aws["AWS_REGION"])
            url, viewers = (f"http://127.0.0.1:{port}" for port in ports.values())
            deployed = Deployed(ecs, glue, jobs, url, viewers, home, database, recorder)
            try:
                _prepare_database()
                deployed.start_code_server()
                for name, port in ports.items():
                    flags = ["--read-only"] if name == "viewer" else []
                    ecs.start(name, ["dagster-webserver", "--host", "127.0.0.1", "--port",
                                     str(port), *flags, *deployed.workspace], **OF_SERVER)  # fmt: skip
                deployed.start_daemon()
                until(deployed.assets, "the code location's loading")
                yield deployed
            finally:
                ecs.stop()


def image_environment() -> dict[str, str]:
    """The variables that the image sets."""
    text = (CONTAINER / "Dockerfile").read_text().replace("\\\n", " ")
    (line,) = re.findall(r"^ENV (.*)$", text, re.MULTILINE)
    return dict(pair.split("=", 1) for pair in line.split())


def _account(region: str) -> str:
    """Buckets, a release, and the network interface of the daemon's task; returns its id."""
    s3, ec2 = boto3.client("s3"), boto3.client("ec2")
    for bucket in BUCKETS.values():
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})
    publish_code(BUCKETS["artifacts"])
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    made = ec2.create_network_interface(SubnetId=subnet)
    return str(made["NetworkInterface"]["NetworkInterfaceId"])


def _prepare_database() -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, str(CONTAINER / "database.py")], text=True, capture_output=True,
        env={**os.environ, "DATABASE_SECRET": json.dumps(MASTER)}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def test_a_lost_run_is_retried_once_and_continues_with_its_glue_run(deployed: Deployed) -> None:
    selected = {**LOCATION, "scheduleName": "ecommerce_daily_schedule"}
    started = deployed.ask(START_SCHEDULE, schedule=selected)["startSchedule"]
    assert started["__typename"] == "ScheduleStateResult", started
    _as_if_enabled_yesterday(deployed)
    until(deployed.jobs.silver_begun.is_set, "silver's job")
    (run,) = deployed.runs()

    deployed.ecs.kill("daemon")
    deployed.ecs.kill("run-0")
    assert deployed.runs() == {run: "STARTED"}
    deployed.start_daemon()
    # Silver's job ends while nobody looks.
    deployed.jobs.silver_may_end.set()
    until(lambda: deployed.ecs.runs() == ["run-0", "run-1"], "the retry")
    retried, first = deployed.runs()
    assert first == run
    until(lambda: deployed.runs()[retried] in ("SUCCESS", "FAILURE"), "the retry's end")
    with deployed.instance() as instance:
        steps = {stats.step_key: stats.status for stats in instance.get_run_step_stats(retried)}
    # There are no tables for the dashboard: that is its own failure, and the run is not retried.
    succeeded = dict.fromkeys(("silver", "gold"), StepEventStatus.SUCCESS)
    assert steps == {**succeeded, "sales_dashboard": StepEventStatus.FAILURE}
    # One Glue run for each layer: the retry found bronze done, and what silver's job had reported.
    assert deployed.glue.calls["start_job_run"] == len(LAYERS), deployed.glue.runs
    assert deployed.ecs.runs() == ["run-0", "run-1"]
    with deployed.instance() as instance:
        made = {
            ".".join(key.path)
            for key in instance.all_asset_keys()
            if instance.get_latest_materialization_event(key)
        }
        lost = [event.message for event in instance.all_logs(run) if "failed" in event.message]
    assert set(all_tables()) <= made
    assert any("Stop reason: Essential container in task exited" in text for text in lost), lost


def _as_if_enabled_yesterday(deployed: Deployed) -> None:
    """So that today's tick is due, whatever the time is."""
    with deployed.instance() as instance:
        (state,) = instance.all_instigator_state()
        yesterday = datetime.now(UTC).timestamp() - 24 * 3600
        data = ScheduleInstigatorData(state.instigator_data.cron_schedule, yesterday)
        instance.update_instigator_state(state.with_data(data))


def test_what_a_run_wrote_is_kept_on_s3(deployed: Deployed) -> None:
    listed = boto3.client("s3").list_objects_v2(
        Bucket=BUCKETS["artifacts"], Prefix="compute-logs/"
    )["Contents"]
    assert any(found["Key"].endswith((".err", ".out")) and found["Size"] for found in listed)


def test_a_code_server_that_restarts_loses_nothing(deployed: Deployed) -> None:
    before = deployed.runs()
    deployed.ecs.kill("code")
    deployed.start_code_server()
    until(
        lambda: (
            deployed.ask(
                "{ workspaceOrError { ... on Workspace { locationEntries { loadStatus "
                "locationOrLoadError { __typename } } } } }"
            )["workspaceOrError"]["locationEntries"][0]["locationOrLoadError"]["__typename"]
            == "RepositoryLocation"
        ),
        "the code location's return",
    )
    assert deployed.assets() > len(all_tables())
    run = until(lambda: _launched(deployed), "a launch")
    until(lambda: deployed.runs()[run] in ("SUCCESS", "FAILURE"), "the run's end")
    assert deployed.runs() == {run: "SUCCESS", **before}


def _launched(deployed: Deployed) -> str:
    try:
        return deployed.launch("gold.daily_revenue", "2024-01-02")
    except AssertionError:  # the webserver has not noticed yet that the code server is back
        return ""


def test_a_run_ended_in_the_ui_stops_its_task_and_its_glue_run(deployed: Deployed) -> None:
    deployed.jobs.silver_begun.clear()
    deployed.jobs.silver_may_end.clear()
    run = deployed.launch("silver.orders", "2024-01-03")
    started = until(lambda: deployed.ecs.started[-1:], "the task")[0]
    (container,) = started["overrides"]["containerOverrides"]
    assert container["command"][:3] == ["dagster", "api", "execute_run"]
    assert started["overrides"].keys() == {"containerOverrides"}
    assert started["propagateTags"] == "TASK_DEFINITION"
    assert "enableExecuteCommand" not in started
    until(deployed.jobs.silver_begun.is_set, "silver's job")
    job_run = list(deployed.glue.runs)[-1]
    until(lambda: "started prod-" in deployed.ecs.log(deployed.ecs.runs()[-1]), "the run's start")
    ended = deployed.ask(TERMINATE, run=run)["terminateRun"]
    assert ended["__typename"] == "TerminateRunSuccess", ended
    until(lambda: deployed.runs()[run] == "CANCELED", "the cancellation")
    assert deployed.glue.stopped == [job_run]
    assert deployed.ecs.stopped
    deployed.jobs.silver_may_end.set()


def test_who_may_only_look_sees_everything_and_changes_nothing(deployed: Deployed) -> None:
    looked = ask(deployed.viewers, "{ assetNodes { id } }")["assetNodes"]
    assert len(looked) == deployed.assets() > 0
    before = deployed.runs()
    with pytest.raises(AssertionError, match="UnauthorizedError"):
        deployed.launch("gold.daily_revenue", "2024-01-02", deployed.viewers)
    selected = {**LOCATION, "scheduleName": "ecommerce_weekly_maintenance"}
    enabled = ask(deployed.viewers, START_SCHEDULE, schedule=selected)["startSchedule"]
    assert enabled["__typename"] == "UnauthorizedError"
    assert deployed.runs() == before


def test_a_second_deployment_migrates_and_leaves_what_is_there(deployed: Deployed) -> None:
    before = deployed.runs()
    assert "created the user" not in _prepare_database().stderr
    assert deployed.runs() == before


def test_only_the_database_s_user_signs_in_without_a_password(deployed: Deployed) -> None:
    given = {"host": "localhost", "port": deployed.database.port, "dbname": "dagster"}
    secure = {"sslmode": "verify-full", "sslrootcert": str(deployed.database.certificate)}
    with closing(psycopg2.connect(user="dagster", **given, **secure)):
        pass
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(user="dagster", sslmode="disable", **given)
    with pytest.raises(psycopg2.OperationalError, match="no password"):
        psycopg2.connect(user=MASTER["username"], **given, **secure)


def test_nothing_is_written_into_the_image(deployed: Deployed) -> None:
    there = {str(path.relative_to(CONTAINER)) for path in CONTAINER.rglob("*")}
    found = {str(path.relative_to(deployed.home)) for path in deployed.home.rglob("*")}
    assert {name for name in found if "__pycache__" not in name} == {
        name for name in there if "__pycache__" not in name
    }


def test_every_call_of_a_task_is_allowed(deployed: Deployed, planned: Planned) -> None:
    made = {
        (role, call.action) for role, calls in deployed.recorder.calls.items() for call in calls
    }
    assert {("server", "ecs:RunTask"), ("server", "ecs:DescribeTasks"), ("server", "ecs:StopTask"),
            ("run", "glue:StartJobRun"), ("run", "s3:PutObject")} <= made  # fmt: skip
    Policies(planned).must_allow(deployed.recorder)
