"""Runs of one Glue job: start exactly one, follow it to its end, stop it, compute its cost."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential_jitter,
    wait_fixed,
)

from ecommerce_assets.aws.clients import (
    Unavailable,
    client,
    code_of,
    explain,
    failed,
    may_be_retried,
)
from ecommerce_assets.deployment import deployment
from ecommerce_assets.errors import PipelineError

LIVE = {"STARTING", "RUNNING", "STOPPING", "WAITING"}
SUCCEEDED = "SUCCEEDED"
KEY = "--idempotency-key"
ANOTHER_RUN = "ConcurrentRunsExceededException"
QUOTA = "ResourceNumberLimitExceededException"  # the account's DPUs
POLL_SECONDS = 10
BUSY_SECONDS = 30
QUOTA_MINUTES = 15  # other jobs may end
TRIES = 8
LONGEST_WAIT_SECONDS = 60
LOOKED_BACK = timedelta(days=2)  # age of the oldest run that is looked for
LOG_LINES = 12


@dataclass(frozen=True)
class JobRun:
    """A job run as reported by Glue.

    Attributes:
        id: Glue's id.
        state: Glue's state.
        arguments: its arguments.
        error: Glue's error message; empty without one.
        seconds: execution time; 0 until it has started.
        dpu_seconds: billed DPU-seconds.
        execution_class: STANDARD or FLEX.
        region: where it ran.
    """

    id: str
    state: str
    arguments: Mapping[str, str]
    error: str
    seconds: int
    dpu_seconds: float
    execution_class: str
    region: str

    @property
    def ended(self) -> bool:
        """Whether it has ended. Unknown states count as ended, and as failures."""
        return self.state not in LIVE

    @property
    def going_on(self) -> bool:
        """Whether it may still succeed."""
        return self.state in LIVE - {"STOPPING"}

    @property
    def usd(self) -> float:
        """Its cost by the public price list."""
        prices = deployment().prices.of(self.region)
        return prices.glue_run(self.dpu_seconds, self.execution_class)


class GlueRuns:
    """Runs of a job.

    Args:
        job: the job, by its key in the deployment.
        environment: name of one of several environments.
    """

    def __init__(self, job: str, environment: str = "") -> None:
        self._deployment = deployment(environment)
        self.job = self._deployment.jobs[job]
        # No hidden retries: a start without a response may have succeeded.
        self.glue = client("glue", attempts=1)
        self.logs = client("logs")

    @property
    def region(self) -> str:
        """The region of the job."""
        return str(self.glue.meta.region_name)

    def find(self, key: str) -> JobRun | None:
        """The newest run started with this idempotency key.

        Raises:
            PipelineError: the runs can't be listed.
        """
        oldest = datetime.now(UTC) - LOOKED_BACK
        token: dict[str, str] = {}
        while True:
            page = self._retried(
                f"listing the runs of {self.job.name}",
                partial(self.glue.get_job_runs, JobName=self.job.name, **token),
            )
            for described in page.get("JobRuns", ()):
                if described.get("Arguments", {}).get(KEY) == key:
                    return self._job_run(described)
                # A run that is queued has not started.
                if described.get("StartedOn", oldest) < oldest:
                    return None
            if not page.get("NextToken"):
                return None
            token = {"NextToken": page["NextToken"]}

    def start(self, arguments: Mapping[str, str], key: str, tell: Callable[[str], None]) -> str:
        """Start exactly one run, waiting for another one to end if necessary; returns its id.

        Args:
            arguments: the job's arguments.
            key: idempotency key of this start.
            tell: receives progress messages.

        Raises:
            PipelineError: it can't be started; the message says why and what to do.
        """
        tried = False

        def attempt() -> str:
            nonlocal tried
            # A start without a response may have succeeded: the run that is going on may be it.
            begun = self.find(key) if tried else None
            if begun is not None and begun.going_on:
                return begun.id
            tried = True
            given = {**arguments, KEY: key}
            answer = self.glue.start_job_run(JobName=self.job.name, Arguments=given)
            return str(answer["JobRunId"])

        def say_once(state: RetryCallState) -> None:
            waiting = (
                f"the quota of Glue DPUs is used up; waiting up to {QUOTA_MINUTES} minutes"
                if _is_quota(state)
                else "another run is going on; waiting for its end"
            )
            if state.attempt_number == 1:
                tell(f"{self.job.name}: {waiting}")

        until_free = Retrying(
            retry=retry_if_exception(_busy),
            wait=wait_fixed(BUSY_SECONDS),
            stop=self._waited_enough,
            before_sleep=say_once,
            reraise=True,
        )
        try:
            return until_free(lambda: _patient()(attempt))
        except (BotoCoreError, ClientError) as error:
            raise self._not_started(error) from error

    def _waited_enough(self, state: RetryCallState) -> bool:
        """Whether to give up waiting for another run's end, or for the account's quota."""
        minutes = QUOTA_MINUTES if _is_quota(state) else self.job.timeout_minutes
        return state.attempt_number > minutes * 60 // BUSY_SECONDS

    def follow(self, run_id: str) -> Iterator[JobRun]:
        """Yield the run at every poll until it has ended.

        Raises:
            PipelineError: Glue can't be polled any more. The run may continue; running the step
                again finds it by its key.
        """
        while True:
            run = self._retried(
                f"{self.job.name} run {run_id} may still be running; run the step again to "
                "continue with it. Polling it",
                lambda: self._job_run(
                    self.glue.get_job_run(JobName=self.job.name, RunId=run_id)["JobRun"]
                ),
            )
            yield run
            if run.ended:
                return
            time.sleep(POLL_SECONDS)

    def stop(self, run_id: str) -> str:
        """Stop a run; returns the outcome as text."""
        try:
            answer = self._retried(
                f"stopping {self.job.name} run {run_id}",
                lambda: self.glue.batch_stop_job_run(JobName=self.job.name, JobRunIds=[run_id]),
            )
        except PipelineError as error:
            return f"it may still be running: {error}"
        for refused in answer.get("Errors", ()):
            detail = refused.get("ErrorDetail", {})
            return f"Glue did not stop it: {detail.get('ErrorMessage', detail)}"
        return "it is being stopped"

    def last_lines(self, run_id: str) -> list[str]:
        """The last lines of the job's log, or why they can't be read."""
        group = self.log_group
        try:
            streams = self.logs.describe_log_streams(
                logGroupName=group, logStreamNamePrefix=run_id
            )["logStreams"]
            names = sorted((stream["logStreamName"] for stream in streams), key=_not_the_drivers)
            if not names:
                return [f"(no log in {group} yet)"]
            events = self.logs.get_log_events(
                logGroupName=group, logStreamName=names[0], limit=100, startFromHead=False
            )["events"]
        except (BotoCoreError, ClientError) as error:
            return [f"(the log in {group} can't be read: {explain(error)})"]
        lines = [line for event in events for line in event["message"].splitlines() if line.strip()]
        return lines[-LOG_LINES:]

    @property
    def log_group(self) -> str:
        """The log group of jobs' output."""
        return f"{self._deployment.storage['log_group']}/output"

    def console_link(self, run_id: str) -> str:
        """The run's page in the Glue console."""
        page = f"https://{self.region}.console.aws.amazon.com/gluestudio/home?region={self.region}"
        return f"{page}#/job/{quote(self.job.name, safe='')}/run/{run_id}"

    def log_link(self, run_id: str) -> str:
        """The run's log streams, driver and executors, in the CloudWatch console."""
        page = f"https://{self.region}.console.aws.amazon.com/cloudwatch/home?region={self.region}"
        group = quote(self.log_group, safe="").replace("%", "$25")
        return f"{page}#logsV2:log-groups/log-group/{group}$3FlogStreamNameFilter$3D{run_id}"

    def _retried(self, doing: str, call: Callable[[], Any]) -> Any:
        try:
            return _patient()(call)
        except (BotoCoreError, ClientError) as error:
            raise failed(doing, error) from error

    def _not_started(self, error: Exception) -> PipelineError:
        kind = Unavailable if _busy(error) or may_be_retried(error) else PipelineError
        if code_of(error) == "EntityNotFoundException":
            reason = "there is no such job: apply Terraform, or set AWS_REGION to where it is"
        elif code_of(error) == QUOTA:
            reason = (
                "the account's quota of Glue DPUs is used up: wait for other jobs, or raise it in "
                "the console of Service Quotas"
            )
        elif _busy(error):
            reason = "other runs did not end in time: look at them in the console"
        else:
            reason = explain(error)
        return kind(f"{self.job.name} in {self.region} was not started: {reason}")

    def _job_run(self, answer: Mapping[str, Any]) -> JobRun:
        prices = deployment().prices
        seconds = int(answer.get("ExecutionTime") or 0)
        dpus = answer.get("MaxCapacity") or (
            answer.get("NumberOfWorkers", self.job.workers)
            * prices.dpus_per_worker[answer.get("WorkerType", self.job.worker_type)]
        )
        billed = max(seconds, prices.minimum_seconds) * dpus if seconds else 0
        return JobRun(
            id=answer["Id"],
            state=answer["JobRunState"],
            arguments=answer.get("Arguments", {}),
            error=answer.get("ErrorMessage", ""),
            seconds=seconds,
            # Glue reports it only with auto scaling, and without the billed minimum.
            dpu_seconds=max(
                answer.get("DPUSeconds") or billed, prices.minimum_seconds * dpus if seconds else 0
            ),
            execution_class=answer.get("ExecutionClass") or self.job.execution_class,
            region=self.region,
        )


