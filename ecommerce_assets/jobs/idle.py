"""Tables that have nothing to do, found without Spark: from snapshot ids and fingerprints alone.

Only what is certain counts. A table with a missing or an unclear record is left to the refresh.
"""

from collections.abc import Mapping
from time import perf_counter

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.jobs.arguments import JobArguments
from ecommerce_assets.jobs.outcome import Published, unchanged
from ecommerce_assets.lakehouse.history import History
from ecommerce_assets.landing.store import DeliveryChanged
from ecommerce_assets.model.table import Table
from ecommerce_assets.refresh.decide import note_of
from ecommerce_assets.refresh.inputs import Known
from ecommerce_assets.refresh.planners import planner_of
from ecommerce_assets.tables import publish_groups


def idle_tables(arguments: JobArguments, found: Mapping[str, History]) -> dict[str, Published]:
    """By identifier, the results of those selected tables that have nothing to do.

    A table that reads another one of the run has nothing to do only if that one has nothing to do
    either. Tables that are published together are idle together.

    Args:
        arguments: of the job.
        found: the histories of its tables and of those that they read, as far as these exist.

    Raises:
        PipelineError: what has landed can't be listed.
    """
    if arguments.full_refresh:
        return {}
    idle: dict[str, Published] = {}
    selected = {table.identifier for table in arguments.tables}
    for group in publish_groups(arguments.tables):
        reads = {name for table in group for name in table.reads} & selected
        if reads <= idle.keys() | {table.identifier for table in group}:
            results = [_idle(table, found, arguments) for table in group]
            if all(results):
                idle |= {result.table.identifier: result for result in results if result}
    return idle


def _idle(table: Table, found: Mapping[str, History], arguments: JobArguments) -> Published | None:
    """What to report of the table; None if it may have something to do."""
    started = perf_counter()
    if not found.keys() >= {table.identifier, *table.upstream}:
        return None
    upstream = {name: found[name] for name in table.upstream}
    known = Known(table, found[table.identifier], upstream, arguments.request)
    try:
        decision = planner_of(table).nothing(known)
        if decision is None or note_of(known, decision, arguments.run_id):
            return None
        return unchanged(table, known, decision, started)
    except (DeliveryChanged, PipelineError, OSError):
        return None  # The refresh meets it too, and reports it.
