"""Staging: the branch operations behind write-audit-publish.

A new snapshot is written to its own branch, which readers do not see, audited there, and published
by fast-forwarding `main` to it in one atomic commit. If it is not published, it is dropped with its
files.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from ecommerce_assets.lakehouse.history import History
from ecommerce_assets.lakehouse.jvm import Java, each, with_properties
from ecommerce_assets.lakehouse.metadata import TOTALS, BuildRecord
from ecommerce_assets.lakehouse.names import qualified
from ecommerce_assets.lakehouse.tables import (
    change_refs,
    drop_columns,
    is_adaptive,
    read,
    with_columns_of,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

BRANCH = "run_"
GONE = "does not exist"


class PublishConflict(Exception):
    """Another run has published the table since this one read it; start again."""


class Staged:
    """A new snapshot on its own branch.

    Attributes:
        snapshot: its id.
        frame: the whole table as of the snapshot.
        rows: its rows.
        added: rows that this run wrote.
    """

    def __init__(
        self,
        spark: "SparkSession",
        base: History,
        branch: str,
        record: BuildRecord,
        snapshot: Java,
        obsolete: Sequence[str] = (),
    ) -> None:
        self._spark, self._base, self._branch, self._record = spark, base, branch, record
        self._table = base.table
        self._kept: Java = None
        self._obsolete = obsolete
        summary = snapshot.summary()
        self.snapshot: int = snapshot.snapshotId()
        self.frame = read(spark, base.identifier, self.snapshot)
        self.rows = int(summary.get("total-records") or 0)
        self.added = int(summary.get("added-records") or 0)

    def keep(self, rows: "DataFrame") -> None:
        """Add rows to the snapshot until `finish` removes them again.

        Another table's published snapshot may still need them. The added snapshot has no record, so
        if the run is killed before `finish`, the next one recomputes the table.
        """
        target = f"{qualified(self._base.identifier)}.branch_{self._branch}"
        rows.writeTo(target).append()
        self._table.refresh()
        self._kept = self._table.snapshot(self._branch)

    def remember(self, totals: Mapping[str, Any], version: str) -> None:
        """Keep the totals of the snapshot's audit with the table, for the audit of the next one.

        Args:
            version: of the code that computed them.
        """
        text = json.dumps(
            {"snapshot": self.snapshot, "version": version, "totals": totals}, default=str
        )
        self._table.refresh()
        self._table.updateProperties().set(TOTALS, text).commit()

    def publish(self) -> None:
        """Publish the snapshot in one atomic commit.

        Raises:
            PublishConflict: another run has published since; nothing was published.
        """
        self._fast_forward(remove=self._kept is None)

    def finish(self) -> None:
        """Publish the snapshot without the rows added by `keep`; drop columns of no row.

        Raises:
            PublishConflict: another run published meanwhile, and recomputed the table.
        """
        if self._kept is not None:
            self._without_kept()
        if self._obsolete:
            drop_columns(self._spark, self._base.identifier, self._obsolete)

    def _without_kept(self) -> None:
        commit = self._table.newDelete().toBranch(self._branch)
        for file in each(self._kept.addedDataFiles(self._table.io())):
            commit = commit.deleteFile(file)
        with_properties(commit, self._record.summary()).commit()
        self._table.refresh()
        self.snapshot = self._table.snapshot(self._branch).snapshotId()
        self._fast_forward(remove=True)

    def drop(self) -> None:
        """Remove the branch, if it exists, and the files of its unpublished snapshots."""
        drop_branch(self._table, self._branch)

    def _fast_forward(self, *, remove: bool) -> None:
        table, branch = self._table, self._branch

        def change(refs: Java) -> Java:
            moved = refs.fastForwardBranch("main", branch)
            return moved.removeBranch(branch) if remove else moved

        try:
            change_refs(table, change)
        except Exception as error:
            # Another run has moved main, or has dropped this branch.
            if "ancestor" in str(error) or GONE in str(error):
                raise PublishConflict(str(error)) from error
            raise
        # Other branches start from an older snapshot and can't be published any more. Their runs
        # were killed, or will start again.
        for name in table.refs().keySet().toArray():
            if name.startswith(BRANCH) and name != branch:
                drop_branch(table, name)


def stage(
    spark: "SparkSession",
    base: History,
    frame: "DataFrame | None",
    replace: str,
    record: BuildRecord,
    *,
    stays: "DataFrame | None" = None,
    in_order: bool = False,
    whole: bool = False,
) -> Staged:
    """Write `frame` to a new branch, replacing the rows of `base` that satisfy `replace`.

    Args:
        base: the table's history; its published snapshot is the parent of the new one.
        frame: the rows to write; None to write only the record.
        replace: SQL condition of the rows to replace; must cover whole files.
        stays: published rows that are written again as they are, with all columns.
        in_order: each task's rows come partition by partition; if they don't, the write fails.
        whole: the frame is the whole table; columns that it lacks are dropped once it is published.
            Otherwise, they are empty in the rows written.

    Raises:
        PublishConflict: another run published since `base` was read; nothing was written.
    """
    table, identifier = base.table, base.identifier
    branch = f"{BRANCH}{record.run}"
    at = [base.snapshot_id] if base.current else []
    change_refs(table, lambda refs: refs.createBranch(branch, *at))
    table.refresh()
    start = table.snapshot(branch).snapshotId()
    lacking: list[str] = []
    try:
        if frame is None:
            commit = table.newAppend().toBranch(branch)
            with_properties(commit, record.summary()).commit()
        else:
            properties = {f"snapshot-property.{k}": v for k, v in record.summary().items()}
            properties |= _arrangement(spark, base, in_order=in_order, whole=whole)
            target = f"{qualified(identifier)}.branch_{branch}"
            frame, lacking = with_columns_of(spark, identifier, frame)
            if stays is not None:
                stays, _ = with_columns_of(spark, identifier, stays)  # one may have just come
                frame = frame.unionByName(stays)
            frame.writeTo(target).options(**properties).overwrite(F.expr(replace))
        table.refresh()
        snapshot = table.snapshot(branch)
        if snapshot is None or snapshot.parentId() != start:
            raise PublishConflict(f"{identifier}: another run dropped the branch")
    except BaseException as error:
        drop_branch(table, branch)
        if isinstance(error, Exception) and moved(base):
            raise PublishConflict(str(error)) from error
        raise
    return Staged(spark, base, branch, record, snapshot, lacking if whole else ())


def _arrangement(
    spark: "SparkSession", base: History, *, in_order: bool, whole: bool
) -> dict[str, str]:
    """How Spark sorts and shuffles rows for their files: write options of Iceberg."""
    # An open file costs at least 1 MB, so dates are written one after the other; the few months
    # are written at once, which needs no sort.
    options = {"fanout-enabled": "false" if base.by_date else "true"}
    if in_order:
        return {**options, "use-table-distribution-and-ordering": "false"}
    if whole and not is_adaptive(spark):
        # A shuffle by month would leave all rows of a month to one task, and nothing splits them
        # without adaptive execution. There are no more files than cores to a partition.
        options["distribution-mode"] = "none"
    return options


def moved(base: History) -> bool:
    """Whether another snapshot has been published since `base` was read."""
    base.table.refresh()
    now = base.table.currentSnapshot()
    return now is not None and now.snapshotId() != base.snapshot_id


def drop_branch(table: Java, branch: str) -> None:
    """Remove a branch and the files of its unpublished snapshots."""
    table.refresh()
    reference = table.refs().get(branch)
    if reference is None:
        return
    try:
        change_refs(table, lambda refs: refs.removeBranch(branch))
    except Exception as error:
        if GONE in str(error):
            return  # Another run has just dropped it.
        raise
    published = set()
    snapshot = table.currentSnapshot()
    while snapshot is not None:
        published.add(snapshot.snapshotId())
        snapshot = table.snapshot(snapshot.parentId()) if snapshot.parentId() else None
    snapshot = table.snapshot(reference.snapshotId())
    while snapshot is not None and snapshot.snapshotId() not in published:
        table.expireSnapshots().expireSnapshotId(snapshot.snapshotId()).commit()
        snapshot = table.snapshot(snapshot.parentId()) if snapshot.parentId() else None
