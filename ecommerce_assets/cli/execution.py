"""Running assets in this process: one Dagster run, with progress on standard error."""

import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import date
from pathlib import Path
from time import time
from typing import Any

import dagster as dg
import psutil
from dagster._core.instance import InstanceRef

from ecommerce_assets.cli.dates import dates_of_run, described
from ecommerce_assets.cli.outcome import outcome, warnings_of
from ecommerce_assets.cli.progress import table_by_table
from ecommerce_assets.definitions import build_definitions
from ecommerce_assets.errors import PipelineError, did_you_mean
from ecommerce_assets.jobs.reporting import show_progress
from ecommerce_assets.orchestration.failures import reason_of
from ecommerce_assets.orchestration.local_runs import end_lost_runs, is_of_this_machine
from ecommerce_assets.orchestration.local_storage import home, why_slow
from ecommerce_assets.orchestration.metadata import asset_key
from ecommerce_assets.orchestration.timeline import show_in_lists
from ecommerce_assets.settings import Settings
from ecommerce_assets.tables import LAYERS, all_tables, table_named

JOB = "ecommerce_daily"
INTERRUPTED = dg.DagsterExecutionInterruptedError.__name__
# Dagster would log hundreds of events; one line per table is enough.
QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}
VERBOSE = {"console": {"config": {"log_level": "DEBUG"}}}


def execute(
    settings: Settings,
    selection: str | None,
    first: date | None,
    last: date | None,
    *,
    full_refresh: bool,
    allow_removal: bool = False,
    allow_empty: bool = False,
    quiet: bool = False,
    verbose: bool = False,
    recorded: bool = True,
    finished: Callable[[list[dict[str, Any]]], None] = lambda tables: None,
) -> None:
    """Materialize the selection for the dates in one run.

    Args:
        selection: tables as `layer.name`, comma-separated, or a Dagster selection; None for all,
            with the dashboard.
        first, last: the ingestion dates; None for all landed dates, or for `first` alone.
        full_refresh: recompute the tables as a whole.
        allow_removal: rows may go whose deliveries are gone, and many at once.
        allow_empty: dates may be run that are before or after all that has landed.
        quiet: print only errors.
        verbose: show Dagster's log of the run.
        recorded: whether the run is in Dagster's history.
        finished: receives the outcome, also of a failed run.

    Raises:
        PipelineError: nothing is selected, a date before the first partition, or a failed run.
    """
    definitions = build_definitions(settings)
    chosen = _chosen(selection, definitions.resolve_asset_graph())
    first, last = dates_of_run(settings, _layers(chosen), first, last, allow_empty=allow_empty)
    if not quiet:
        print(
            f"Starting Dagster: {_described(chosen)}, ingestion dates {described(first, last)}",
            file=sys.stderr,
        )
    # Tables report their checks; if selected, each check would be planned for each date.
    job = definitions.resolve_job_def(JOB).get_subset(
        asset_selection=chosen, asset_check_selection=set()
    )
    with (
        nullcontext() if quiet else table_by_table(len(chosen)),
        _instance() if recorded else dg.DagsterInstance.ephemeral() as instance,
    ):
        for line in end_lost_runs(instance):
            print(line, file=sys.stderr)
        if first != last and not quiet and (advice := why_slow(instance)):
            print(f"Note: {advice}", file=sys.stderr)
        result = job.execute_in_process(
            instance=instance,
            run_config={
                "loggers": VERBOSE if verbose else QUIET,
                "ops": {
                    layer: {
                        "config": {"full_refresh": full_refresh, "allow_removal": allow_removal}
                    }
                    for layer in _layers(chosen)
                },
            },
            tags={
                "dagster/asset_partition_range_start": first.isoformat(),
                "dagster/asset_partition_range_end": last.isoformat(),
            },
            raise_on_error=False,
        )
        if is_of_this_machine(instance) and (run := instance.get_run_by_id(result.run_id)):
            show_in_lists(instance, run, chosen if selection else None)
    done = outcome(result)
    finished(done)
    _must_have_succeeded(result)
    if not quiet:
        for line in warnings_of(done):
            print(line, file=sys.stderr)
        seconds = time() - psutil.Process().create_time()  # the imports, which take some, included
        print(f"Done in {seconds:.1f} s", file=sys.stderr)


