"""The strategy of a bronze table: read the deliveries that are new or changed."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from ecommerce_assets.engine.relation import Relation
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.intervals import days_in, lies_in, written
from ecommerce_assets.lakehouse.data_files import described
from ecommerce_assets.lakehouse.history import History
from ecommerce_assets.landing.files import LandedFile, digested, fingerprints, landed
from ecommerce_assets.landing.layout import INGESTION_DATE, SOURCE_FILE
from ecommerce_assets.landing.retention import Retention
from ecommerce_assets.landing.rows import landed_rows
from ecommerce_assets.landing.source import Source
from ecommerce_assets.model.strategies import Landed
from ecommerce_assets.refresh.decision import Decision, LandingEvidence, Nothing, Rows
from ecommerce_assets.refresh.inputs import Inputs, Known, Request
from ecommerce_assets.refresh.keys import KEY, AffectedKeys
from ecommerce_assets.refresh.planner import Planner
from ecommerce_assets.refresh.upstream import Changes
from ecommerce_assets.sql import ansi_literal

if TYPE_CHECKING:
    pass

NOTHING_NEW = "nothing new has landed"
MEANT = (
    "Nothing was changed. If it is meant, run it with --allow-removal (allow_removal in the "
    "launchpad)"
)


class LandedPlanner(Planner[Landed]):
    """Of the deliveries that are new or changed."""

    def plan(self, inputs: Inputs, changes: Changes) -> Decision:
        """The rows of the new and the changed deliveries.

        Of a date whose files landing lets go, rows of files that are gone stay.

        Raises:
            DeliveryChanged: a listed file has disappeared.
            PipelineError: landed files can't be listed or read; or deliveries are gone.
        """
        damaged = _damaged(inputs)
        read, evidence = self._look(inputs, damaged)
        days = tuple(sorted(read.files))
        if not days:
            return Nothing(NOTHING_NEW, evidence)
        rows = landed_rows(
            inputs.engine,
            inputs.request.landing,
            [file for day in days for file in read.files[day]],
            self.strategy.source,
            self.strategy.kinds,
            datetime.now(UTC),
        )
        return Rows(
            why=f"{len(days)} dates whose delivery is new or changed"
            + (f"; {len(damaged)} of them mended" if damaged else ""),
            written=inputs.table.transform(rows),
            replace=lies_in(INGESTION_DATE, days),
            affected=AffectedKeys(inputs.engine.days(KEY, days), days, inputs.limits),
            dates=days,
            in_order=not read.partly,
            stays=_rows_of_files_let_go(inputs, read) if read.partly else None,
            evidence=evidence,
        )

    def nothing(self, known: Known) -> Nothing | None:
        """That nothing new has landed.

        Raises:
            DeliveryChanged, PipelineError: as `plan`.
        """
        request, version = known.request, known.table.code_version
        # A delivery that was never read is new; its files are read only once.
        if len(known_fingerprints(known.published, version, request.days)) < len(request.days):
            return None
        read, evidence = self._look(known, _damaged(known))
        return None if read.files else Nothing(NOTHING_NEW, evidence)

    def _look(self, known: Known, damaged: Collection[date]) -> tuple["ToRead", LandingEvidence]:
        """The deliveries to read, and what was seen of landing."""
        request, published, version = known.request, known.published, known.table.code_version
        found = new_deliveries(request, self.strategy.source, published, version, damaged)
        retention = _retention(known)
        read = _to_read(known, self.strategy.source, found, retention, damaged)
        again = {*request.days} - read.expired - {*read.partly}
        other = written(_read_by_other_code(published, version) - again)
        prints = {day.isoformat(): found.fingerprints[day] for day in sorted(read.files)}
        return read, LandingEvidence(prints, found.unread, other, retention.as_record())


@dataclass(frozen=True)
class ToRead:
    """The dates to read.

    Attributes:
        files: by date, its landed files; none where the delivery was taken back.
        partly: those of which landing has let files go, so that rows of theirs stay.
        expired: dates left alone, as landing has let all of their files go.
    """

    files: Mapping[date, Sequence[LandedFile]]
    partly: Sequence[date]
    expired: frozenset[date]


def _damaged(known: Known) -> set[date]:
    """The dates whose published rows have lost files."""
    lost_files = known.request.damaged.get(known.table.identifier, ())
    return {file.day for file in lost_files if file.day}


def _retention(known: Known) -> Retention:
    """What landing has let go by now, as far as this table's runs know."""
    record = known.published.record
    told = Retention.from_record(record.retention) if record and record.retention else Retention()
    return told.on(known.request.today, known.request.landing_days)


