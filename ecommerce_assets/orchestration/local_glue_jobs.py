"""LocalGlueJobs: the same `main(argv)` as on Glue, on this machine."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event
from typing import TYPE_CHECKING, Any

import dagster as dg

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.jobs.arguments import words
from ecommerce_assets.orchestration.glue_jobs import GlueJobs, JobRequest, Result
from ecommerce_assets.orchestration.pipes_file import WholeLines

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

POLL_SECONDS = 0.2


class LocalGlueJobs(GlueJobs):
    """Glue's stand-in: no account, no server; a job runs in a thread of the run's own process.

    With DuckDB, it also does the work of Glue on an account's tables.

    Attributes:
        engine: what computes rows, `spark` or `duckdb`.
    """

    engine: str = "duckdb"

    def run(self, context: dg.AssetExecutionContext, request: JobRequest) -> Iterator[Result]:
        """Run the job; results come by Pipes over a file."""
        arguments = {
            **self.arguments_for(request),
            "--run-id": context.run_id,
            "--environment": self.environment,
            "--engine": self.engine,
        }
        job_name = request.job_name(self.environment)
        seen = 0
        messages = WholeLines()
        with (
            ThreadPoolExecutor(1, thread_name_prefix=job_name) as pool,
            dg.open_pipes_session(context, dg.PipesTempFileContextInjector(), messages) as session,
        ):
            argv = words({**arguments, **session.get_bootstrap_cli_arguments()})
            stop = Event()
            job = pool.submit(_in_this_process, request.layer, argv, self.engine, stop)
            try:
                while not job.done():
                    wait([job], timeout=POLL_SECONDS)
                    messages.read()
                    results = session.get_reported_results()
                    yield from results[seen:]
                    seen = len(results)
            finally:
                stop.set()  # Of a run that is stopped, only the tables in work are finished.
        yield from session.get_reported_results()[seen:]
        error = job.exception()
        if isinstance(error, PipelineError):
            raise dg.Failure(f"{job_name} failed.\n{error}", allow_retries=False)
        if error is not None:
            raise error

    def maintain(self, context: dg.OpExecutionContext) -> Iterator[tuple[str, dict[str, int]]]:
        """Maintain the tables in this process."""
        from ecommerce_assets.jobs.maintenance import maintain_lakehouse

        try:
            maintained = maintain_lakehouse(
                self.lakehouse,
                environment=self.environment,
                kept_days=self.snapshot_days,
                engine=self.engine,
            )
            for table, done in maintained:
                yield table.identifier, done.metadata()
        except PipelineError as error:
            raise dg.Failure(str(error), allow_retries=False) from error


def _in_this_process(layer: str, argv: list[str], engine: str, stop: Event) -> None:
    from ecommerce_assets.jobs.run import run_layer  # not needed to load the code location

    if engine == "spark":
        from ecommerce_assets.engine.spark_session import start_by

        start_by(_spark_session)
    run_layer(layer, argv, stop)


def _spark_session(config: Mapping[str, Any]) -> "SparkSession":
    from dagster_pyspark import LazyPySparkResource  # loads all of pyspark

    session: SparkSession = LazyPySparkResource(spark_config=dict(config)).spark_session
    return session
