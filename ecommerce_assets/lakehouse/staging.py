"""Write-audit-publish: a new state of a table on a branch that readers do not see, then published.

A state is written to a branch of its own, judged there, and published by fast-forwarding `main` to
it, one atomic commit. What is not published is dropped with its files.
"""

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from ecommerce_assets.lakehouse.history import History, qualified
from ecommerce_assets.lakehouse.jvm import Java, each, with_properties
from ecommerce_assets.lakehouse.metadata import BuildRecord
from ecommerce_assets.lakehouse.tables import change_refs, read

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

BRANCH = "run_"
GONE = "does not exist"


class PublishConflict(Exception):
    """Another run published the table since this one staged its state; stage it anew."""


class Staged:
    """A new state, written to a branch that readers of the table do not see.

    Attributes:
        snapshot: its id.
        frame: the whole table as it will be once published.
        rows: its rows.
        added: rows that this run wrote.
    """

    def __init__(
        self, spark: "SparkSession", base: History, branch: str, record: BuildRecord, snapshot: Java
    ) -> None:
        self._spark, self._base, self._branch, self._record = spark, base, branch, record
        self._table = base.table
        self._kept: Java = None
        summary = snapshot.summary()
        self.snapshot: int = snapshot.snapshotId()
        self.frame = read(spark, base.identifier, self.snapshot)
        self.rows = int(summary.get("total-records") or 0)
        self.added = int(summary.get("added-records") or 0)

    def keep(self, rows: "DataFrame") -> None:
        """Publish the state with these rows, which it has no more; `finish` takes them away.

        They are rows that another table's published state may still need. A state with them has no
        record: a run that is killed before `finish` has the next one make the table as a whole.
        """
        target = f"{qualified(self._base.identifier)}.branch_{self._branch}"
        rows.writeTo(target).append()
        self._table.refresh()
        self._kept = self._table.snapshot(self._branch)

    def publish(self) -> None:
        """Publish the state by one atomic commit.

        Raises:
            PublishConflict: another run published since the base was read; nothing was published.
        """
        self._fast_forward(remove=self._kept is None)

    def finish(self) -> None:
        """Publish the state without the rows that were kept.

        Raises:
            PublishConflict: another run published meanwhile, and made the table as a whole.
        """
        if self._kept is None:
            return
        commit = self._table.newDelete().toBranch(self._branch)
        for file in each(self._kept.addedDataFiles(self._table.io())):
            commit = commit.deleteFile(file)
        with_properties(commit, self._record.summary()).commit()
        self._table.refresh()
        self.snapshot = self._table.snapshot(self._branch).snapshotId()
        self._fast_forward(remove=True)

    def drop(self) -> None:
        """Remove the branch, if it is there, and the files of states that were not published."""
        drop_branch(self._table, self._branch)

    def _fast_forward(self, *, remove: bool) -> None:
        table, branch = self._table, self._branch

        def change(refs: Java) -> Java:
            moved = refs.fastForwardBranch("main", branch)
            return moved.removeBranch(branch) if remove else moved

        try:
            change_refs(table, change)
        except Exception as error:
            # Either main is no ancestor any more, or the run that published dropped this branch.
            if "ancestor" in str(error) or GONE in str(error):
                raise PublishConflict(str(error)) from error
            raise
        # No other branch can be published any more: all began at a state that is past. They belong
        # to runs that were killed, or to one that is at work and will begin anew.
        for name in table.refs().keySet().toArray():
            if name.startswith(BRANCH) and name != branch:
                drop_branch(table, name)


def stage(
    spark: "SparkSession",
    base: History,
    frame: "DataFrame | None",
    replace: str,
    record: BuildRecord,
) -> Staged:
    """Write `frame` to a branch of its own, in place of the rows of `base` that meet `replace`.

    Args:
        base: the published state that the new one is derived from.
        frame: the rows to write; None writes none and only leaves the record.
        replace: SQL that is true for the rows to replace; whole files of them.

    Raises:
        PublishConflict: another run published since `base` was read; nothing was written.
    """
    table, identifier = base.table, base.identifier
    branch = f"{BRANCH}{record.run}"
    at = [base.snapshot_id] if base.current else []
    change_refs(table, lambda refs: refs.createBranch(branch, *at))
    table.refresh()
    start = table.snapshot(branch).snapshotId()
    try:
        if frame is None:
            commit = table.newAppend().toBranch(branch)
            with_properties(commit, record.summary()).commit()
        else:
            properties = {f"snapshot-property.{k}": v for k, v in record.summary().items()}
            # An open file costs 1 MB at the least: of many dates a task writes one by one; of few
            # months all at once, which needs no sort.
            properties["fanout-enabled"] = "false" if base.by_date else "true"
            target = f"{qualified(identifier)}.branch_{branch}"
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
    return Staged(spark, base, branch, record, snapshot)


def moved(base: History) -> bool:
    """Whether another state was published since `base` was read."""
    base.table.refresh()
    now = base.table.currentSnapshot()
    return now is not None and now.snapshotId() != base.snapshot_id


def drop_branch(table: Java, branch: str) -> None:
    """Remove a branch, and the files of its states that were never published."""
    table.refresh()
    reference = table.refs().get(branch)
    if reference is None:
        return
    try:
        change_refs(table, lambda refs: refs.removeBranch(branch))
    except Exception as error:
        if GONE in str(error):
            return  # Another run dropped it at the same moment.
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
