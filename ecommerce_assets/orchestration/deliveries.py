"""What has been delivered, as events of the landing assets: their freshness is that of the data."""

from typing import Any

import dagster as dg

from ecommerce_assets.jobs.reporting import ROWS_BY_DATE
from ecommerce_assets.tables.bronze import LANDING

NEWEST = "newest_ingestion_date"


def report_delivery(instance: dg.DagsterInstance, result: dg.MaterializeResult[Any]) -> None:
    """If a bronze table holds rows of a newer ingestion date than before, report its delivery."""
    key, counts = result.asset_key, (result.metadata or {}).get(ROWS_BY_DATE)
    if not key or key.path[0] != "bronze" or not isinstance(counts, dg.JsonMetadataValue):
        return
    assert isinstance(counts.value, dict)
    newest = max((day for day, rows in counts.value.items() if rows), default="")
    landing = dg.AssetKey([LANDING, key.path[-1]])
    last = instance.get_latest_materialization_event(landing)
    event = last.asset_materialization if last else None
    known = event.metadata.get(NEWEST) if event else None
    if newest > (str(known.value) if known else ""):
        instance.report_runless_asset_event(
            dg.AssetMaterialization(
                landing, metadata={NEWEST: newest, "dagster/row_count": counts.value[newest]}
            )
        )
