"""The sensor that requests runs for late, repeated and changed deliveries."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from ecommerce_assets.landing.retention import kept_from
from ecommerce_assets.landing.watch import from_cursor, look, to_cursor
from ecommerce_assets.settings import Settings
from ecommerce_assets.shop import current_shop

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import (
        UnresolvedAssetJobDefinition,
    )

SECONDS = 60
SECONDS_ON_AWS = 300  # each look is a LIST request for each source and 1,000 files, which cost
SETTLE_SECONDS = 60
GAP = timedelta(days=31)  # dates further apart get separate runs


def landing_sensor(
    settings: Settings,
    job: "UnresolvedAssetJobDefinition",
    partitions: dg.DailyPartitionsDefinition,
) -> dg.SensorDefinition:
    """Watches the landing location; enabled in the UI.

    Files are not read: their names, sizes and times show changes. Changed dates are requested as
    one run from the first to the last of them, in which bronze reads only changed deliveries; dates
    more than `GAP` apart get separate runs. Files written within the last `SETTLE_SECONDS`, and
    dates that are not yet a partition, like today, wait for a later tick.
    """

    @dg.sensor(
        name="landing_sensor",
        job=job,
        minimum_interval_seconds=SECONDS_ON_AWS if settings.on_aws else SECONDS,
        description="Requests runs for dates whose files arrived, changed or disappeared.",
    )
    def watch(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        sources = current_shop().sources
        seen = look(settings.landing, sources, now=time.time(), settle_seconds=SETTLE_SECONDS)
        first, last = _span(partitions)
        dates = {day for digests in seen.digests.values() for day in digests}
        outside = [day for day in dates if not first <= day <= last]
        oldest = kept_from(settings.landing_days, datetime.now(UTC).date())
        change = seen.after(from_cursor(context.cursor), held=outside, kept_from=oldest)
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
            note = f"; {len(waiting)} dates are still being written" if waiting else ""
            yield dg.SkipReason(f"nothing has changed among {len(dates):,} dates{note}")

    return watch


def _span(partitions: dg.DailyPartitionsDefinition) -> tuple[date, date]:
    """The first and the last existing partition."""
    first, last = partitions.get_first_partition_key(), partitions.get_last_partition_key()
    if first is None or last is None:
        return date.max, date.min
    return date.fromisoformat(first), date.fromisoformat(last)
