"""The weekly maintenance as a Dagster job; what it did shows on each table's page."""

import dagster as dg

from ecommerce_assets.orchestration.glue_jobs import GlueJobs
from ecommerce_assets.orchestration.metadata import asset_key


@dg.op(name="maintain_tables")
def maintain_tables(context: dg.OpExecutionContext, glue_jobs: dg.ResourceParam[GlueJobs]) -> None:
    """Compact small files, expire old states, remove lost files, table by table."""
    for identifier, done in glue_jobs.maintain(context):
        context.log_event(dg.AssetObservation(asset_key(identifier), metadata=done))


@dg.job(
    name="ecommerce_maintenance",
    description="Compacts small files, expires old states, removes lost files. Changes no row.",
)
def maintenance_job() -> None:
    """One step over all tables."""
    maintain_tables()


def weekly_maintenance() -> dg.ScheduleDefinition:
    """Sundays at 03:00 UTC; switched on in the UI."""
    return dg.ScheduleDefinition(
        name="ecommerce_weekly_maintenance",
        job=maintenance_job,
        cron_schedule="0 3 * * 0",
        description="Maintenance of every table, Sundays at 03:00 UTC.",
    )
