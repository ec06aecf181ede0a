"""Maintenance of a table: compact small files, expire old snapshots, remove lost files.

No row changes. Runs may continue meanwhile: after a lost race, the work waits for the next time.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ecommerce_assets.lakehouse.history import History
from ecommerce_assets.lakehouse.names import CATALOG, in_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

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
    bytes: int

    def metadata(self) -> dict[str, int]:
        """As Dagster metadata."""
        return asdict(self)


def maintain(
    spark: "SparkSession",
    identifier: str,
    needed: Iterable[int],
    now: datetime | None = None,
    kept_days: int = KEPT_DAYS,
) -> Maintained:
    """Compact, expire, and remove orphans.

    Args:
        needed: snapshot ids that other tables were built from. Without them, the next run of
            those tables can't tell what has changed and recomputes them.
        now: ages of snapshots are measured at this time.
        kept_days: days that snapshots are kept for time travel.
    """
    now = now or datetime.now(UTC)
    compacted = _compact(spark, identifier)
    before = History(spark, identifier)
    _expire(before, set(needed), now, timedelta(days=kept_days))
    removed = spark.sql(
        f"CALL {CATALOG}.system.remove_orphan_files(table => '{in_session(identifier)}', "
        f"older_than => {_timestamp(datetime.now(UTC) - ORPHANS)}, prefix_listing => true)"
    ).count()
    history = History(spark, identifier)
    return Maintained(
        files_compacted=compacted,
        snapshots_expired=len(before.snapshots) - len(history.snapshots),
        orphans_removed=removed,
        snapshots=len(history.snapshots),
        files=history.files,
        bytes=history.bytes,
    )


def _compact(spark: "SparkSession", identifier: str) -> int:
    try:
        rows = spark.sql(
            f"CALL {CATALOG}.system.rewrite_data_files(table => '{in_session(identifier)}', "
            f"options => map('min-input-files', '{SMALL_FILES}'))"
        ).collect()
    except Exception as error:
        # A run published the table meanwhile; compact it next time.
        if "ValidationException" in str(error) or "CommitFailed" in str(error):
            return 0
        raise
    return sum(row["rewritten_data_files_count"] for row in rows)


def _expire(history: History, needed: set[int], now: datetime, kept: timedelta) -> None:
    oldest = now - kept
    pinned = [
        snapshot.committed
        for snapshot in history.snapshots
        if snapshot.id in needed and snapshot.committed > now - PINNED
    ]
    # Changes are found by walking from a needed snapshot to the current one: keep them all.
    until = min([oldest, *pinned])
    history.table.expireSnapshots().expireOlderThan(int(until.timestamp() * 1000)).commit()


def _timestamp(moment: datetime) -> str:
    return f"TIMESTAMP '{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}'"
