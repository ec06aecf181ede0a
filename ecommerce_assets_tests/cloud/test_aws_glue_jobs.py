"""The launcher against a fake Glue with boto3's shape, and moto's S3 and logs."""

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import dagster as dg
import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    CredentialRetrievalError,
    NoCredentialsError,
    ReadTimeoutError,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from dagster._core.pipes import utils as pipes
from dagster_pipes import decode_param

from ecommerce_assets.aws import glue_runs, release
from ecommerce_assets.aws.wheels import Wheels
from ecommerce_assets.definitions import build_definitions
from ecommerce_assets.deployment import deployment
from ecommerce_assets.errors import SHOWN_IN_LOG, PipelineError
from ecommerce_assets.jobs.audit import checks_of
from ecommerce_assets.jobs.outcome import Published
from ecommerce_assets.jobs.reporting import PipesReporter, open_pipes
from ecommerce_assets.orchestration import assets, aws_glue_jobs
from ecommerce_assets.settings import Settings
from ecommerce_assets.tables import all_tables
from ecommerce_assets_tests.aws_stand_in import (
    FakeGlue,
    FakeRun,
    Faulty,
    client_error,
    moto_server,
    publish_code,
)

TABLE = "gold.daily_revenue"
DAY = "2024-01-01"
ENVIRONMENT = {
    "ECOMMERCE_DEPLOYMENT": "aws",
    "ECOMMERCE_LANDING": "s3://landing/landing",
    "ECOMMERCE_LAKEHOUSE": "s3://lakehouse",
    "ECOMMERCE_DASHBOARD": "s3://results/dashboard/sales.html",
    "ECOMMERCE_ARTIFACTS": "s3://artifacts",
}


@pytest.fixture(scope="module")
def aws() -> Iterator[None]:
    with moto_server() as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        place = {"LocationConstraint": environment["AWS_REGION"]}
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="artifacts", CreateBucketConfiguration=place)
        publish_code("artifacts")
        yield


@dataclass
class Launch:
    """A launcher of one table whose waits take no time; `slept` has them in seconds."""

    glue: FakeGlue
    slept: list[float] = field(default_factory=list)
    work: Callable[[FakeRun], None] = lambda run: report(run)

    def run(
        self, run_id: str | None = None, tags: dict[str, str] | None = None
    ) -> dg.ExecuteInProcessResult:
        definitions = build_definitions(Settings.from_environment(ENVIRONMENT))
        with dg.DagsterInstance.ephemeral() as instance:
            return definitions.resolve_implicit_global_asset_job_def().execute_in_process(
                instance=instance, asset_selection=[dg.AssetKey(TABLE.split("."))],
                partition_key=DAY, raise_on_error=False, run_id=run_id, tags=tags,
            )  # fmt: skip

    def failure(self) -> str:
        return told(self.run())


def told(result: dg.ExecuteInProcessResult) -> str:
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    return str(failed.step_failure_data.user_failure_data.description)


def report(run: FakeRun, *, close: bool = True, materialize: bool = True) -> None:
    """What the job of `TABLE` reports over Pipes."""
    argv = [word for pair in run.arguments.items() for word in pair]
    stack = open_pipes(argv)
    context = stack.__enter__()
    assert context is not None
    for check in checks_of(all_tables()[TABLE]):
        context.report_asset_check(
            check_name=check.name, passed=True, asset_key=TABLE.replace(".", "/")
        )
    if materialize:
        context.report_asset_materialization(
            metadata={"dagster/row_count": 3, "seconds": 2.0}, asset_key=TABLE.replace(".", "/")
        )
    if close:
        stack.__exit__(None, None, None)


