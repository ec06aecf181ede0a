"""AwsGlueJobs: a layer's job as a run of its Glue job, results coming by Pipes over S3."""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import dagster as dg
from botocore.exceptions import BotoCoreError
from dagster_aws.pipes import PipesS3MessageReader
from dagster_pipes import PipesBlobStoreMessageWriter, PipesContextData, PipesParams

from ecommerce_assets.aws import release as releases
from ecommerce_assets.aws.clients import bucket_and_prefix, client, explained
from ecommerce_assets.aws.glue_runs import SUCCEEDED, GlueRuns, JobRun, is_closed, pipes_place
from ecommerce_assets.deployment import deployment
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.orchestration.glue_jobs import GlueJobs, JobRequest, Result

Context = dg.OpExecutionContext | dg.AssetExecutionContext
LAST_MESSAGES_SECONDS = 20  # after a job's end; its messages may come late
TOLD_BY_JOB = "Error: "  # what the user can mend, as the entry scripts print it


class AwsGlueJobs(GlueJobs):
    """Launches the Glue jobs that Terraform deploys, with the release of the code running here.

    Attributes:
        artifacts: `s3://` location of releases and Pipes messages.
    """

    artifacts: str

    def run(self, context: dg.AssetExecutionContext, request: JobRequest) -> Iterator[Result]:
        """Run the job on Glue, yielding its results, with what they cost, once it has ended.

        While it runs, what it logs goes to the run's log. A retried step or a restarted worker
        goes on with the job run that it had started.
        """
        arguments = self.arguments_for(request)
        session, run, runs = self._to_its_end(context, request.layer, arguments)
        results = session.get_reported_results()
        yield from _with_costs(results, run, runs)
        reported = {
            result.asset_key for result in results if isinstance(result, dg.MaterializeResult)
        }
        missing = [t for t in request.tables if dg.AssetKey([request.layer, t]) not in reported]
        _must_have_succeeded(run, runs, missing)

    def maintain(self, context: dg.OpExecutionContext) -> Iterator[tuple[str, dict[str, int]]]:
        """Run the maintenance job on Glue."""
        session, run, runs = self._to_its_end(
            context, "maintenance", {"--lakehouse": self.lakehouse}
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
            raise _failure(str(error), retry=True) from error

    def _launched(
        self, context: Context, name: str, own: dict[str, str]
    ) -> tuple[dg.PipesSession, JobRun, GlueRuns]:
        release = releases.this_release()
        s3 = client("s3")
        if not releases.is_published(release, self.artifacts, s3):
            raise PipelineError(
                f"release {release.id}, the code that runs here, is not in {self.artifacts}: "
                "run `ecommerce package --publish`"
            )
        arguments = {**own, **release.arguments(self.artifacts, name)}
        runs = GlueRuns(deployment().jobs[name])
        key = _key(context, arguments)
        found = runs.find(key)
        if found and not found.going_on and not _answers(found, context, s3):
            found = None  # one that is being stopped is waited for by the start
        place = pipes_place(found) if found else self._new_place(context)
        with dg.open_pipes_session(context, _Injector(place, s3), _Reader(place, s3)) as session:
            if found:
                run_id, how = found.id, "going on with"
            else:
                own_run = {"--run-id": context.run_id}  # no part of the key, which is the work's
                given = {**arguments, **own_run, **session.get_bootstrap_cli_arguments()}
                run_id, how = runs.start(given, key, context.log.info), "started"
            link = runs.console_link(run_id)
            context.log.info(f"{how} {runs.job.name} run {run_id}: {link}")
            with _stopped_when_interrupted(context, runs, run_id):
                told = 0
                for state in runs.follow(run_id):
                    run = state
                    told = _tell_progress(context, session, told)
                _wait_for_last_messages(session)
        return session, run, runs

    def _new_place(self, context: Context) -> PipesParams:
        bucket, prefix = bucket_and_prefix(f"{self.artifacts}/{deployment().storage['pipes']}")
        return {"bucket": bucket, "key_prefix": f"{prefix}/{context.run_id}/{uuid4().hex}"}


def _must_have_succeeded(run: JobRun, runs: GlueRuns, missing: list[str]) -> None:
    """Fail as the job failed.

    Raises:
        dagster.Failure: with the job's own last lines, and the links.
    """
    if run.state == SUCCEEDED and not missing:
        return
    if run.state == SUCCEEDED:
        reason = f"ended well, and did not report {', '.join(missing)}"
    else:
        reason = f"ended as {run.state}" + (f": {run.error}" if run.error else "")
    lines = runs.last_lines(run.id)
    by_user = any(TOLD_BY_JOB in line for line in [run.error, *lines])
    raise _failure(
        "\n".join([f"{runs.job.name} run {run.id} {reason}", *lines, runs.log_link(run.id)]),
        retry=not by_user,
        metadata=_links(run, runs),
    )


def _answers(ended: JobRun, context: Context, s3: Any) -> bool:
    """Whether a job run that has ended has done the work of this step: its worker was lost.

    Not so where the Dagster run is another one: who runs a step again wants it done again.
    """
    place = pipes_place(ended)
    own = f"/{context.run_id}/" in place["key_prefix"]
    return own and ended.state == SUCCEEDED and is_closed(s3, place)


class _Reader(PipesS3MessageReader):
    """Reads the messages of a place that is known beforehand, so that another process can go on."""

    def __init__(self, place: PipesParams, s3: Any) -> None:
        super().__init__(interval=0, bucket=place["bucket"], client=s3)
        self.place = place

    @contextmanager
    def get_params(self) -> Iterator[PipesParams]:
        yield {**self.place, PipesBlobStoreMessageWriter.INCLUDE_STDIO_IN_MESSAGES_KEY: False}

    def messages_are_readable(self, params: PipesParams) -> bool:
        return True

    def download_messages_chunk(self, index: int, params: PipesParams) -> str | None:
        try:
            return super().download_messages_chunk(index, params)
        except BotoCoreError:
            return None  # no connection: the next try is a second away


class _Injector(dg.PipesContextInjector):
    """Puts the context where the messages go; a lifecycle rule removes both."""

    def __init__(self, place: PipesParams, s3: Any) -> None:
        self.place, self.s3 = place, s3

    @contextmanager
    def inject_context(self, context: PipesContextData) -> Iterator[PipesParams]:
        bucket, key = self.place["bucket"], f"{self.place['key_prefix']}/context.json"
        with explained(f"writing to s3://{bucket}"):
            self.s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(context).encode())
        yield {"bucket": bucket, "key": key}

    def no_messages_debug_text(self) -> str:
        return f"The job's messages go to s3://{self.place['bucket']}/{self.place['key_prefix']}."


