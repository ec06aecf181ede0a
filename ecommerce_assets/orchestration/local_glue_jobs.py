"""LocalGlueJobs: the same `main(argv)` as on Glue, in this process, in one warm JVM."""

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from importlib import import_module
from typing import Any

import dagster as dg
from dagster_pyspark import LazyPySparkResource

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse.session import local_spark_config
from ecommerce_assets.orchestration.glue_jobs import GlueJobs, JobRequest, Result

MODULES = {
    "bronze": "ecommerce_assets.jobs.bronze_ingestion",
    "silver": "ecommerce_assets.jobs.silver_transformation",
    "gold": "ecommerce_assets.jobs.gold_aggregation",
}
POLL_SECONDS = 0.2


class LocalGlueJobs(GlueJobs):
    """Glue's stand-in on a laptop: no account, no server."""

    def run(self, context: dg.AssetExecutionContext, request: JobRequest) -> Iterator[Result]:
        """Run the job in a thread, its results coming over Pipes by files."""
        arguments = {**self.arguments_for(request), "--run-id": context.run_id}
        seen = 0
        # Dagster 1.13 warns that a part of its own message reader is in preview.
        warnings.filterwarnings("ignore", category=dg.PreviewWarning)
        with (
            ThreadPoolExecutor(1, thread_name_prefix=request.job_name) as pool,
            dg.open_pipes_session(
                context, dg.PipesTempFileContextInjector(), dg.PipesTempFileMessageReader()
            ) as session,
        ):
            argv = [word for pair in arguments.items() for word in pair]
            for name, value in session.get_bootstrap_cli_arguments().items():
                argv += [name, value]
            config = local_spark_config(self.landing, self.lakehouse)
            job = pool.submit(self._main, config, request.layer, argv)
            while not job.done():
                wait([job], timeout=POLL_SECONDS)
                results = session.get_reported_results()
                yield from results[seen:]
                seen = len(results)
        yield from session.get_reported_results()[seen:]
        error = job.exception()
        if isinstance(error, PipelineError):
            raise dg.Failure(f"{request.job_name} failed.\n{error}", allow_retries=False)
        if error is not None:
            raise error

    def maintain(self, context: dg.OpExecutionContext) -> Iterator[tuple[str, dict[str, int]]]:
        """Maintain the tables in this process."""
        from ecommerce_assets.jobs.maintenance import maintain_lakehouse

        self._start(local_spark_config(self.landing, self.lakehouse))
        for table, done in maintain_lakehouse(self.lakehouse, self.landing):
            yield table.identifier, done.metadata()

    @staticmethod
    def _start(config: dict[str, Any]) -> None:
        # The process's first session sets up the JVM; all else then takes what is running.
        _ = LazyPySparkResource(spark_config=config).spark_session

    @staticmethod
    def _main(config: dict[str, Any], layer: str, argv: list[str]) -> None:
        LocalGlueJobs._start(config)
        import_module(MODULES[layer]).main(argv)
