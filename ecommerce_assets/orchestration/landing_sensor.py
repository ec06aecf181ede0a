"""The sensor that runs what has landed late, again or changed, by itself."""

import time
from collections.abc import Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from ecommerce_assets.landing.watch import from_cursor, look, to_cursor
from ecommerce_assets.tables import tables_of

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import (
        UnresolvedAssetJobDefinition,
    )

SECONDS = 60
SETTLE_SECONDS = 60
GAP = timedelta(days=31)  # dates that are further apart get runs of their own


def landing_sensor(
    landing: str, job: "UnresolvedAssetJobDefinition", partitions: dg.DailyPartitionsDefinition
) -> dg.SensorDefinition:
    """Watches the landing place; switched on in the UI.

    A look reads no file: names, sizes and times tell a change. Dates that changed are requested as
    one run from the first to the last of them, in which bronze reads just the deliveries that
    differ; dates more than `GAP` apart get a run each. A file written within the last
    `SETTLE_SECONDS` waits for a later look, and so does a date that is no partition yet, as today.
    """

    @dg.sensor(
        name="landing_sensor",
        job=job,
        minimum_interval_seconds=SECONDS,
        description="Requests the ingestion dates whose delivered files came, changed or vanished.",
    )
    def watch(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        names = [table.name for table in tables_of("bronze")]
        seen = look(landing, names, now=time.time(), settle_seconds=SETTLE_SECONDS)
        first, last = _span(partitions)
        dates = {day for digests in seen.digests.values() for day in digests}
        outside = [day for day in dates if not first <= day <= last]
        change = seen.after(from_cursor(context.cursor), held=outside)
        context.update_cursor(to_cursor(change.known))
        early = sorted(day for day in outside if day < first)
        if early:
            context.log.warning(
                f"{len(early)} dates from {early[0]} on are before the first partition {first}: "
                "set ECOMMERCE_START_DATE to have them run"
            )
        for begin, end in change.ranges(GAP):
            yield dg.RunRequest(
                run_key=f"{change.key}-{begin}",
                tags={
                    "dagster/asset_partition_range_start": begin.isoformat(),
                    "dagster/asset_partition_range_end": end.isoformat(),
                },
            )
        if not change.dates:
            waiting = sorted({day for days in seen.unsettled.values() for day in days})
            told = f"; {len(waiting)} dates are still being written" if waiting else ""
            yield dg.SkipReason(f"nothing has changed among {len(dates):,} dates{told}")

    return watch


def _span(partitions: dg.DailyPartitionsDefinition) -> tuple[date, date]:
    """The first and the last date that is a partition now."""
    first, last = partitions.get_first_partition_key(), partitions.get_last_partition_key()
    if first is None or last is None:
        return date.max, date.min
    return date.fromisoformat(first), date.fromisoformat(last)