@pytest.fixture
def launch(aws: None, monkeypatch: pytest.MonkeyPatch) -> Launch:
    launch = Launch(FakeGlue(lambda run: launch.work(run)))
    own = glue_runs.client
    monkeypatch.setattr(
        glue_runs, "client",
        lambda service, **options: launch.glue if service == "glue" else own(service, **options),
    )  # fmt: skip
    monkeypatch.setattr(glue_runs.time, "sleep", _counting(launch.slept, glue_runs.time.sleep))
    monkeypatch.setattr(aws_glue_jobs, "LAST_MESSAGES_SECONDS", 5)
    monkeypatch.setattr(assets, "RETRIES", 0)
    monkeypatch.setattr(assets, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(pipes, "WAIT_FOR_LOGS_AFTER_EXECUTION_INTERVAL", 0)
    monkeypatch.setattr(pipes, "DEFAULT_SLEEP_INTERVAL", 0.02)
    return launch


def _counting(slept: list[float], sleep: Callable[[float], None]) -> Callable[[float], None]:
    def wait(seconds: float) -> None:
        if seconds > 1:
            slept.append(seconds)
        sleep(min(seconds, 0.02))

    return wait


def test_succeeded(launch: Launch) -> None:
    result = launch.run()
    assert result.success
    (made,) = result.asset_materializations_for_node("gold")
    given = {name: value.value for name, value in made.metadata.items()}
    assert given["glue_job_run"] == "jr_0"
    assert "eu-central-1.console.aws.amazon.com/gluestudio" in given["glue_console"]
    assert "$252Fecommerce$252Fglue$252Foutput$3FlogStreamNameFilter$3Djr_0" in given["glue_log"]
    assert given["glue_seconds"] == 90
    assert given["dpu_hours"] == 0.05
    assert given["usd_of_run"] == pytest.approx(0.05 * 0.44)
    assert given["usd_of_table"] == given["usd_of_run"]
    (run,) = launch.glue.runs.values()
    expected = {"--tables": "daily_revenue", "--from": DAY, "--to": DAY, "--full-refresh": "false",
                "--lakehouse": "s3://lakehouse", "--landing": "s3://landing/landing"}  # fmt: skip
    assert expected.items() <= run.arguments.items()
    place = f"s3://artifacts/releases/{release.this_release().id}"
    assert run.arguments["--scriptLocation"] == f"{place}/gold_aggregation.py"
    assert run.arguments["--extra-py-files"] == f"{place}/{release.CODE}"


@pytest.mark.parametrize("state", ["FAILED", "ERROR", "TIMEOUT", "STOPPED", "EXPIRED", "NEWSTATE"])
def test_what_is_no_success_fails_and_results_before_it_are_kept(
    launch: Launch, state: str
) -> None:
    def work(run: FakeRun) -> None:
        report(run)
        run.states, run.error = ["STARTING", "RUNNING", "STOPPING", state], "it broke"

    launch.work = work
    result = launch.run()
    said = told(result)
    assert f"ecommerce-gold-aggregation run jr_0 ended as {state}: it broke" in said
    assert "cloudwatch" in said
    assert len(result.asset_materializations_for_node("gold")) == 1


@pytest.mark.parametrize("by_user", [True, False])
def test_what_the_job_reported_is_the_failure_whatever_the_log_says(
    launch: Launch, monkeypatch: pytest.MonkeyPatch, by_user: bool
) -> None:
    """Glue's own message is the last line of whichever exception came last."""
    monkeypatch.setattr(assets, "RETRIES", 1)
    kind = PipelineError if by_user else RuntimeError

    def work(run: FakeRun) -> None:
        argv = [word for pair in run.arguments.items() for word in pair]
        with open_pipes(argv) as context:
            PipesReporter(context).ended(kind("orders.csv: the header lacks order_date"))
        run.states, run.error = ["FAILED"], "ended with: Driver stacktrace:"

    launch.work = work
    said = launch.failure()
    assert (
        f"run jr_{0 if by_user else 1} failed.\norders.csv: the header lacks order_date\n" in said
    )
    assert "Driver stacktrace" not in said
    assert len(launch.glue.runs) == (1 if by_user else 2)


def test_the_jobs_last_lines_are_in_the_failure(launch: Launch) -> None:
    now = int(time.time() * 1000)

    def work(run: FakeRun) -> None:
        logs = boto3.client("logs")
        group = f"{deployment().storage['log_group']}/output"
        logs.create_log_group(logGroupName=group)
        for stream in (f"{run.id}-1", run.id):
            logs.create_log_stream(logGroupName=group, logStreamName=stream)
            logs.put_log_events(
                logGroupName=group, logStreamName=stream,
                logEvents=[{"timestamp": now, "message": f"{stream} began\nError: no such column"}],
            )  # fmt: skip
        run.states = ["FAILED"]

    launch.work = work
    said = launch.failure()
    assert "jr_0 began\nError: no such column" in said


def ended(state: str, error: str) -> Callable[[FakeRun], None]:
    """The job's first run ends like this, and every later one well."""

    def work(run: FakeRun) -> None:
        if run.id == "jr_0":
            run.states, run.error = [state], error
        else:
            report(run)

    return work


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("FAILED", "py4j.protocol.Py4JJavaError: An error occurred while calling o71.overwrite"),
        ("FAILED", "java.lang.OutOfMemoryError: Java heap space"),
        ("FAILED", "Error: Launch error: no capacity"),
        ("TIMEOUT", ""),
    ],
)
def test_a_fault_of_the_infrastructure_is_retried(
    launch: Launch, monkeypatch: pytest.MonkeyPatch, state: str, error: str
) -> None:
    monkeypatch.setattr(assets, "RETRIES", 2)
    launch.work = ended(state, error)
    result = launch.run()
    assert result.success
    assert list(launch.glue.runs) == ["jr_0", "jr_1"]
    assert sum(event.is_step_up_for_retry for event in result.all_events) == 1