def pipes_location(run: JobRun) -> dict[str, Any]:
    """Where a run writes its Pipes messages, from its `--dagster-pipes-messages` argument."""
    from dagster_pipes import decode_param

    return dict(decode_param(run.arguments["--dagster-pipes-messages"]))


def is_closed(s3: Any, location: Mapping[str, Any]) -> bool:
    """Whether the messages there are complete, that is, closed by the job."""
    number = 1
    while True:
        key = f"{location['key_prefix']}/{number}.json"
        try:
            chunk = s3.get_object(Bucket=location["bucket"], Key=key)["Body"].read().decode()
        except ClientError:
            return False
        if any(json.loads(line).get("method") == "closed" for line in chunk.splitlines() if line):
            return True
        number += 1


def _patient() -> Retrying:
    """Retries what may succeed later, after seconds that double, with jitter."""
    return Retrying(
        retry=retry_if_exception(lambda error: not _busy(error) and _may_succeed(error)),
        wait=wait_exponential_jitter(initial=1, max=LONGEST_WAIT_SECONDS),
        stop=stop_after_attempt(TRIES),
        reraise=True,
    )


def _may_succeed(error: BaseException) -> bool:
    return isinstance(error, BotoCoreError | ClientError) and may_be_retried(error)


def _busy(error: BaseException) -> bool:
    return isinstance(error, ClientError) and code_of(error) in (ANOTHER_RUN, QUOTA)


def _is_quota(state: RetryCallState) -> bool:
    """Whether the last attempt failed by the account's quota."""
    error = state.outcome.exception() if state.outcome else None
    return isinstance(error, ClientError) and code_of(error) == QUOTA


def _not_the_drivers(name: str) -> tuple[bool, str]:
    return "driver" not in name and name.count("-") > 0, name
