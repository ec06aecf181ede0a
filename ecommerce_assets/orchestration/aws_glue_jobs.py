"""AwsGlueJobs: runs a layer's job on Glue, with results by Pipes over S3."""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import dagster as dg
from botocore.exceptions import BotoCoreError
from dagster_aws.pipes import PipesS3MessageReader
from dagster_pipes import PipesBlobStoreMessageWriter, PipesParams

from ecommerce_assets.aws import release as releases
from ecommerce_assets.aws.clients import Unavailable, bucket_and_prefix, client, explained
from ecommerce_assets.aws.glue_runs import SUCCEEDED, GlueRuns, JobRun, is_closed, pipes_location
from ecommerce_assets.aws.tables import histories_on_aws
from ecommerce_assets.deployment import deployment
from ecommerce_assets.errors import SHOWN_IN_LOG, PipelineError
from ecommerce_assets.jobs.arguments import parse_arguments, words
from ecommerce_assets.jobs.idle import idle_tables
from ecommerce_assets.jobs.reporting import ENDED, open_reporter
from ecommerce_assets.orchestration.glue_jobs import GlueJobs, JobRequest, Result
from ecommerce_assets.orchestration.pipes_file import WholeLines

Context = dg.OpExecutionContext | dg.AssetExecutionContext
RETRIED_BY_DAGSTER = "dagster/retry_number"  # tag of a run that replaces one whose worker was lost
LAST_MESSAGES_SECONDS = 20  # seconds to wait for messages after a job's end