def test_a_users_fault_is_not_retried(launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "RETRIES", 2)
    launch.work = ended("FAILED", f"SystemExit: {SHOWN_IN_LOG}orders.csv: not UTF-8")
    assert "orders.csv: not UTF-8" in launch.failure()
    assert list(launch.glue.runs) == ["jr_0"]
    launch.glue.faults["start_job_run"] = [client_error("EntityNotFoundException")] * 9
    assert "no such job" in launch.failure()
    assert launch.glue.calls["start_job_run"] == 2


def test_a_retry_goes_on_with_the_run_that_could_not_be_polled(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "RETRIES", 1)

    def work(run: FakeRun) -> None:
        report(run)
        run.states = ["RUNNING"]
        launch.glue.faults["get_job_run"] = [client_error("InternalServiceException", 500)] * 8

    launch.work = work
    find = launch.glue.get_job_runs

    def listed(**given: Any) -> dict[str, Any]:
        for run in launch.glue.runs.values():
            run.states = ["RUNNING", "SUCCEEDED"]
        return find(**given)

    monkeypatch.setattr(launch.glue, "get_job_runs", listed)
    assert launch.run().success
    assert list(launch.glue.runs) == ["jr_0"]


def test_a_used_up_quota_is_told_and_not_waited_for_as_another_run(
    launch: Launch, capfd: pytest.CaptureFixture[str]
) -> None:
    launch.glue.faults["start_job_run"] = [
        client_error("ResourceNumberLimitExceededException")
    ] * 999
    said = launch.failure()
    assert "quota of Glue DPUs is used up: wait for other jobs, or raise it" in said
    assert sum(launch.slept) <= glue_runs.QUOTA_MINUTES * 60
    assert "quota of Glue DPUs is used up; waiting" in capfd.readouterr().err


