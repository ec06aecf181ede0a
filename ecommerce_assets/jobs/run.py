"""A job run: its tables in dependency order, independent ones side by side in one session."""

import re
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.jobs.arguments import parse_arguments
from ecommerce_assets.jobs.materialize import Published, materialize
from ecommerce_assets.jobs.reporting import Reporter, open_reporter, show_progress
from ecommerce_assets.jobs.shared import Shared
from ecommerce_assets.lakehouse.session import open_session
from ecommerce_assets.lakehouse.tables import fit_shuffles
from ecommerce_assets.tables.declaration import Table

SIDE_BY_SIDE = 4


def run_layer(layer: str, argv: Sequence[str] | None = None) -> None:
    """Materialize the tables that `argv` names, report each as it is published.

    Raises:
        PipelineError: wrong arguments, or tables that failed; the message names every one of them.
    """
    arguments = parse_arguments(layer, argv)
    with open_reporter(arguments.pipes) as reporter:
        spark = open_session(arguments.lakehouse)
        fit_shuffles(spark, {name for table in arguments.tables for name in table.reads})
        shared = Shared()

        def work(table: Table) -> None:
            _report(reporter, table, lambda: materialize(spark, table, arguments, shared))

        try:
            failures = work_through(arguments.tables, work)
        finally:
            shared.release()
    if failures:
        raise PipelineError("\n".join(f"{name}: {reason}" for name, reason in failures.items()))


def run_as_script(layer: str) -> None:
    """`python -m ...`: like `run_layer`, an error for the user without a traceback, exit code 1."""
    show_progress()
    try:
        run_layer(layer)
    except PipelineError as error:
        sys.exit(f"Error: {error}")


def _report(reporter: Reporter, table: Table, make: Callable[[], Published]) -> None:
    try:
        published = make()
    except Exception as error:
        told = _told_by_executor(error)
        reporter.failed(table, told or error)
        if told:
            raise told from None
        raise
    reporter.published(published)


def _told_by_executor(error: Exception) -> PipelineError | None:
    """The `PipelineError` that a Python worker of Spark raised: only its text comes through."""
    if isinstance(error, PipelineError):
        return error
    told = re.search(rf"{PipelineError.__module__}\.{PipelineError.__name__}: (.+)", str(error))
    return PipelineError(told.group(1)) if told else None


def work_through(tables: Sequence[Table], work: Callable[[Table], None]) -> dict[str, str]:
    """Work on tables as soon as those they read are done; returns why by table that failed.

    A table that fails does not stop tables that don't read it; those that do are skipped and
    named as failed because of it. Faults of the code are raised after all else is done.
    """
    waiting = list(tables)
    chosen = {table.identifier for table in tables}
    done: set[str] = set()
    failures: dict[str, str] = {}
    faults: list[Exception] = []
    running: dict[Future[None], Table] = {}
    with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="table") as pool:
        while waiting or running:
            for table in list(waiting):
                needed = [name for name in table.reads if name in chosen]
                failed = [name for name in needed if name in failures]
                if failed:
                    failures[table.identifier] = f"skipped, as {', '.join(failed)} failed"
                    waiting.remove(table)
                elif done.issuperset(needed):
                    running[pool.submit(work, table)] = table
                    waiting.remove(table)
            if not running:
                continue
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                table = running.pop(future)
                error = future.exception()
                if error is None:
                    done.add(table.identifier)
                    continue
                failures[table.identifier] = str(error)
                if isinstance(error, Exception) and not isinstance(error, PipelineError):
                    faults.append(error)
    if faults:
        raise ExceptionGroup(f"failed: {', '.join(failures)}", faults)
    return failures
