"""A job run: its tables in dependency order, independent ones concurrently in one session."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Event

from ecommerce_assets.errors import PipelineError, machine_fault, raised_in_worker
from ecommerce_assets.intervals import merged
from ecommerce_assets.jobs.arguments import JobArguments, parse_arguments
from ecommerce_assets.jobs.engines import open_engine, why_engine_ended
from ecommerce_assets.jobs.idle import idle_tables
from ecommerce_assets.jobs.materialize import materialize
from ecommerce_assets.jobs.outcome import Published, TableFailed
from ecommerce_assets.jobs.reporting import Reporter, open_reporter
from ecommerce_assets.jobs.side_by_side import Skipped, in_order
from ecommerce_assets.lakehouse.catalog import open_lakehouse
from ecommerce_assets.lakehouse.data_files import DataFile, damaged, described
from ecommerce_assets.lakehouse.history import History, existing, histories
from ecommerce_assets.lakehouse.local_catalog import checkpoint, metadata_files
from ecommerce_assets.model.table import Table
from ecommerce_assets.refresh.run_cache import RunCache
from ecommerce_assets.shop import current_shop
from ecommerce_assets.tables import publish_groups

SIDE_BY_SIDE = 4


def run_layer(layer: str, argv: Sequence[str], stop: Event | None = None) -> None:
    """The job of a layer: materialize tables, and report each as soon as it is published.

    Args:
        layer: bronze, silver or gold.
        argv: `--tables a,b --from D --to D` and more, see `parse_arguments`.
        stop: once it is set, no further table is begun.

    Raises:
        PipelineError: wrong arguments, or failed tables, all of them named in the message.
    """
    arguments = parse_arguments(layer, argv)
    with open_reporter(arguments.pipes) as reporter:
        try:
            _run(reporter, arguments, stop or Event())
        except Exception as error:
            reporter.ended(error)
            raise


def _run(reporter: Reporter, arguments: JobArguments, stop: Event) -> None:
    """Materialize and report the tables.

    Raises:
        PipelineError: tables failed, or the machine did.
    """
    try:
        failures = _work(reporter, arguments, stop)
    except Exception as error:
        if ended := why_engine_ended(arguments.engine):
            raise PipelineError(ended) from error
        if fault := machine_fault(error):
            raise PipelineError(f"{arguments.lakehouse}: {fault}") from error
        raise
    if failures:
        lines = [
            reason if reason.startswith((f"{name} ", f"{name}:")) else f"{name}: {reason}"
            for name, reason in failures.items()
        ]
        raise PipelineError("\n".join(lines) + _the_others(arguments, lines))


def _work(reporter: Reporter, arguments: JobArguments, stop: Event) -> dict[str, str]:
    """Materialize and report the tables; returns the reason for each one that failed.

    An engine is opened only if a table may have something to do.
    """
    arguments = replace(arguments, damaged=_damaged(arguments))
    idle = idle_tables(arguments, _histories(arguments))
    for result in idle.values():
        reporter.published(result)
    tables = [table for table in arguments.tables if table.identifier not in idle]
    if not tables:
        return {}
    from ecommerce_assets.engine.duck import must_know_zones  # loads DuckDB

    must_know_zones(current_shop().zones)
    lakehouse = open_lakehouse(arguments.lakehouse, arguments.environment)
    of_bronze = any(not table.upstream for table in tables)
    with open_engine(
        arguments.engine,
        lakehouse,
        {name for table in tables for name in table.reads},
        arguments.delivered_bytes() if of_bronze else 0,
    ) as engine:
        cache = RunCache()

        def published(tables: Sequence[Table]) -> list[Published]:
            if stop.is_set():
                raise PipelineError("the run was stopped before this table began")
            _must_be_readable(tables, arguments)
            return materialize(engine, lakehouse, tables, arguments, cache)

        def work(tables: Sequence[Table]) -> None:
            _report(reporter, tables, lambda: published(tables))

        try:
            return work_through(publish_groups(tables), work)
        finally:
            cache.release()
            if "://" not in arguments.lakehouse:
                checkpoint(arguments.lakehouse)


def _histories(arguments: JobArguments) -> dict[str, History]:
    """The histories of the tables as far as they exist.

    On Glue there are none here: who started the job has looked at them, see `AwsGlueJobs`.
    """
    if "://" not in arguments.lakehouse:
        return histories(arguments.lakehouse, arguments.reads)
    if arguments.engine == "spark":
        return {}
    lakehouse = open_lakehouse(arguments.lakehouse, arguments.environment)
    return existing(lakehouse, arguments.reads)


def _damaged(arguments: JobArguments) -> dict[str, list[DataFile]]:
    """By table of the job, or that it reads, the data files that are lost.

    On AWS, where each look costs a request, maintenance finds them.
    """
    if "://" in arguments.lakehouse:
        return {}
    return damaged(metadata_files(arguments.lakehouse), arguments.reads)


def _must_be_readable(tables: Sequence[Table], arguments: JobArguments) -> None:
    """Check the tables that others read and this job does not mend.

    Raises:
        PipelineError: one has lost files.
    """
    own = {table.identifier for table in arguments.tables}
    for name in sorted({name for table in tables for name in table.reads} - own):
        if bad := arguments.damaged.get(name):
            raise PipelineError(
                f"{described(bad)}: `ecommerce run --select {name}` mends it; then run this again"
            )


# How error messages name the date of a bad file.
_BAD_DATE = re.compile(r"ingestion_date=(\d{4}-\d{2}-\d{2})")


def _the_others(arguments: JobArguments, lines: Sequence[str]) -> str:
    """If files of some dates can't be read: the commands that run the other dates.

    For bronze only, whose dates are independent of each other. Appended to the last line, since
    Glue shows the last line of an error as the reason of a failed run.
    """
    if any(table.layer != "bronze" for table in arguments.tables):
        return ""
    bad = {day for line in lines for day in _BAD_DATE.findall(line)}
    good = [day for day in arguments.days if day.isoformat() not in bad]
    if not good or len(good) == len(arguments.days):
        return ""
    commands = [f"ecommerce run --from {days.start} --to {days.last}" for days in merged(good)]
    return f" | To run the dates but {', '.join(sorted(bad))}: {' && '.join(commands)}"


def _report(
    reporter: Reporter, tables: Sequence[Table], work: Callable[[], list[Published]]
) -> None:
    try:
        published = work()
    except Exception as error:
        culprit, cause = tables[0], error
        if isinstance(error, TableFailed):
            culprit, cause = error.table, error.error
        reason = raised_in_worker(cause, PipelineError) or _fault_of_machine(cause)
        reporter.failed(culprit, reason or cause)
        others = [table for table in tables if table is not culprit]
        for table in others:
            left = f"{table.identifier} is published with {culprit.identifier}, which failed"
            reporter.failed(table, PipelineError(left))
        if reason:
            raise (PipelineError(f"{culprit.identifier}: {reason}") if others else reason) from None
        raise cause from None
    for one in published:
        reporter.published(one)


def _fault_of_machine(error: Exception) -> PipelineError | None:
    fault = machine_fault(error)
    return PipelineError(fault) if fault else None


def work_through(
    groups: Sequence[tuple[Table, ...]], work: Callable[[tuple[Table, ...]], None]
) -> dict[str, str]:
    """Process publish groups as soon as their upstream tables are done; returns the reason for each
    table that failed.

    A failed group does not stop groups that don't read it; those that do are skipped, with that as
    their reason. Unexpected exceptions are raised after everything else is done.

    Raises:
        ExceptionGroup: the unexpected exceptions.
    """
    by_name = {group[0].identifier: group for group in groups}
    group_of = {table.identifier: name for name, group in by_name.items() for table in group}
    needs = {
        name: {group_of[read] for table in group for read in table.reads if read in group_of}
        - {name}
        for name, group in by_name.items()
    }
    failures: dict[str, str] = {}
    failed = in_order(needs, lambda name: work(by_name[name]), SIDE_BY_SIDE, "table")
    for name, error in failed.items():
        why = str(error)
        if isinstance(error, Skipped):
            read = {read for table in by_name[name] for read in table.reads} & failures.keys()
            why = f"skipped, as {', '.join(sorted(read))} failed"
        failures |= {table.identifier: why for table in by_name[name]}
    faults = [e for e in failed.values() if not isinstance(e, PipelineError | Skipped)]
    if faults:
        raise ExceptionGroup(f"failed: {', '.join(failures)}", faults)
    return failures