@contextmanager
def _stopped_when_interrupted(context: Context, runs: GlueRuns, run_id: str) -> Iterator[None]:
    try:
        yield
    except (dg.DagsterExecutionInterruptedError, KeyboardInterrupt):
        context.log.warning(f"interrupted; {runs.job.name} run {run_id}: {runs.stop(run_id)}")
        raise


def _key(context: Context, arguments: Mapping[str, str]) -> str:
    """The same for a step's retries and for re-executions of its run, and for nothing else."""
    root = context.run.root_run_id or context.run_id
    step = context.get_step_execution_context().step.key
    text = json.dumps([root, step, sorted(arguments.items())])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _tell_progress(context: Context, session: dg.PipesSession, told: int) -> int:
    results = session.get_reported_results()
    for result in results[told:]:
        if isinstance(result, dg.MaterializeResult) and result.asset_key:
            rows = _number(result, "dagster/row_count")
            context.log.info(f"{result.asset_key.to_user_string()} published, {rows:,.0f} rows")
    return len(results)


def _with_costs(results: Any, run: JobRun, runs: GlueRuns) -> Iterator[Result]:
    """The results, materializations with what the run cost and the table's share by its time."""
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


def _number(result: dg.MaterializeResult, name: str) -> float:
    value: Any = (result.metadata or {})[name]  # Pipes wraps it
    return float(value.value)


def _links(run: JobRun, runs: GlueRuns) -> dict[str, Any]:
    return {
        "glue_job_run": run.id,
        "glue_console": dg.MetadataValue.url(runs.console_link(run.id)),
        "glue_log": dg.MetadataValue.url(runs.log_link(run.id)),
        "glue_seconds": run.seconds,
        "dpu_hours": round(run.dpu_seconds / 3600, 4),
        "usd_of_run": round(run.usd, 6),
    }


def _failure(
    description: str, *, retry: bool = False, metadata: dict[str, Any] | None = None
) -> dg.Failure:
    return dg.Failure(description, metadata=metadata, allow_retries=retry)