def _to_read(
    known: Known,
    source: Source,
    found: "Deliveries",
    retention: Retention,
    damaged: Collection[date],
) -> ToRead:
    """The dates to read again, and what stays of them.

    Raises:
        PipelineError: deliveries are gone, and the run does not allow it.
    """
    published = known.published
    files: dict[date, list[LandedFile]] = {day: [] for day in found.fingerprints}
    for file in found.files:
        if file.ingestion_date in files:
            files[file.ingestion_date].append(file)
    without = sorted(day for day in files if not files[day])
    held = _held(published, without)
    expired = {day for day in held if retention.has_let_go(day) and day not in damaged}
    removed = {day: rows for day, rows in held.items() if day not in expired}
    if not known.request.allow_removal:
        _must_not_be_gone(known, source, found, retention, removed, damaged)
    read = {day: files[day] for day in files if day not in expired}
    let_go = sorted(day for day in read if retention.has_let_go(day) and day not in damaged)
    return ToRead(read, sorted(_held(published, let_go)), frozenset(expired))


def _held(published: History, days: Sequence[date]) -> dict[date, int]:
    """Published rows by date, of those dates that have any."""
    rows = published.rows_by_date(published.snapshot_id, INGESTION_DATE, days)
    return {day: rows[day] for day in days if rows.get(day)}


@dataclass(frozen=True)
class Deliveries:
    """What has landed for the dates of a run.

    Attributes:
        files: all delivered files, with digests.
        fingerprints: of the deliveries, by date, that the published table has not read like this.
        unread: paths below landing that are ignored.
        has_dates: whether the source has a folder of any date.
    """

    files: list[LandedFile]
    fingerprints: dict[date, str]
    unread: tuple[str, ...]
    has_dates: bool


def new_deliveries(
    request: Request,
    source: Source,
    published: History,
    version: str,
    again: Collection[date] = (),
) -> Deliveries:
    """The deliveries that are new or changed.

    Args:
        request: the run's.
        source: whose deliveries they are.
        published: the bronze table as published.
        version: of the code that reads deliveries.
        again: dates to read again, of the run or not.

    Raises:
        DeliveryChanged: a listed file has disappeared.
        PipelineError: landed files can't be listed or read.
    """
    days = {*request.days, *again}
    found = landed(request.landing, source, request.sources, min(days), max(days))
    files = [file for file in found.files if file.ingestion_date in days]
    files = digested(request.landing, files)
    prints = fingerprints(files, sorted(days))
    if not request.full_refresh:
        known = known_fingerprints(published, version, prints)
        prints = {
            day: text for day, text in prints.items() if day in again or known.get(day) != text
        }
    return Deliveries(files, prints, tuple(found.unread), found.has_dates)


def _must_not_be_gone(
    known: Known,
    source: Source,
    found: Deliveries,
    retention: Retention,
    removed: Mapping[date, int],
    damaged: Collection[date],
) -> None:
    """Refuse to give up rows because their deliveries can't be seen any more.

    One date whose folder was emptied is a correction; several at once, or all, are a mishap.

    Raises:
        PipelineError: the source has no delivery at all, or several dates are gone, or a damaged
            one.
    """
    published, request = known.published, known.request
    name, folder = known.table.identifier, f"{request.landing}/{source.folder}"
    if published.rows and not found.has_dates:
        held = published.rows_by_date(published.snapshot_id, INGESTION_DATE)
        if not all(map(retention.has_let_go, held)):
            raise PipelineError(
                f"{folder} has no delivery any more, and {name} holds {published.rows:,} rows of "
                f"{len(held):,} dates, {min(held)} to {max(held)}. Is the folder there, mounted, "
                f"and named right? {MEANT}"
            )
    lost = sorted(day for day in damaged if day in removed or retention.has_let_go(day))
    if lost:
        raise PipelineError(
            f"{described(request.damaged[name])}, and {folder} has not all files of {lost[0]} any "
            "more to read it again: bring the delivery back, or the file from a backup. " + MEANT
        )
    if len(removed) > 1:
        raise PipelineError(
            f"{folder} has no file any more of {len(removed):,} dates that {name} holds, "
            f"{min(removed)} to {max(removed)}, with {sum(removed.values()):,} rows. {MEANT}"
        )


def _rows_of_files_let_go(inputs: Inputs, read: ToRead) -> Relation:
    """Published rows of the partly let-go dates whose files are gone from landing."""
    rows = inputs.published_rows().where(lies_in(INGESTION_DATE, read.partly))
    there = [file.source_file for day in read.partly for file in read.files[day]]
    if not there:
        return rows
    return rows.where(f"{SOURCE_FILE} NOT IN ({', '.join(map(ansi_literal, there))})")


def _read_by_other_code(published: History, version: str) -> set[date]:
    """Published dates not known to have been read by the present code."""
    record = published.record
    if record is None or record.other_code is None or record.code_version != version:
        return set(published.rows_by_date(published.snapshot_id, INGESTION_DATE))
    return days_in(record.other_code)


def known_fingerprints(published: History, version: str, wanted: Iterable[date]) -> dict[date, str]:
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
