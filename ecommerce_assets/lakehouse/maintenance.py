"""Maintenance of a table: compact small files, expire old snapshots, remove lost files.

No row changes. Runs may continue meanwhile: after a lost race, the work waits for the next time.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from ecommerce_assets.intervals import end_of_day, end_of_month, lies_in
from ecommerce_assets.lakehouse.catalog import Lakehouse, commit
from ecommerce_assets.lakehouse.files import S3, File, delete_files, files_below, spelled
from ecommerce_assets.lakehouse.history import History, history_of
from ecommerce_assets.lakehouse.manifests import files_of, referenced_files
from ecommerce_assets.lakehouse.metadata import Compaction
from ecommerce_assets.lakehouse.partitions import first_day
from ecommerce_assets.lakehouse.staging import PublishConflict, Write, stage

if TYPE_CHECKING:
    from pyiceberg.table import Table

Rewriting = Callable[[History, str], Write]  # of the rows that a condition holds for
SMALL_FILES = 5  # in one partition, from which they are rewritten as one
KEPT_DAYS = 7  # how far time travel reaches back
PINNED = timedelta(days=90)  # how long a snapshot is kept for tables that were built from it
ORPHANS = timedelta(days=3)  # longer than any run takes, so that no file in use is removed


@dataclass(frozen=True)
class Maintained:
    """What maintenance did to a table."""

    files_compacted: int
    snapshots_expired: int
    orphans_removed: int
    snapshots: int
    files: int
    files_lost: int
    bytes: int

    def metadata(self) -> dict[str, int]:
        """As Dagster metadata."""
        return asdict(self)


def maintain(
    lakehouse: Lakehouse,
    identifier: str,
    needed: Iterable[int],
    rewriting: Rewriting,
    now: datetime | None = None,
    kept_days: int = KEPT_DAYS,
    *,
    lost: int = 0,
) -> Maintained:
    """Compact, expire, and remove orphans.

    Args:
        needed: snapshot ids that other tables were built from. Without them, the next run of
            those tables can't tell what has changed and recomputes them.
        rewriting: what writes published rows anew; only called if there is something to compact.
        now: ages of snapshots are measured at this time.
        kept_days: days that snapshots are kept for time travel.
        lost: data files of the published snapshot that are gone; on S3, it looks for them itself.

    Raises:
        PipelineError: the table lies outside the lakehouse.
    """
    now = now or datetime.now(UTC)
    before = history_of(lakehouse, identifier)
    lost = lost or len(lost_files(before))
    compacted = 0
    if not lost:
        compacted = _compact(before, rewriting)
        before = history_of(lakehouse, identifier)
    _expire(before, set(needed), now, timedelta(days=kept_days))
    orphans = _orphans(lakehouse.table(identifier), datetime.now(UTC) - ORPHANS)
    delete_files(orphans)
    history = history_of(lakehouse, identifier)
    return Maintained(
        files_compacted=compacted,
        snapshots_expired=len(before.snapshots) - len(history.snapshots),
        orphans_removed=len(orphans),
        snapshots=len(history.snapshots),
        files=history.files,
        files_lost=lost,
        bytes=history.bytes,
    )


def lost_files(history: History) -> list[str]:
    """The data files on S3 of the published snapshot that are gone or have another size.

    Those of a local table are found by `data_files.damaged`.
    """
    if history.current is None or not history.location.startswith(S3):
        return []
    there = {path: file.size for path, file in files_below(history.location).items()}
    planned = history.table.scan(snapshot_id=history.current.id).plan_files()
    files = {task.file.file_path: task.file.file_size_in_bytes for task in planned}
    return [path for path, size in files.items() if there.get(path) != size]


def _orphans(table: "Table", before: datetime) -> list[str]:
    """The files below the table's location that no snapshot has, written before a time.

    Empty if a published file is not among those listed: then the listing can't be trusted, or files
    are lost, and nothing is to be deleted.
    """
    there: dict[str, File] = files_below(table.location())
    old = {path for path, file in there.items() if file.written < before}
    if not old:
        return []
    published = {spelled(task.file.file_path) for task in table.scan().plan_files()}
    if not published <= there.keys():
        return []
    return sorted(old - {spelled(path) for path in referenced_files(table)})


def _compact(history: History, rewriting: Rewriting) -> int:
    """Write the rows of partitions with small files anew; returns how many files are replaced."""
    if history.snapshot_id is None or history.files < SMALL_FILES:
        return 0
    files = list(files_of(history.table, history.snapshot_id))
    if any(file.spec_id != history.spec_id for file in files):
        many, condition = files, "true"  # Partitions of another kind can't be told apart.
    else:
        sizes = Counter(str(file.partition) for file in files)
        many = [file for file in files if sizes[str(file.partition)] >= SMALL_FILES]
        condition = "true"
        if history.partition_column is not None:
            firsts = {first_day(file.partition[0], monthly=history.monthly) for file in many}
            end_of = end_of_month if history.monthly else end_of_day
            condition = lies_in(history.partition_column, firsts, end_of)
    if not many:
        return 0
    # If a run publishes the table meanwhile, it is compacted next time.
    with suppress(PublishConflict):
        run = Compaction(f"compaction_{uuid4().hex}")
        staged = stage(history, rewriting(history, condition), run)
        try:
            staged.publish()
        except BaseException:
            staged.drop()
            raise
        return len(many)
    return 0


def _expire(history: History, needed: set[int], now: datetime, kept: timedelta) -> None:
    oldest = now - kept
    pinned = [
        snapshot.committed
        for snapshot in history.snapshots
        if snapshot.id in needed and snapshot.committed > now - PINNED
    ]
    # Changes are found by walking from a needed snapshot to the current one: keep them all.
    until = min([oldest, *pinned])

    def expire(table: "Table") -> None:
        table.maintenance.expire_snapshots().older_than(until).commit()

    # Their files are removed as those of no snapshot, and only below the table's own location.
    commit(history.table, expire)