class AwsGlueJobs(GlueJobs):
    """Launches the Glue jobs deployed by Terraform, with the release of the running code.

    Attributes:
        artifacts: `s3://` location of releases and Pipes messages.
    """

    artifacts: str

    def run(self, context: dg.AssetExecutionContext, request: JobRequest) -> Iterator[Result]:
        """Run the job on Glue; yields its results, with their cost, when it has ended.

        Progress is logged meanwhile. A retried step or a restarted worker continues with the job
        run that it had started.
        """
        arguments = self.arguments_for(request)
        if nothing := self._nothing_to_do(context, request, arguments):
            yield from nothing
            return
        session, run, runs = self._to_its_end(context, request.layer, arguments)
        results = session.get_reported_results()
        yield from _with_costs(results, run, runs)
        reported = {
            result.asset_key for result in results if isinstance(result, dg.MaterializeResult)
        }
        missing = [t for t in request.tables if dg.AssetKey([request.layer, t]) not in reported]
        ended = [m[ENDED] for m in session.get_custom_messages() if ENDED in m]
        _must_have_succeeded(run, runs, missing, ended)

    def _nothing_to_do(
        self, context: dg.AssetExecutionContext, request: JobRequest, own: dict[str, str]
    ) -> Sequence[Result]:
        """The results of the tables if none of them has anything to do; empty if a job is needed.

        Read from metadata and the listing of landing, in seconds, where a job costs a minute at
        least. A step that had started a job run before continues with that one.
        """
        try:
            key = _key(context, self._released(request.layer, own))
            if GlueRuns(request.layer, self.environment).find(key):
                return ()
            job = parse_arguments(request.layer, words(own))
            found = histories_on_aws(self.lakehouse, self.environment, job.reads)
            with explained("looking for what changed"):
                idle = idle_tables(job, found)
        except PipelineError as error:
            context.log.info(f"starting the job, since what changed is unknown: {error}")
            return ()
        if any(table.identifier not in idle for table in job.tables):
            return ()
        context.log.info("nothing to do, so no Glue run is started")
        with (
            dg.open_pipes_session(
                context, dg.PipesTempFileContextInjector(), WholeLines()
            ) as session,
            open_reporter(words(session.get_bootstrap_cli_arguments())) as reporter,
        ):
            for result in idle.values():
                reporter.published(result)
        return session.get_reported_results()

    def maintain(self, context: dg.OpExecutionContext) -> Iterator[tuple[str, dict[str, int]]]:
        """Run the maintenance job on Glue."""
        session, run, runs = self._to_its_end(
            context,
            "maintenance",
            {"--lakehouse": self.lakehouse, "--snapshot-days": str(self.snapshot_days)},
        )
        for message in session.get_custom_messages():
            yield from message.items()
        _must_have_succeeded(run, runs, [])

    def _to_its_end(
        self, context: Context, name: str, own: dict[str, str]
    ) -> tuple[dg.PipesSession, JobRun, GlueRuns]:
        try:
            return self._launched(context, name, own)
        except PipelineError as error:
            raise _failure(str(error), retry=isinstance(error, Unavailable)) from error

    def _launched(
        self, context: Context, name: str, own: dict[str, str]
    ) -> tuple[dg.PipesSession, JobRun, GlueRuns]:
        s3 = client("s3")
        releases.must_be_this(releases.this_release(), self.artifacts, name, s3)
        arguments = self._released(name, own)
        runs = GlueRuns(name, self.environment)
        key = _key(context, arguments)
        found = runs.find(key)
        if found and not found.going_on and not _answers(found, context, s3):
            found = None  # the start waits for one that is being stopped
        location = pipes_location(found) if found else self._new_location(context, name)
        # The context is an argument, so Dagster writes nothing that a job's role could read.
        with dg.open_pipes_session(
            context, dg.PipesEnvContextInjector(), _Reader(location, s3)
        ) as session:
            if found:
                run_id, how = found.id, "going on with"
            else:
                own_run = {
                    "--run-id": context.run_id
                }  # not part of the key, which identifies the work
                given = {**arguments, **own_run, **session.get_bootstrap_cli_arguments()}
                run_id, how = runs.start(given, key, context.log.info), "started"
            link = runs.console_link(run_id)
            context.log.info(f"{how} {runs.job.name} run {run_id}: {link}")
            with _stopped_when_interrupted(context, runs, run_id):
                shown = 0
                for state in runs.follow(run_id):
                    run = state
                    shown = _show_progress(context, session, shown)
                _wait_for_last_messages(session)
        return session, run, runs

    def _released(self, name: str, own: dict[str, str]) -> dict[str, str]:
        """The arguments of a job with the release of the running code."""
        return {**own, **releases.this_release().arguments(self.artifacts, name)}

    def _new_location(self, context: Context, job: str) -> PipesParams:
        """A location of this run; below that of the job, whose role sees no other."""
        bucket, prefix = bucket_and_prefix(f"{self.artifacts}/{deployment().storage['pipes']}")
        return {"bucket": bucket, "key_prefix": f"{prefix}/{job}/{context.run_id}/{uuid4().hex}"}


def _must_have_succeeded(
    run: JobRun, runs: GlueRuns, missing: list[str], ended: Sequence[Mapping[str, Any]] = ()
) -> None:
    """Raise the error of a failed job.

    Args:
        missing: tables that it did not report.
        ended: the error that it reported, if it could.

    Raises:
        dagster.Failure: with that error, else with Glue's and the last lines of the log; and links.
    """
    if run.state == SUCCEEDED and not missing:
        return
    if ended and run.state != SUCCEEDED:
        said = ended[-1]
        raise _failure(
            f"{runs.job.name} run {run.id} failed.\n{said['error']}\n{runs.log_link(run.id)}",
            retry=not said["by_user"],
            metadata=_links(run, runs),
        )
    if run.state == SUCCEEDED:
        reason = f"ended well, and did not report {', '.join(missing)}"
    else:
        reason = f"ended as {run.state}" + (f": {run.error}" if run.error else "")
    lines = runs.last_lines(run.id)
    by_user = any(SHOWN_IN_LOG in line for line in [run.error, *lines])
    raise _failure(
        "\n".join([f"{runs.job.name} run {run.id} {reason}", *lines, runs.log_link(run.id)]),
        retry=not by_user,
        metadata=_links(run, runs),
    )