def test_a_queued_run_has_not_started(launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    told_of = launch.glue._told

    def queued(run: FakeRun) -> dict[str, Any]:
        return {name: value for name, value in told_of(run).items() if name != "StartedOn"}

    monkeypatch.setattr(launch.glue, "_told", queued)
    assert launch.run().success
    assert launch.run().success


@pytest.mark.parametrize(
    "fault",
    [
        UnauthorizedSSOTokenError(),
        SSOTokenLoadError(error_msg="gone"),
        TokenRetrievalError(provider="sso", error_msg="expired"),
        CredentialRetrievalError(provider="sso", error_msg="expired"),
    ],
)
def test_an_expired_sign_in_is_told_at_once(launch: Launch, fault: Exception) -> None:
    launch.glue.faults["get_job_run"] = [fault] * 9
    assert "sign in again (`aws sso login`)" in launch.failure()
    assert launch.glue.calls["get_job_run"] == 1


def test_success_without_results_is_a_failure(launch: Launch) -> None:
    launch.work = lambda run: report(run, materialize=False)
    assert "ended well, and did not report daily_revenue" in launch.failure()


def test_messages_that_come_late_are_waited_for(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: list[FakeRun] = []
    launch.work = waiting.append
    follow = glue_runs.GlueRuns.follow

    def late(self: glue_runs.GlueRuns, run_id: str) -> Iterator[glue_runs.JobRun]:
        yield from follow(self, run_id)
        report(waiting.pop())

    monkeypatch.setattr(glue_runs.GlueRuns, "follow", late)
    assert launch.run().success


def test_another_run_is_waited_for(launch: Launch, capfd: pytest.CaptureFixture[str]) -> None:
    launch.glue.faults["start_job_run"] = [client_error("ConcurrentRunsExceededException")] * 3
    assert launch.run().success
    assert capfd.readouterr().err.count("another run is going on; waiting for its end") == 1
    assert launch.slept.count(glue_runs.BUSY_SECONDS) == 3


def test_another_run_that_never_ends(launch: Launch) -> None:
    launch.glue.faults["start_job_run"] = [client_error("ConcurrentRunsExceededException")] * 999
    assert "other runs did not end in time" in launch.failure()


@pytest.mark.parametrize(
    "fault",
    [
        client_error("ThrottlingException"),
        client_error("OperationTimeoutException"),
        client_error("InternalServiceException", 500),
        ConnectionClosedError(endpoint_url="x"),
        ReadTimeoutError(endpoint_url="x"),
    ],
)
@pytest.mark.parametrize("call", ["start_job_run", "get_job_run", "get_job_runs"])
def test_faults_are_retried_with_growing_waits(launch: Launch, call: str, fault: Exception) -> None:
    launch.glue.faults[call] = [fault] * 3
    assert launch.run().success
    assert len(launch.glue.runs) == 1
    assert sum(launch.slept) > 3  # two, four and eight seconds, less the jitter


def test_a_start_without_an_answer_is_not_done_twice(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = launch.glue.start_job_run
    answers = [ReadTimeoutError(endpoint_url="x")]

    def lost(**given: Any) -> dict[str, Any]:
        answer = start(**given)
        launch.glue.runs[answer["JobRunId"]].states = ["RUNNING"] * 3 + ["SUCCEEDED"]
        if answers:
            raise answers.pop()
        return answer

    monkeypatch.setattr(launch.glue, "start_job_run", lost)
    assert launch.run().success
    assert list(launch.glue.runs) == ["jr_0"]


def test_a_lost_answer_and_then_a_busy_job(launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run that keeps the job busy is the one whose start was not answered."""
    start, find = launch.glue.start_job_run, launch.glue.get_job_runs
    hidden = [{"JobRuns": []}] * 2  # Glue does not list it yet: at first, and after the lost answer

    def lost(**given: Any) -> dict[str, Any]:
        if launch.glue.runs:
            raise client_error("ConcurrentRunsExceededException")
        answer = start(**given)
        launch.glue.runs[answer["JobRunId"]].states = ["RUNNING"] * 3 + ["SUCCEEDED"]
        raise ReadTimeoutError(endpoint_url="x")

    monkeypatch.setattr(launch.glue, "start_job_run", lost)
    monkeypatch.setattr(
        launch.glue, "get_job_runs", lambda **given: hidden.pop() if hidden else find(**given)
    )
    assert launch.run().success
    assert list(launch.glue.runs) == ["jr_0"]


def test_a_run_that_is_being_stopped_is_not_gone_on_with(launch: Launch) -> None:
    launch.work = lambda run: setattr(run, "states", ["STOPPING"] * 99)
    launch.glue.faults["get_job_run"] = [client_error("AccessDeniedException", 403)]
    run_id = dg._core.utils.make_new_run_id()
    assert not launch.run(run_id).success
    launch.work = lambda run: report(run)
    assert launch.run(run_id).success
    assert list(launch.glue.runs) == ["jr_0", "jr_1"]


def test_what_glue_bills_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glue_runs, "client", lambda *_, **__: FakeGlue(lambda _: None))
    told = {"Id": "jr", "JobRunState": "SUCCEEDED", "ExecutionTime": 30, "WorkerType": "G.2X",
            "NumberOfWorkers": 3, "ExecutionClass": "FLEX", "DPUSeconds": 40.0}  # fmt: skip
    run = glue_runs.GlueRuns("gold")._job_run(told)
    assert run.dpu_seconds == 60 * 6
    assert run.usd == pytest.approx(0.1 * 0.29)


def test_polls_that_stay_broken(launch: Launch) -> None:
    launch.glue.faults["get_job_run"] = [client_error("InternalServiceException", 500)] * 99
    said = launch.failure()
    assert "run jr_0 may still be running; run the step again to continue with it" in said
    assert launch.glue.stopped == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            client_error("EntityNotFoundException"),
            "no such job: apply Terraform, or set AWS_REGION",
        ),
        (client_error("AccessDeniedException", 403), "access denied .*attach Terraform's policy"),
        (client_error("ExpiredTokenException", 400), "credentials have expired"),
        (NoCredentialsError(), "no AWS credentials: sign in"),
    ],
)
def test_what_can_not_be_retried_says_what_to_do(
    launch: Launch, fault: Exception, said: str
) -> None:
    launch.glue.faults["start_job_run"] = [fault]
    failed = launch.failure()
    assert "ecommerce-gold-aggregation in eu-central-1 was not started" in failed
    assert re.search(said, failed)
    assert launch.glue.calls["start_job_run"] == 1


def test_a_release_that_is_not_published(launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    other = release.Release({"other.py": b""}, {}, Wheels({}, ""))
    monkeypatch.setattr(aws_glue_jobs.releases, "this_release", lambda: other)
    said = launch.failure()
    assert f"release {other.id}" in said
    assert "ecommerce package --publish" in said
    assert not launch.glue.runs


def test_a_bucket_that_is_not_there(launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENVIRONMENT, "ECOMMERCE_ARTIFACTS", "s3://nowhere")
    assert "there is no such bucket: apply Terraform" in launch.failure()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("list_objects_v2", "looking for the release in s3://artifacts: access denied"),
        ("head_object", "gold_aggregation.py: access denied"),
    ],
)
def test_faults_of_s3_before_a_job_is_started(
    launch: Launch, monkeypatch: pytest.MonkeyPatch, call: str, said: str
) -> None:
    faulty = Faulty(boto3.client("s3"), **{call: [client_error("AccessDenied", 403)]})
    monkeypatch.setattr(aws_glue_jobs, "client", lambda _: faulty)
    assert said in launch.failure()
    assert not launch.glue.runs


@pytest.mark.parametrize(
    "fault", [client_error("SlowDown", 503), ConnectionClosedError(endpoint_url="x")]
)
def test_messages_that_can_not_be_read_are_read_later(
    launch: Launch, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    faulty = Faulty(boto3.client("s3"), get_object=[fault] * 3)
    monkeypatch.setattr(aws_glue_jobs, "client", lambda _: faulty)
    result = launch.run()
    assert result.success
    assert len(result.asset_materializations_for_node("gold")) == 1
    assert faulty.calls["get_object"] > 3


@pytest.mark.parametrize(
    ("refused", "said"), [([], "it is being stopped"), ([{"ErrorDetail": {"ErrorMessage": "no"}}], "did not stop it: no")]
)  # fmt: skip
def test_an_interrupted_run_stops_the_job(
    launch: Launch, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
    refused: list[Any], said: str,
) -> None:  # fmt: skip
    poll, stop = launch.glue.get_job_run, launch.glue.batch_stop_job_run

    def interrupted(**given: Any) -> dict[str, Any]:
        if launch.glue.calls["get_job_run"] == 2:
            raise dg.DagsterExecutionInterruptedError
        return poll(**given)

    def stopping(**given: Any) -> dict[str, Any]:
        return {**stop(**given), "Errors": refused}

    launch.work = lambda run: setattr(run, "states", ["RUNNING"] * 99)
    monkeypatch.setattr(launch.glue, "get_job_run", interrupted)
    monkeypatch.setattr(launch.glue, "batch_stop_job_run", stopping)
    assert not launch.run().success
    assert launch.glue.stopped == ["jr_0"]
    assert said in capfd.readouterr().err


def test_a_lost_worker_goes_on_with_its_job_run(launch: Launch) -> None:
    """Dagster restarts a worker under the same run: the job is not paid twice."""
    waiting: list[FakeRun] = []

    def slow(run: FakeRun) -> None:
        run.states = ["RUNNING"] * 2 + ["SUCCEEDED"]
        waiting.append(run)

    launch.work = slow
    launch.glue.faults["get_job_run"] = [client_error("InternalServiceException", 500)] * 8
    run_id = dg._core.utils.make_new_run_id()
    assert not launch.run(run_id).success
    report(waiting.pop())
    launch.glue.faults.clear()
    result = launch.run(run_id)
    assert result.success
    assert list(launch.glue.runs) == ["jr_0"]
    assert len(result.asset_materializations_for_node("gold")) == 1
    # Meanwhile it has ended: its results are there, and it still is not started again.
    assert launch.run(run_id).success
    assert list(launch.glue.runs) == ["jr_0"]


def test_a_failed_job_is_started_anew_and_other_messages_stay_apart(launch: Launch) -> None:
    def fail(run: FakeRun) -> None:
        report(run)
        run.states = ["FAILED"]

    launch.work = fail
    run_id = dg._core.utils.make_new_run_id()
    assert not launch.run(run_id).success
    launch.work = lambda run: report(run)
    assert launch.run(run_id).success
    places = [json.dumps(decode_param(run.arguments["--dagster-pipes-messages"]), sort_keys=True)
              for run in launch.glue.runs.values()]  # fmt: skip
    assert len(set(places)) == len(places) == 2


def test_another_dagster_run_does_the_work_again(launch: Launch) -> None:
    assert launch.run().success
    assert launch.run().success
    assert len(launch.glue.runs) == 2


@pytest.fixture
def nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    table = all_tables()[TABLE]
    idle = Published(table, rows=3, written=None, why="nothing changed upstream", rows_by_date={},
                     metrics={}, findings=[], snapshot=7, seconds=0.1)  # fmt: skip
    monkeypatch.setattr(aws_glue_jobs, "idle_tables", lambda job, found: {TABLE: idle})


def test_no_run_is_started_where_nothing_is_to_be_done(launch: Launch, nothing_to_do: None) -> None:
    result = launch.run()
    assert result.success
    (made,) = result.asset_materializations_for_node("gold")
    assert made.metadata["refresh"].value == "nothing changed upstream"
    assert made.metadata["dagster/row_count"].value == 3
    assert "usd_of_run" not in made.metadata
    assert launch.glue.runs == {}


def test_a_step_that_has_started_a_run_reports_that_one(
    launch: Launch, request: pytest.FixtureRequest
) -> None:
    """What its worker did not live to report is not "nothing to do"."""
    run_id = dg._core.utils.make_new_run_id()
    assert launch.run(run_id).success
    request.getfixturevalue("nothing_to_do")
    (made,) = launch.run(run_id).asset_materializations_for_node("gold")
    assert made.metadata["glue_job_run"].value == "jr_0"
    assert list(launch.glue.runs) == ["jr_0"]


def test_what_can_not_be_looked_at_is_no_reason_to_do_nothing(
    launch: Launch, nothing_to_do: None, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def refused(*given: Any) -> None:
        raise PipelineError("access denied")

    monkeypatch.setattr(aws_glue_jobs, "histories_on_aws", refused)
    assert launch.run().success
    assert list(launch.glue.runs) == ["jr_0"]
    assert (
        "starting the job, since what changed is unknown: access denied" in capfd.readouterr().err
    )


@pytest.mark.parametrize("name", [release.CODE, "gold_aggregation.py"])
@pytest.mark.parametrize("checksum", [{"ChecksumAlgorithm": "SHA256"}, {}])
def test_code_that_is_not_the_running_one_is_not_started(
    launch: Launch, name: str, checksum: dict[str, str]
) -> None:
    s3 = boto3.client("s3")
    key = f"releases/{release.this_release().id}/{name}"
    s3.put_object(Bucket="artifacts", Key=key, Body=b"their own", **checksum)
    try:
        assert f"{name} is not what is built from the code here" in launch.failure()
        assert not launch.glue.runs
    finally:
        publish_code("artifacts")
