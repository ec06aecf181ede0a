"""Tables that have nothing to do, found without Spark: from snapshot ids and fingerprints alone.

Only what is certain counts. A table with a missing or an unclear record is left to the refresh.
"""

from collections.abc import Mapping
from time import perf_counter

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.intervals import days_in
from ecommerce_assets.jobs.arguments import JobArguments
from ecommerce_assets.jobs.column_lineage import recorded_lineage
from ecommerce_assets.jobs.outcome import Published
from ecommerce_assets.lakehouse.history import History
from ecommerce_assets.landing.layout import INGESTION_DATE
from ecommerce_assets.landing.store import DeliveryChanged
from ecommerce_assets.refresh.landed import NOTHING_NEW, known_fingerprints, new_deliveries
from ecommerce_assets.refresh.upstream import NOTHING_CHANGED
from ecommerce_assets.tables import publish_groups
from ecommerce_assets.tables.audits import Finding
from ecommerce_assets.tables.audits.bronze import every_run
from ecommerce_assets.tables.bronze import source_of
from ecommerce_assets.tables.declaration import Table


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
    own = found.get(table.identifier)
    record = own.record if own else None
    if own is None or record is None or record.code_version != table.code_version:
        return None
    if table.identifier in arguments.damaged:
        return None
    findings: list[Finding] = []
    if table.upstream:
        now = {name: found[name].snapshot_id for name in table.upstream if name in found}
        if record.sources != now:
            return None
    else:
        unread = _nothing_new(table, own, arguments)
        if unread is None or record.other_code is None:
            return None
        if days_in(record.other_code) & set(arguments.days):
            return None  # Read by this code again meanwhile, which the refresh records.
        if record.landing_days != arguments.landing_days:
            return None  # As above.
        findings = every_run(unread, record.other_code)
    rows = own.summarized_rows(INGESTION_DATE, arguments.days)
    lineage = recorded_lineage(table, own)
    if rows is None or lineage is None:
        return None
    return Published(
        table,
        own.rows,
        None,
        NOTHING_CHANGED if table.upstream else NOTHING_NEW,
        rows,
        {},
        findings,
        lineage,
        own.checked_id,
        perf_counter() - started,
    )


def _nothing_new(table: Table, own: History, arguments: JobArguments) -> tuple[str, ...] | None:
    """The ignored paths below landing if nothing new has landed for the dates of the run."""
    version = table.code_version
    if len(known_fingerprints(own, version, arguments.days)) < len(arguments.days):
        return None
    try:
        delivered = new_deliveries(arguments.request, source_of(table), own, version)
    except (DeliveryChanged, PipelineError):
        return None  # The refresh meets it too, and reports it.
    if delivered.fingerprints or (not delivered.has_dates and own.rows):
        return None
    return delivered.unread
