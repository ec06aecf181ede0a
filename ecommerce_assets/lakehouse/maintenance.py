"""Maintenance of a table: compact small files, expire old snapshots, remove lost files.

No row changes. Runs may continue meanwhile: after a lost race, the work waits for the next time.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ecommerce_assets.boto import boto_client
from ecommerce_assets.lakehouse.history import History
from ecommerce_assets.lakehouse.jvm import scanned_files
from ecommerce_assets.lakehouse.names import CATALOG, in_session
from ecommerce_assets.lakehouse.tables import must_lie_in_warehouse

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
    files_lost: int
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
    *,
    lost: int = 0,
) -> Maintained:
    """Compact, expire, and remove orphans.

    Args:
        needed: snapshot ids that other tables were built from. Without them, the next run of
            those tables can't tell what has changed and recomputes them.
        now: ages of snapshots are measured at this time.
        kept_days: days that snapshots are kept for time travel.
        lost: data files of the published snapshot that are gone; on S3, it looks for them itself.

    Raises:
        PipelineError: the table lies outside the lakehouse.
    """
    now = now or datetime.now(UTC)
    published = History(spark, identifier)
    must_lie_in_warehouse(spark, published)
    lost = lost or len(lost_files(published))
    compacted = 0 if lost else _compact(spark, identifier)
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
        files_lost=lost,
        bytes=history.bytes,
    )


def lost_files(history: History) -> list[str]:
    """The data files on S3 of the published snapshot that are gone or have another size.

    Those of a local table are found by `data_files.damaged`.
    """
    if not history.location.startswith("s3://"):
        return []
    bucket, _, prefix = history.location.removeprefix("s3://").partition("/")
    pager = boto_client("s3").get_paginator("list_objects_v2")
    listed = {
        f"s3://{bucket}/{item['Key']}": item["Size"]
        for page in pager.paginate(Bucket=bucket, Prefix=f"{prefix}/")
        for item in page.get("Contents", ())
    }
    files = {str(f.location()): f.fileSizeInBytes() for f in scanned_files(history.table.newScan())}
    return [path for path, size in files.items() if listed.get(path) != size]


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
    expiry = history.table.expireSnapshots().expireOlderThan(int(until.timestamp() * 1000))
    # By default, Iceberg removes each file of an expired snapshot, wherever it lies. Here, only
    # what lies below the table's own location is removed, as a file of no snapshot.
    expiry.cleanExpiredFiles(False).commit()


def _timestamp(moment: datetime) -> str:
    return f"TIMESTAMP '{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}'"
