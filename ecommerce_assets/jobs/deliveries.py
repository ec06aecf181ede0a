"""What a run of a bronze table has to do: read the deliveries that are new or changed."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from ecommerce_assets.jobs.arguments import JobArguments
from ecommerce_assets.jobs.plan import Plan, dates_as_units
from ecommerce_assets.lakehouse.history import History
from ecommerce_assets.landing.files import digested, fingerprints, landed
from ecommerce_assets.landing.frame import landed_frame
from ecommerce_assets.tables.declaration import Table
from ecommerce_assets.tables.source import INGESTION_DATE, landed_struct, source_columns
from ecommerce_assets.tables.spans import after_day, within
from ecommerce_assets.tables.touched import Touched

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def plan_deliveries(
    spark: "SparkSession", table: Table, base: History, arguments: JobArguments
) -> Plan:
    """The dates whose delivery is not the one that was read last.

    Raises:
        DeliveryChanged: a file is gone since it was listed.
        PipelineError: what has landed can't be looked at.
    """
    found = landed(arguments.landing, table.name, arguments.first, arguments.last)
    files = digested(arguments.landing, found.files)
    prints = fingerprints(files, arguments.days)
    if not arguments.full_refresh:
        known = _known_fingerprints(table, base, prints)
        prints = {day: text for day, text in prints.items() if known.get(day) != text}
    days = tuple(sorted(prints))
    frame = landed_frame(
        spark,
        arguments.landing,
        [file for file in files if file.ingestion_date in prints],
        source_columns(table),
        landed_struct(table),
        datetime.now(UTC),
    )
    made_from = {day.isoformat(): text for day, text in prints.items()}
    if not days:
        why = "nothing new has landed"
        return Plan(why, None, "false", None, made_from, unread=tuple(found.unread))
    touched = Touched(dates_as_units(spark, days), days)
    replace = within(INGESTION_DATE, days, after_day)
    why = f"{len(days)} dates whose delivery is new or changed"
    return Plan(
        why,
        table.transform(frame),
        replace,
        touched,
        made_from,
        days,
        unread=tuple(found.unread),
    )


def _known_fingerprints(table: Table, base: History, wanted: Iterable[date]) -> dict[date, str]:
    """By date: the delivery that the published rows of that date were read from."""
    known: dict[date, str] = {}
    missing = {day.isoformat(): day for day in wanted}
    for snapshot in base.back_from(base.snapshot_id):
        if not missing:
            break
        marker = snapshot.marker
        if marker is None:
            if snapshot.summary.get("operation") == "replace":
                continue
            break
        for text in missing.keys() & marker.made_from.keys():
            day = missing.pop(text)
            if marker.code_version == table.code_version:
                known[day] = marker.made_from[text]
    return known
