"""The strategy of a bronze table: read the deliveries that are new or changed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from pyspark.sql import types as T

from ecommerce_assets.intervals import days_in, lies_in, written
from ecommerce_assets.lakehouse.history import History
from ecommerce_assets.lakehouse.metadata import TableMetadata
from ecommerce_assets.landing.files import LandedFile, digested, fingerprints, landed
from ecommerce_assets.landing.frame import landed_frame
from ecommerce_assets.landing.layout import INGESTION_DATE
from ecommerce_assets.landing.source import Source
from ecommerce_assets.refresh.decision import Decision, Nothing, Rows
from ecommerce_assets.refresh.dependency import DependencyMapping
from ecommerce_assets.refresh.inputs import Inputs, Request
from ecommerce_assets.refresh.keys import AffectedKeys, frame_of_days
from ecommerce_assets.refresh.strategy import Strategy
from ecommerce_assets.refresh.upstream import Changes

NOTHING_NEW = "nothing new has landed"


@dataclass(frozen=True)
class Landed(Strategy):
    """Read the landed files of those dates whose delivery differs from the one read last.

    Attributes:
        source: whose files they are.
        struct: Spark schema of the frame of landed files.
    """

    source: Source
    struct: T.StructType
    key: str = field(default=INGESTION_DATE, init=False)
    on: Mapping[str, DependencyMapping] = field(default_factory=dict, init=False)

    def plan(self, inputs: Inputs, changes: Changes) -> Decision:
        """The rows of the new and the changed deliveries.

        Raises:
            DeliveryChanged: a listed file has disappeared.
            PipelineError: landed files can't be listed or read.
        """
        request, published, version = inputs.request, inputs.published, inputs.table.code_version
        found = new_deliveries(request, self.source, published, version)
        files, kept = found.files, _not_read_again(request, published, found.fingerprints)
        prints = {day: text for day, text in found.fingerprints.items() if day not in kept}
        unread = (*found.unread, *(f.source_file for f in files if f.ingestion_date in kept))
        other = written(_read_by_other_code(published, version) - (set(request.days) - kept))
        if not prints:
            return Nothing(why=NOTHING_NEW, unread=unread, other_code=other)
        days = tuple(sorted(prints))
        frame = landed_frame(
            inputs.spark,
            request.landing,
            [file for file in files if file.ingestion_date in prints],
            self.source,
            self.struct,
            datetime.now(UTC),
        )
        return Rows(
            why=f"{len(days)} dates whose delivery is new or changed",
            written=inputs.table.transform(frame),
            replace=lies_in(INGESTION_DATE, days),
            affected=AffectedKeys(frame_of_days(inputs.spark, days), days, inputs.limits),
            dates=days,
            in_order=True,
            fingerprints={day.isoformat(): text for day, text in prints.items()},
            unread=unread,
            other_code=other,
        )


@dataclass(frozen=True)
class Deliveries:
    """What has landed for the dates of a run.

    Attributes:
        files: all delivered files, with digests.
        fingerprints: of the deliveries, by date, that the published table has not read like this.
        unread: paths below landing that are ignored.
    """

    files: list[LandedFile]
    fingerprints: dict[date, str]
    unread: tuple[str, ...]


def new_deliveries(
    request: Request, source: Source, published: TableMetadata, version: str
) -> Deliveries:
    """The deliveries that are new or changed.

    Args:
        request: the run's.
        source: whose deliveries they are.
        published: the bronze table as published.
        version: of the code that reads deliveries.

    Raises:
        DeliveryChanged: a listed file has disappeared.
        PipelineError: landed files can't be listed or read.
    """
    found = landed(request.landing, source, request.sources, request.first, request.last)
    files = digested(request.landing, found.files)
    prints = fingerprints(files, request.days)
    if not request.full_refresh:
        known = known_fingerprints(published, version, prints)
        prints = {day: text for day, text in prints.items() if known.get(day) != text}
    return Deliveries(files, prints, tuple(found.unread))


def _not_read_again(request: Request, published: History, days: Iterable[date]) -> set[date]:
    """Dates before those that landing keeps: of their deliveries, some files may be gone.

    The table keeps what was read from them. A date that was never read is read.
    """
    oldest = request.landing_kept_from
    old = sorted(day for day in days if oldest and day < oldest)
    read = published.rows_by_date(published.snapshot_id, INGESTION_DATE, old)
    return {day for day in old if read.get(day)}


def _read_by_other_code(published: History, version: str) -> set[date]:
    """Published dates not known to have been read by the present code."""
    record = published.record
    if record is None or record.other_code is None or record.code_version != version:
        return set(published.rows_by_date(published.snapshot_id, INGESTION_DATE))
    return days_in(record.other_code)


def known_fingerprints(
    published: TableMetadata, version: str, wanted: Iterable[date]
) -> dict[date, str]:
    """By date: the fingerprint of the delivery that the present code has read."""
    known: dict[date, str] = {}
    missing = {day.isoformat(): day for day in wanted}
    for snapshot in published.back_from(published.snapshot_id):
        if not missing:
            break
        record = snapshot.record
        if record is None:
            if snapshot.rows_unchanged:
                continue
            break
        for text in missing.keys() & record.sources.keys():
            day = missing.pop(text)
            if record.code_version == version:
                known[day] = record.sources[text]
    return known
