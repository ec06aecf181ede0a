"""A job run: its tables in dependency order, independent ones side by side in one session."""

import re
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from ecommerce_assets.errors import PipelineError, machine_fault, raised_in_worker
from ecommerce_assets.intervals import merged
from ecommerce_assets.jobs.arguments import JobArguments, parse_arguments
from ecommerce_assets.jobs.materialize import Published, TableFailed, materialize
from ecommerce_assets.jobs.reporting import Reporter, open_reporter, show_progress
from ecommerce_assets.lakehouse.session import open_session, why_jvm_ended
from ecommerce_assets.lakehouse.tables import fit_shuffles
from ecommerce_assets.refresh.run_cache import RunCache
from ecommerce_assets.tables.declaration import Table

SIDE_BY_SIDE = 4


def run_layer(layer: str, argv: Sequence[str] | None = None) -> None:
    """Materialize the tables that `argv` names, report each as it is published.

    Raises:
        PipelineError: wrong arguments, or tables that failed; the message names every one of them.
    """
    arguments = parse_arguments(layer, argv)
    with open_reporter(arguments.pipes) as reporter:
        try:
            failures = _work(reporter, arguments)
        except Exception as error:
            if ended := why_jvm_ended():
                raise PipelineError(ended) from error
            if fault := machine_fault(error):
                raise PipelineError(f"{arguments.lakehouse}: {fault}") from error
            raise
    if failures:
        lines = [f"{name}: {reason}" for name, reason in failures.items()]
        raise PipelineError("\n".join(lines) + _the_others(arguments, lines))


def _work(reporter: Reporter, arguments: JobArguments) -> dict[str, str]:
    """Materialize the tables, reporting each; why by table that failed."""
    spark = open_session(arguments.lakehouse, arguments.delivered_bytes())
    fit_shuffles(spark, {name for table in arguments.tables for name in table.reads})
    cache = RunCache()

    def work(tables: Sequence[Table]) -> None:
        _report(reporter, tables, lambda: materialize(spark, tables, arguments, cache))

    try:
        return work_through(publish_groups(arguments.tables), work)
    finally:
        cache.release()


# How a message names a date whose file is to blame.
_BAD_DATE = re.compile(r"ingestion_date=(\d{4}-\d{2}-\d{2})")


def _the_others(arguments: JobArguments, lines: Sequence[str]) -> str:
    """Of a range in which the files of some dates can't be read: the commands that run the others.

    Only bronze has dates that are independent of each other: silver and gold follow from all of
    bronze. It ends the last line: Glue shows the last line of an error as a run's reason.
    """
    if any(table.layer != "bronze" for table in arguments.tables):
        return ""
    bad = {day for line in lines for day in _BAD_DATE.findall(line)}
    good = [day for day in arguments.days if day.isoformat() not in bad]
    if not good or len(good) == len(arguments.days):
        return ""
    commands = [f"ecommerce run --from {days.start} --to {days.last}" for days in merged(good)]
    return f" | To run the dates but {', '.join(sorted(bad))}: {' && '.join(commands)}"


def run_as_script(layer: str) -> None:
    """`python -m ...`: like `run_layer`, an error for the user without a traceback, exit code 1."""
    show_progress()
    try:
        run_layer(layer)
    except PipelineError as error:
        sys.exit(f"Error: {error}")


def publish_groups(tables: Sequence[Table]) -> list[tuple[Table, ...]]:
    """The tables in the groups in which they are published, each in dependency order."""
    groups: dict[str, list[Table]] = {}
    for table in tables:
        groups.setdefault(table.publish_group or table.identifier, []).append(table)
    return [tuple(group) for group in groups.values()]


def _report(
    reporter: Reporter, tables: Sequence[Table], make: Callable[[], list[Published]]
) -> None:
    try:
        made = make()
    except Exception as error:
        culprit, cause = tables[0], error
        if isinstance(error, TableFailed):
            culprit, cause = error.table, error.error
        told = raised_in_worker(cause, PipelineError) or _told_by_machine(cause)
        reporter.failed(culprit, told or cause)
        others = [table for table in tables if table is not culprit]
        for table in others:
            left = f"{table.identifier} is published with {culprit.identifier}, which failed"
            reporter.failed(table, PipelineError(left))
        if told:
            raise (PipelineError(f"{culprit.identifier}: {told}") if others else told) from None
        raise cause from None
    for published in made:
        reporter.published(published)


def _told_by_machine(error: Exception) -> PipelineError | None:
    fault = machine_fault(error)
    return PipelineError(fault) if fault else None


def work_through(
    groups: Sequence[tuple[Table, ...]], work: Callable[[tuple[Table, ...]], None]
) -> dict[str, str]:
    """Work on groups of tables as soon as what they read is done; returns why by table that failed.

    A group that fails does not stop those that don't read it; those that do are skipped and named
    as failed because of it. Faults of the code are raised after all else is done.
    """
    waiting = list(groups)
    chosen = {table.identifier for group in groups for table in group}
    done: set[str] = set()
    failures: dict[str, str] = {}
    faults: list[Exception] = []
    running: dict[Future[None], tuple[Table, ...]] = {}
    with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="table") as pool:
        while waiting or running:
            for group in list(waiting):
                own = {table.identifier for table in group}
                needed = {name for table in group for name in table.reads if name in chosen} - own
                failed = [name for name in sorted(needed) if name in failures]
                if failed:
                    failures |= dict.fromkeys(own, f"skipped, as {', '.join(failed)} failed")
                    waiting.remove(group)
                elif done.issuperset(needed):
                    running[pool.submit(work, group)] = group
                    waiting.remove(group)
            if not running:
                continue
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                group = running.pop(future)
                own = {table.identifier for table in group}
                error = future.exception()
                if error is None:
                    done |= own
                    continue
                if not isinstance(error, Exception):
                    raise error
                failures |= dict.fromkeys(own, str(error))
                if not isinstance(error, PipelineError):
                    faults.append(error)
    if faults:
        raise ExceptionGroup(f"failed: {', '.join(failures)}", faults)
    return failures
