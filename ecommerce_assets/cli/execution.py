"""Running assets in this process: one Dagster run, its progress on standard error."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import dagster as dg
from dagster._core.instance import InstanceRef

from ecommerce_assets.definitions import build_definitions
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.jobs.reporting import show_progress
from ecommerce_assets.landing.files import landed_dates
from ecommerce_assets.settings import Settings
from ecommerce_assets.tables import LAYERS, all_tables, tables_of

# Dagster would log each of a run's hundreds of events; a line a table is enough.
QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}


def landed_range(settings: Settings) -> tuple[date, date]:
    """The first and the last ingestion date that has landed for any table.

    Raises:
        PipelineError: nothing has landed, a folder's name is no date, or S3 can't be read.
    """
    with _explained(settings):
        dates = {
            day
            for table in tables_of("bronze")
            for day in landed_dates(settings.landing, table.name)
        }
    if not dates:
        raise PipelineError(
            f"nothing has landed in {settings.landing}: see `ecommerce land --help`"
        )
    return min(dates), max(dates)


def _explained(settings: Settings) -> AbstractContextManager[None]:
    if not settings.on_aws:
        return nullcontext()
    # boto3 is loaded on AWS only.
    from ecommerce_assets.aws.clients import explained

    return explained(f"looking at {settings.landing}")


def execute(
    settings: Settings,
    selection: str | None,
    first: date | None,
    last: date | None,
    *,
    full_refresh: bool,
) -> None:
    """Materialize the selection for the dates in one run.

    Args:
        selection: tables as `layer.name`, comma-separated, or a Dagster selection; None is all,
            with the dashboard.
        first, last: the ingestion dates; None is all that landed, or `first` alone.
        full_refresh: make the tables anew.

    Raises:
        PipelineError: nothing is selected, a date before the first partition, or a failed run.
    """
    definitions = build_definitions(settings)
    graph = definitions.resolve_asset_graph()
    chosen = _chosen(selection, graph)
    if first is None:
        first, last = landed_range(settings)
    last = last or first
    if first < settings.start_date:
        raise PipelineError(
            f"{first} is before the first partition {settings.start_date}: set "
            "ECOMMERCE_START_DATE to an earlier date"
        )
    span = f"{first}" if first == last else f"{first} to {last}"
    tables = len([key for key in chosen if key.path[0] in LAYERS])
    rest = " and the dashboard" if len(chosen) > tables else ""
    print(f"{tables} tables{rest}, ingestion dates {span}", file=sys.stderr, flush=True)
    started = monotonic()
    show_progress()
    job = definitions.resolve_implicit_global_asset_job_def()
    with _instance() as instance:
        result = job.execute_in_process(
            instance=instance,
            asset_selection=sorted(chosen),
            run_config={
                "loggers": QUIET,
                "ops": {
                    layer: {"config": {"full_refresh": full_refresh}}
                    for layer in LAYERS
                    if any(key.path[0] == layer for key in chosen)
                },
            },
            tags={
                "dagster/asset_partition_range_start": first.isoformat(),
                "dagster/asset_partition_range_end": last.isoformat(),
            },
            raise_on_error=False,
        )
    if not result.success:
        raise PipelineError("the run failed.\n" + "\n".join(_reasons(result)))
    print(f"Done in {monotonic() - started:.1f} s", file=sys.stderr)


def execute_maintenance(settings: Settings) -> dict[str, dict[str, Any]]:
    """Run the maintenance job; what was done, by table.

    Raises:
        PipelineError: the job failed.
    """
    show_progress()
    job = build_definitions(settings).resolve_job_def("ecommerce_maintenance")
    with _instance() as instance:
        result = job.execute_in_process(
            instance=instance, run_config={"loggers": QUIET}, raise_on_error=False
        )
    if not result.success:
        raise PipelineError("the run failed.\n" + "\n".join(_reasons(result)))
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
    """Where the run is recorded: as for Dagster's own commands, so that its UI shows it.

    DAGSTER_HOME, else what the dagster.yaml of this folder says, else nowhere.
    """
    if os.environ.get("DAGSTER_HOME"):
        with dg.DagsterInstance.get() as instance:
            yield instance
    elif Path("dagster.yaml").is_file():
        with TemporaryDirectory() as logs:
            reference = InstanceRef.from_dir(logs, config_dir=str(Path.cwd()))
            with dg.DagsterInstance.from_ref(reference) as instance:
                yield instance
    else:
        with dg.DagsterInstance.ephemeral() as instance:
            yield instance


def _reasons(result: dg.ExecuteInProcessResult) -> list[str]:
    reasons = []
    for event in result.all_events:
        if event.is_step_failure:
            failure = event.step_failure_data
            told = failure.user_failure_data and failure.user_failure_data.description
            reasons.append(told or str(failure.error and failure.error.to_string()))
    return reasons


def _chosen(selection: str | None, graph: Any) -> set[dg.AssetKey]:
    if selection is None:
        return set(graph.materializable_asset_keys)
    names = [name.strip() for name in selection.split(",")]
    if all(name in all_tables() for name in names):
        return {dg.AssetKey(name.split(".")) for name in names}
    try:
        with warnings.catch_warnings():
            # Dagster itself passes a parameter that it warns of as beta.
            warnings.simplefilter("ignore", dg.BetaWarning)
            chosen = dg.AssetSelection.from_string(selection).resolve(graph)
    except dg.DagsterError as error:
        raise PipelineError(
            f"--select {selection!r} names no table and is no Dagster selection; "
            f"there are {_names()}"
        ) from error
    chosen &= graph.materializable_asset_keys
    if not chosen:
        raise PipelineError(f"--select {selection!r} selects no table; there are {_names()}")
    return set(chosen)


def _names() -> str:
    return ", ".join(all_tables())