def _layers(chosen: set[dg.AssetKey]) -> list[str]:
    return [layer for layer in LAYERS if any(key.path[0] == layer for key in chosen)]


def _described(chosen: set[dg.AssetKey]) -> str:
    tables = len([key for key in chosen if key.path[0] in LAYERS])
    rest = " and the dashboard" if len(chosen) > tables else ""
    return f"{tables} table{'s' if tables != 1 else ''}{rest}"


def execute_maintenance(settings: Settings) -> dict[str, dict[str, Any]]:
    """Run the maintenance job; returns what was done, by table.

    Raises:
        PipelineError: the job failed.
    """
    show_progress()
    job = build_definitions(settings).resolve_job_def("ecommerce_maintenance")
    with _instance() as instance:
        result = job.execute_in_process(
            instance=instance, run_config={"loggers": QUIET}, raise_on_error=False
        )
    _must_have_succeeded(result)
    observed = [
        event.asset_observation_data.asset_observation
        for event in result.all_events
        if event.event_type == dg.DagsterEventType.ASSET_OBSERVATION
    ]
    return {
        ".".join(seen.asset_key.path): {name: value.value for name, value in seen.metadata.items()}
        for seen in observed
    }


@contextmanager
def _instance() -> Iterator[dg.DagsterInstance]:
    """The instance that records the run, so that Dagster's UI shows it.

    DAGSTER_HOME, else the dagster.yaml of this folder (see `home`), else an ephemeral one.
    """
    if os.environ.get("DAGSTER_HOME"):
        with dg.DagsterInstance.get() as instance:
            yield instance
    elif Path("dagster.yaml").is_file():
        folder = Path.cwd() / home()
        folder.mkdir(exist_ok=True)
        reference = InstanceRef.from_dir(str(folder), config_dir=str(Path.cwd()))
        with dg.DagsterInstance.from_ref(reference) as instance:
            yield instance
    else:
        with dg.DagsterInstance.ephemeral() as instance:
            yield instance


def _must_have_succeeded(result: dg.ExecuteInProcessResult) -> None:
    """Raise the errors of a failed run.

    Raises:
        PipelineError: with the steps' reasons.
        KeyboardInterrupt: the user interrupted it.
    """
    if result.success:
        return
    errors = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    if any(error and error.cls_name == INTERRUPTED for error in errors):
        raise KeyboardInterrupt
    reasons = [reason_of(event) for event in result.all_events if event.is_step_failure]
    raise PipelineError("\n".join(["the run failed.", *reasons]))


def _chosen(selection: str | None, graph: Any) -> set[dg.AssetKey]:
    if selection is None:
        return set(graph.materializable_asset_keys)
    names = [name.strip() for name in selection.split(",")]
    if all(re.fullmatch(r"\w+(\.\w+)?", name) for name in names):
        return {asset_key(table_named(name).identifier) for name in names}
    try:
        with warnings.catch_warnings():
            # Dagster warns of a beta parameter that it passes itself.
            warnings.simplefilter("ignore", dg.BetaWarning)
            chosen = dg.AssetSelection.from_string(selection).resolve(graph)
    except dg.DagsterError as error:
        raise PipelineError(
            f"--select {selection!r} is neither a list of tables, separated by commas, "
            f"nor a Dagster selection.{did_you_mean(selection, all_tables())}"
        ) from error
    chosen &= graph.materializable_asset_keys
    if not chosen:
        there = ", ".join(sorted(all_tables()))
        raise PipelineError(f"--select {selection!r} selects no table; there are {there}")
    return set(chosen)
