"""The weekly maintenance as a Dagster job; results appear on each table's page."""

from datetime import timedelta
from time import time

import dagster as dg

from ecommerce_assets.orchestration.glue_jobs import GlueJobs
from ecommerce_assets.orchestration.metadata import asset_key

LOG_DAYS = 90  # as long as dagster.yaml keeps ticks


@dg.op(name="maintain_tables")
def maintain_tables(context: dg.OpExecutionContext, glue_jobs: dg.ResourceParam[GlueJobs]) -> None:
    """Compact small files, expire old snapshots, remove lost files, table by table."""
    for identifier, done in glue_jobs.maintain(context):
        context.log_event(dg.AssetObservation(asset_key(identifier), metadata=done))
    _forget_old_logs(context)


def _forget_old_logs(context: dg.OpExecutionContext) -> None:
    """Local only: remove event logs and outputs of old runs; the assets' history stays."""
    forget = getattr(context.instance.event_log_storage, "forget_logs_of_runs", None)
    if forget is None:  # Dagster's own storage, of a laptop or of a server
        return
    runs = forget(before=time() - timedelta(days=LOG_DAYS).total_seconds())
    for run in runs:
        context.instance.compute_log_manager.delete_logs(prefix=[run])
    context.log.info(f"removed the logs of {len(runs):,} runs older than {LOG_DAYS} days")


@dg.job(
    name="ecommerce_maintenance",
    description="Compacts small files, expires old snapshots, removes lost files. Changes no row.",
)
def maintenance_job() -> None:
    """One step over all tables."""
    maintain_tables()


def weekly_maintenance() -> dg.ScheduleDefinition:
    """Sundays at 03:00 UTC; enabled in the UI."""
    return dg.ScheduleDefinition(
        name="ecommerce_weekly_maintenance",
        job=maintenance_job,
        cron_schedule="0 3 * * 0",
        description="Maintenance of every table, Sundays at 03:00 UTC.",
    )
