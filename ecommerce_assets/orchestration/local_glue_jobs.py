"""LocalGlueJobs: the same `main(argv)` as on Glue, on this machine."""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from multiprocessing import parent_process
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster_pyspark import LazyPySparkResource

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.jobs.arguments import parse_arguments, words
from ecommerce_assets.jobs.reporting import log_progress
from ecommerce_assets.lakehouse.session import size_of, start_by
from ecommerce_assets.orchestration.glue_jobs import GlueJobs, JobRequest, Result
from ecommerce_assets.orchestration.pipes_file import WholeLines
from ecommerce_assets.warm_worker.client import WarmJob, WorkerDied, start_job

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

POLL_SECONDS = 0.2


class LocalGlueJobs(GlueJobs):
    """Glue's stand-in on a laptop: no account, no server.

    A run that a server of Dagster launched hands its jobs to that server's warm worker, which it
    starts if necessary. Any other run uses a warm worker only if there is one. Without a worker,
    or beside a busy one, a job runs in a thread of the run's own process.

    Attributes:
        warm_worker: seconds that an idle worker waits for another job; 0 for no worker.
    """

    warm_worker: int = 0

    def run(self, context: dg.AssetExecutionContext, request: JobRequest) -> Iterator[Result]:
        """Run the job; results come by Pipes over a file."""
        arguments = {**self.arguments_for(request), "--run-id": context.run_id}
        job_name = request.job_name(self.environment)
        seen = 0
        messages = WholeLines()
        with (
            ThreadPoolExecutor(1, thread_name_prefix=job_name) as pool,
            dg.open_pipes_session(context, dg.PipesTempFileContextInjector(), messages) as session,
        ):
            argv = words({**arguments, **session.get_bootstrap_cli_arguments()})
            delivered = parse_arguments(request.layer, argv).delivered_bytes()
            warm = self._handed_over(request.layer, argv, delivered)
            if warm:
                job = pool.submit(warm.follow, log_progress)
            else:
                job = pool.submit(_in_this_process, request.layer, argv)
            try:
                while not job.done():
                    wait([job], timeout=POLL_SECONDS)
                    messages.read()
                    results = session.get_reported_results()
                    yield from results[seen:]
                    seen = len(results)
            finally:
                if warm:
                    warm.close()
        yield from session.get_reported_results()[seen:]
        error = job.exception()
        if isinstance(error, WorkerDied):
            raise dg.Failure(f"{job_name} failed.\n{error}")
        if isinstance(error, PipelineError):
            raise dg.Failure(f"{job_name} failed.\n{error}", allow_retries=False)
        if error is not None:
            raise error

    def maintain(self, context: dg.OpExecutionContext) -> Iterator[tuple[str, dict[str, int]]]:
        """Maintain the tables in this process."""
        from ecommerce_assets.jobs.maintenance import maintain_lakehouse

        try:
            for table, done in maintain_lakehouse(self.lakehouse, kept_days=self.snapshot_days):
                yield table.identifier, done.metadata()
        except PipelineError as error:
            raise dg.Failure(str(error), allow_retries=False) from error

    def _handed_over(self, layer: str, argv: list[str], delivered: int) -> WarmJob | None:
        """The job in the warm worker; None if it has to run in this process."""
        if not self.warm_worker:
            return None
        return start_job(
            layer,
            argv,
            size=size_of(delivered, self.lakehouse),
            owner=os.getppid() if parent_process() else None,
            idle_seconds=self.warm_worker,
        )


def _in_this_process(layer: str, argv: list[str]) -> None:
    from ecommerce_assets.jobs.run import run_layer  # not needed to load the code location

    start_by(_spark_session)
    run_layer(layer, argv)


def _spark_session(config: Mapping[str, Any]) -> "SparkSession":
    session: SparkSession = LazyPySparkResource(spark_config=dict(config)).spark_session
    return session
