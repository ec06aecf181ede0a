"""Jobs for each layer and for the whole graph, and the daily schedule."""

from typing import TYPE_CHECKING

import dagster as dg

from ecommerce_assets.orchestration.dashboard import GROUP
from ecommerce_assets.tables import LAYERS

if TYPE_CHECKING:
    from dagster._core.definitions.partitions.partitioned_schedule import (
        UnresolvedPartitionedAssetScheduleDefinition,
    )
    from dagster._core.definitions.unresolved_asset_job_definition import (
        UnresolvedAssetJobDefinition,
    )

    UnresolvedScheduleDefinition = (
        dg.ScheduleDefinition | UnresolvedPartitionedAssetScheduleDefinition
    )

HOUR_OF_DAY = 5


def asset_jobs() -> "list[UnresolvedAssetJobDefinition]":
    """`ecommerce_bronze`, `_silver`, `_gold`, and `ecommerce_daily` for the whole graph.

    Checks are reported by the runs of their tables (see check_reporting) and not selected, since
    Dagster would plan each of them for each date.
    """
    whole = dg.define_asset_job(
        "ecommerce_daily",
        selection=dg.AssetSelection.groups(*LAYERS, GROUP).without_checks(),
        description="Every table, for one ingestion date or a range of them, and the dashboard.",
    )
    layers = [
        dg.define_asset_job(
            f"ecommerce_{layer}",
            selection=dg.AssetSelection.groups(layer).without_checks(),
            description=f"The {layer} tables, for one ingestion date or a range of them.",
        )
        for layer in LAYERS
    ]
    return [whole, *layers]


def daily_schedule(job: "UnresolvedAssetJobDefinition") -> "UnresolvedScheduleDefinition":
    """At 05:00 UTC, the last complete day; enabled in the UI."""
    return dg.build_schedule_from_partitioned_job(
        job,
        name="ecommerce_daily_schedule",
        hour_of_day=HOUR_OF_DAY,
        minute_of_hour=0,
        description="The last complete ingestion date, every day at 05:00 UTC.",
    )
