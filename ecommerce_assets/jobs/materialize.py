"""Bring tables that are published together up to date: write, audit, publish."""

from collections.abc import Sequence

from ecommerce_assets.engine.relation import Engine
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.jobs.arguments import JobArguments
from ecommerce_assets.jobs.outcome import Published
from ecommerce_assets.jobs.publish_group import PublishGroup
from ecommerce_assets.lakehouse.catalog import Lakehouse
from ecommerce_assets.lakehouse.staging import PublishConflict
from ecommerce_assets.lakehouse.tables import create_table
from ecommerce_assets.landing.store import DeliveryChanged
from ecommerce_assets.model.table import Table
from ecommerce_assets.refresh.run_cache import RunCache

ATTEMPTS = 10


def materialize(
    engine: Engine,
    lakehouse: Lakehouse,
    tables: Sequence[Table],
    arguments: JobArguments,
    cache: RunCache,
) -> list[Published]:
    """Write, audit and publish the tables of a publish group, given in dependency order.

    Starts again when another run publishes first, or when landed files change while they are read.

    Raises:
        TableFailed: one of them failed; nothing was published.
        PipelineError: that happened `ATTEMPTS` times.
    """
    for table in tables:
        create_table(
            lakehouse,
            table.identifier,
            table.kinds,
            table.partitioned_by,
            table.description,
            table.comments,
            clustered=table.refreshed_by_partition,
        )
    for _ in range(ATTEMPTS):
        try:
            with PublishGroup(engine, lakehouse, tables, arguments, cache) as group:
                group.write()
                group.audit()
                return group.publish()
        except PublishConflict:
            why = f"other runs published first, {ATTEMPTS} times in a row"
        except DeliveryChanged as error:
            why = f"landed files changed while they were read, {ATTEMPTS} times: {error}"
    names = ", ".join(table.identifier for table in tables)
    raise PipelineError(f"{names}: {why}. Run it again later")
