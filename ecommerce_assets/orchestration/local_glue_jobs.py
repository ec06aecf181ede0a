"""LocalGlueJobs: the same `main(argv)` as on Glue, in this process."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
from dagster_pipes import PipesDefaultMessageWriter, PipesParams
from dagster_pyspark import LazyPySparkResource

from ecommerce_assets.deployment import deployment
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.jobs.arguments import parse_arguments
from ecommerce_assets.lakehouse.session import local_spark_config
from ecommerce_assets.orchestration.glue_jobs import GlueJobs, JobRequest, Result

POLL_SECONDS = 0.2


class LocalGlueJobs(GlueJobs):
    """Glue's stand-in on a laptop: no account, no server."""

    def run(self, context: dg.AssetExecutionContext, request: JobRequest) -> Iterator[Result]:
        """Run the job in a thread; results come by Pipes over a file."""
        arguments = {**self.arguments_for(request), "--run-id": context.run_id}
        seen = 0
        messages = WholeLines()
        with (
            ThreadPoolExecutor(1, thread_name_prefix=request.job_name) as pool,
            dg.open_pipes_session(context, dg.PipesTempFileContextInjector(), messages) as session,
        ):
            argv = [word for pair in arguments.items() for word in pair]
            for name, value in session.get_bootstrap_cli_arguments().items():
                argv += [name, value]
            delivered = parse_arguments(request.layer, argv).delivered_bytes()
            config = local_spark_config(delivered, self.lakehouse)
            job = pool.submit(self._main, config, request.layer, argv)
            while not job.done():
                wait([job], timeout=POLL_SECONDS)
                messages.read()
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

        try:
            for table, done in maintain_lakehouse(self.lakehouse):
                yield table.identifier, done.metadata()
        except PipelineError as error:
            raise dg.Failure(str(error), allow_retries=False) from error

    @staticmethod
    def _start(config: dict[str, Any]) -> None:
        # The process's first session configures the JVM.
        _ = LazyPySparkResource(spark_config=config).spark_session

    @staticmethod
    def _main(config: dict[str, Any], layer: str, argv: list[str]) -> None:
        LocalGlueJobs._start(config)
        _job(layer).main(argv)


class WholeLines(dg.PipesMessageReader):
    """Reads a file with one message per line, on demand, in the step's thread.

    Only complete lines are read. Dagster's reader may read, and lose, a line that is still being
    written.
    """

    expected_writer_count = 1  # the public property warns that it is in preview

    @contextmanager
    def read_messages(self, handler: dg.PipesMessageHandler) -> Iterator[PipesParams]:
        """Provide a temporary file for the job's messages."""
        self._handler, self._begun = handler, ""
        with TemporaryDirectory() as folder:
            path = Path(folder) / "messages"
            path.touch()
            with path.open(encoding="utf-8") as self._lines:
                try:
                    yield {PipesDefaultMessageWriter.FILE_PATH_KEY: str(path)}
                finally:
                    self.read()

    def read(self) -> None:
        """Handle the messages written since the last call."""
        while text := self._lines.readline():
            self._begun += text
            if self._begun.endswith("\n"):
                line, self._begun = self._begun, ""
                self._handler.handle_message(json.loads(line))

    def no_messages_debug_text(self) -> str:
        """Shown when no messages arrived."""
        return "The job runs in this process; its messages go through a file in a temporary folder."


def _job(layer: str) -> Any:
    """The module of a layer's job, by the entry script that is deployed."""
    return import_module(f"ecommerce_assets.jobs.{Path(deployment().jobs[layer].script).stem}")