def _answers(ended: JobRun, context: Context, s3: Any) -> bool:
    """Whether a finished job run has done the work of this step, whose worker was lost.

    False for a run that a person has started again, which means doing the work again.
    """
    location = pipes_location(ended)
    runs = [context.run_id]
    if RETRIED_BY_DAGSTER in context.run.tags:
        runs.append(str(context.run.parent_run_id))
    own = any(f"/{run}/" in location["key_prefix"] for run in runs)
    return own and ended.state == SUCCEEDED and is_closed(s3, location)


class _Reader(PipesS3MessageReader):
    """Reads messages from a given location, so that another process can continue reading."""

    def __init__(self, location: PipesParams, s3: Any) -> None:
        super().__init__(interval=0, bucket=location["bucket"], client=s3)
        self.location = location

    @contextmanager
    def get_params(self) -> Iterator[PipesParams]:
        yield {**self.location, PipesBlobStoreMessageWriter.INCLUDE_STDIO_IN_MESSAGES_KEY: False}

    def messages_are_readable(self, params: PipesParams) -> bool:
        return True

    def download_messages_chunk(self, index: int, params: PipesParams) -> str | None:
        try:
            return super().download_messages_chunk(index, params)
        except BotoCoreError:
            return None  # no connection: try again in a second


@contextmanager
def _stopped_when_interrupted(context: Context, runs: GlueRuns, run_id: str) -> Iterator[None]:
    try:
        yield
    except (dg.DagsterExecutionInterruptedError, KeyboardInterrupt):
        context.log.warning(f"interrupted; {runs.job.name} run {run_id}: {runs.stop(run_id)}")
        raise


def _key(context: Context, arguments: Mapping[str, str]) -> str:
    """An idempotency key, the same for retries of a step and re-executions of its run."""
    root = context.run.root_run_id or context.run_id
    step = context.get_step_execution_context().step.key
    text = json.dumps([root, step, sorted(arguments.items())])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _show_progress(context: Context, session: dg.PipesSession, shown: int) -> int:
    results = session.get_reported_results()
    for result in results[shown:]:
        if isinstance(result, dg.MaterializeResult) and result.asset_key:
            rows = _number(result, "dagster/row_count")
            context.log.info(f"{result.asset_key.to_user_string()} published, {rows:,.0f} rows")
    return len(results)


def _with_costs(results: Any, run: JobRun, runs: GlueRuns) -> Iterator[Result]:
    """The results; materializations get the run's cost and the table's share by its time."""
    seconds = {
        result.asset_key: _number(result, "seconds")
        for result in results
        if isinstance(result, dg.MaterializeResult)
    }
    whole = sum(seconds.values())
    for result in results:
        if isinstance(result, dg.MaterializeResult):
            share = seconds[result.asset_key] / whole if whole else 1 / len(seconds)
            costs = {"share_of_run": round(share, 4), "usd_of_table": round(run.usd * share, 6)}
            result = result._replace(
                metadata={**(result.metadata or {}), **_links(run, runs), **costs}
            )
        yield result


def _wait_for_last_messages(session: dg.PipesSession) -> None:
    waited = 0
    while not session.message_handler.received_closed_message and waited < LAST_MESSAGES_SECONDS:
        time.sleep(1)
        waited += 1


def _number(result: dg.MaterializeResult[Any], name: str) -> float:
    value: Any = (result.metadata or {})[name]  # Pipes wraps it
    return float(value.value)


def _links(run: JobRun, runs: GlueRuns) -> dict[str, Any]:
    prices = deployment().prices
    return {
        "glue_job_run": run.id,
        "glue_console": dg.MetadataValue.url(runs.console_link(run.id)),
        "glue_log": dg.MetadataValue.url(runs.log_link(run.id)),
        "glue_seconds": run.seconds,
        "dpu_hours": round(run.dpu_seconds / 3600, 4),
        "usd_of_run": round(run.usd, 6),
        "usd_by": f"list prices of {prices.listed(run.region)}, {prices.as_of}",
    }


def _failure(
    description: str, *, retry: bool = False, metadata: dict[str, Any] | None = None
) -> dg.Failure:
    return dg.Failure(description, metadata=metadata, allow_retries=retry)
