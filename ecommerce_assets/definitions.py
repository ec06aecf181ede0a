"""The code location: assets, jobs, schedules, sensors and the launcher."""

from dataclasses import asdict
from functools import cache
from typing import Any

import dagster as dg

from ecommerce_assets.garbage import collect_seldom
from ecommerce_assets.orchestration.alerts import failure_sensor
from ecommerce_assets.orchestration.assets import layer_assets
from ecommerce_assets.orchestration.dashboard import dashboard_asset
from ecommerce_assets.orchestration.glue_jobs import GlueJobs
from ecommerce_assets.orchestration.jobs import asset_jobs, daily_schedule
from ecommerce_assets.orchestration.landing_sensor import landing_sensor
from ecommerce_assets.orchestration.local_glue_jobs import LocalGlueJobs
from ecommerce_assets.orchestration.maintenance import maintenance_job, weekly_maintenance
from ecommerce_assets.orchestration.metadata import landing_spec
from ecommerce_assets.orchestration.partitions import daily_partitions
from ecommerce_assets.settings import Settings
from ecommerce_assets.tables import LAYERS, tables_of


def build_definitions(settings: Settings, glue_jobs: GlueJobs | None = None) -> dg.Definitions:
    """The code location for these settings; `glue_jobs` replaces the launcher."""
    partitions = daily_partitions(settings.start_date)
    jobs = asset_jobs()
    return dg.Definitions(
        assets=[
            *[landing_spec(table) for table in tables_of("bronze")],
            *[
                layer_assets(layer, partitions, settings.thresholds, retried=settings.on_aws)
                for layer in LAYERS
            ],
            dashboard_asset(settings, partitions),
        ],
        jobs=[*jobs, maintenance_job],
        schedules=[daily_schedule(jobs[0]), weekly_maintenance()],
        sensors=[landing_sensor(settings, jobs[0], partitions), failure_sensor(settings)],
        # One process per run, which loads everything once.
        executor=dg.in_process_executor,
        resources={
            "glue_jobs": glue_jobs or _launcher(settings),
        },
    )


def _launcher(settings: Settings) -> GlueJobs:
    shared: dict[str, Any] = {
        "landing": settings.landing,
        "lakehouse": settings.lakehouse,
        "environment": settings.environment,
        "landing_days": settings.landing_days,
        "snapshot_days": settings.snapshot_days,
        "thresholds": asdict(settings.thresholds),
    }
    if not settings.on_glue:
        return LocalGlueJobs(**shared, engine=settings.engine)
    # boto3 is only needed on AWS and takes a tenth of the loading time.
    from ecommerce_assets.orchestration.aws_glue_jobs import AwsGlueJobs

    return AwsGlueJobs(**shared, artifacts=settings.artifacts)


@dg.definitions
@cache  # Dagster calls this several times per run.
def defs() -> dg.Definitions:
    """The code location of this deployment."""
    collect_seldom()
    return build_definitions(Settings.from_environment())
