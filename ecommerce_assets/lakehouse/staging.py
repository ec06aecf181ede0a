"""Staging: the branch operations behind write-audit-publish.

A new snapshot is written to its own branch, which readers do not see, audited there, and published
by fast-forwarding `main` to it in one atomic commit. If it is not published, it is dropped with its
files.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ecommerce_assets.lakehouse.catalog import commit, set_properties, submit
from ecommerce_assets.lakehouse.files import delete_files, spelled
from ecommerce_assets.lakehouse.history import TOTALS, History
from ecommerce_assets.lakehouse.manifests import changed_files, own_files, referenced_files
from ecommerce_assets.lakehouse.metadata import TOTAL, BuildRecord, Compaction
from ecommerce_assets.lakehouse.schemas import adoption, ancestors
from ecommerce_assets.lakehouse.tables import drop_columns

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

Write = Callable[[str, Mapping[str, str]], Sequence[str]]
BRANCH = "run_"
_log = logging.getLogger(__name__)


class PublishConflict(Exception):
    """Another run has published the table since this one read it; start again."""


class Staged:
    """A new snapshot on its own branch.

    Attributes:
        snapshot: its id.
        rows: its rows.
        added: rows that this run wrote.
    """

    def __init__(
        self,
        base: History,
        branch: str,
        record: BuildRecord | Compaction,
        snapshot: "Snapshot",
        obsolete: Sequence[str] = (),
    ) -> None:
        self._base, self._branch, self._record = base, branch, record
        self._table = base.table
        self._published = base.snapshot_id
        self._kept: int | None = None
        self._obsolete = obsolete
        summary: Mapping[str, Any] = snapshot.summary or {}
        self.snapshot: int = snapshot.snapshot_id
        self.rows = int(summary.get("total-records") or 0)
        self.added = int(summary.get("added-records") or 0)

    def keep(self, append: Callable[[str], object]) -> None:
        """Have rows added to the snapshot, on its branch, until `finish` removes them again.

        Another table's published snapshot may still need them. The added snapshot has no record, so
        if the run is killed before `finish`, the next one recomputes the table.
        """
        append(self._branch)
        self._table.refresh()
        self._kept = self._table.refs()[self._branch].snapshot_id

    def remember(self, totals: Mapping[str, Any], version: str) -> None:
        """Keep the totals of the snapshot's audit with the table, for the audit of the next one.

        Args:
            version: of the code that computed them.
        """
        text = json.dumps(
            {"snapshot": self.snapshot, "version": version, "totals": totals}, default=str
        )
        set_properties(self._table, {TOTALS: text})

    def publish(self) -> None:
        """Publish the snapshot in one atomic commit.

        Raises:
            PublishConflict: another run has published since; nothing was published.
        """
        self._fast_forward(self._kept or self.snapshot, remove=self._kept is None)

    def finish(self) -> None:
        """Publish the snapshot without the rows added by `keep`; drop columns of no row.

        Raises:
            PublishConflict: another run published meanwhile, and recomputed the table.
        """
        if self._kept is not None:
            self._without_kept(self._kept)
        if self._obsolete:
            drop_columns(self._table, self._obsolete)

    def _without_kept(self, kept: int) -> None:
        record = self._record.summary()

        def remove(table: "Table") -> int:
            if self._tip(table) != kept:
                raise PublishConflict(f"{self._base.identifier}: another run dropped the branch")
            added = [file for file, is_added in changed_files(table, kept) if is_added]
            return change_files(table, self._branch, record, removed=added)

        self.snapshot = commit(self._table, remove)
        self._fast_forward(self.snapshot, remove=True)

    def drop(self) -> None:
        """Remove the branch, if it exists, and the files of its unpublished snapshots."""
        drop_branch(self._table, self._branch)

    def _tip(self, table: "Table") -> int | None:
        """The snapshot that the branch points to; None if the branch is gone."""
        reference = table.refs().get(self._branch)
        return reference.snapshot_id if reference else None

    def _fast_forward(self, tip: int, *, remove: bool) -> None:
        """Let main point to the branch's snapshot if it still points to the one that was read."""
        update: Any = import_module("pyiceberg.table.update")

        def publish(table: "Table") -> None:
            now = table.current_snapshot()
            if now is not None and now.snapshot_id == tip:
                return  # Done by the attempt before, whose answer got lost.
            if (now and now.snapshot_id) != self._published or self._tip(table) != tip:
                raise PublishConflict(f"{self._base.identifier}: another run published first")
            # A compare-and-set: the catalog asserts that main is as it is here.
            updates = [update.SetSnapshotRefUpdate(ref_name="main", type="branch", snapshot_id=tip)]
            updates += adoption(table, table.snapshot_by_id(tip))
            if remove:
                updates.append(update.RemoveSnapshotRefUpdate(ref_name=self._branch))
            there = update.AssertRefSnapshotId(ref="main", snapshot_id=self._published)
            submit(table, updates, there)

        commit(self._table, publish)
        self._published = tip
        # Other branches start from an older snapshot and can't be published any more. Their runs
        # were killed, or will start again.
        for name in list(self._table.refs()):
            if name.startswith(BRANCH) and name != self._branch:
                drop_branch(self._table, name)


def stage(
    base: History, write: Write | None, record: BuildRecord | Compaction, *, whole: bool = False
) -> Staged:
    """Have rows written to a new branch.

    Args:
        base: the table's history; its published snapshot is the parent of the new one.
        write: adds a snapshot to a branch, with this summary, and returns the table's columns that
            its rows lack; None to add only the record.
        whole: the rows are the whole table; columns that they lack are dropped once it is
            published. Otherwise, they are empty in the rows written.

    Raises:
        PublishConflict: another run published since `base` was read; nothing was written.
    """
    table, identifier = base.table, base.identifier
    branch = f"{BRANCH}{record.run}"
    start = _create_branch(table, branch, base.snapshot_id)
    lacking: Sequence[str] = ()
    try:
        if write is None:
            commit(table, lambda table: _append_nothing(table, branch, record.summary()))
        else:
            lacking = write(branch, record.summary())
        table.refresh()
        snapshot = table.snapshot_by_name(branch)
        if snapshot is None or snapshot.parent_snapshot_id != start:
            raise PublishConflict(f"{identifier}: another run dropped the branch")
    except BaseException as error:
        drop_branch(table, branch)
        if isinstance(error, Exception) and moved(base):
            raise PublishConflict(str(error)) from error
        raise
    return Staged(base, branch, record, snapshot, lacking if whole else ())


def _create_branch(table: "Table", branch: str, base: int | None) -> int:
    """Create a branch, at an empty snapshot if the table has none; returns where it starts.

    A separate commit each: when pyiceberg redoes a transaction with a new snapshot, it forgets the
    changes of references in it.
    """
    start = commit(table, _empty_snapshot) if base is None else base

    def create(table: "Table") -> None:
        now = table.current_snapshot()
        if (now and now.snapshot_id) != base:
            raise PublishConflict("another run published first")
        if branch not in table.refs():
            table.manage_snapshots().create_branch(start, branch).commit()

    commit(table, create)
    return start


def _empty_snapshot(table: "Table") -> int:
    """The snapshot without a row at which the first branches of a table start."""
    for snapshot in table.snapshots():
        summary: Mapping[str, Any] = snapshot.summary or {}
        if snapshot.parent_snapshot_id is None and summary.get(TOTAL) == "0":
            return snapshot.snapshot_id
    return _append_nothing(table, None, {})


def _append_nothing(table: "Table", branch: str | None, summary: Mapping[str, str]) -> int:
    """Add a snapshot with the same rows; on no branch if `branch` is None. Returns its id."""
    transaction = table.transaction()
    append = transaction.update_snapshot(dict(summary), branch).fast_append()
    append.commit()
    transaction.commit_transaction()
    return append.snapshot_id


def change_files(
    table: "Table",
    branch: str,
    summary: Mapping[str, str],
    added: "Iterable[DataFile]" = (),
    removed: "Iterable[DataFile]" = (),
) -> int:
    """Add one snapshot with these data files, and without those, to a branch. Returns its id."""
    transaction = table.transaction()
    overwrite = transaction.update_snapshot(dict(summary), branch).overwrite()
    for file in removed:
        overwrite.delete_data_file(file)
    for file in added:
        overwrite.append_data_file(file)
    overwrite.commit()
    transaction.commit_transaction()
    return overwrite.snapshot_id


def moved(base: History) -> bool:
    """Whether another snapshot has been published since `base` was read."""
    now = base.table.refresh().current_snapshot()
    return now is not None and now.snapshot_id != base.snapshot_id


def drop_branch(table: "Table", branch: str) -> None:
    """Remove a branch, if it exists, and its unpublished snapshots with their files."""
    reference = table.refresh().refs().get(branch)
    if reference is None:
        return

    def remove(table: "Table") -> None:
        if branch in table.refs():
            table.manage_snapshots().remove_branch(branch).commit()

    commit(table, remove)
    published = set(ancestors(table, table.current_snapshot()))
    unpublished = [
        snapshot
        for snapshot in ancestors(table, table.snapshot_by_id(reference.snapshot_id))
        if snapshot not in published
    ]
    try:
        files = {path for snapshot in unpublished for path in own_files(table, snapshot)}

        def expire(table: "Table") -> None:
            left = [snapshot for snapshot in unpublished if table.snapshot_by_id(snapshot)]
            if left:
                table.maintenance.expire_snapshots().by_ids(left).commit()

        commit(table, expire)
        # The parents of what has expired are forgotten, so a published file may be among them.
        files -= referenced_files(table)
        place = f"{spelled(table.location())}/"
        delete_files(path for path in files if spelled(path).startswith(place))
    except Exception as error:
        # Another run may be dropping it too. Whatever is left, maintenance removes.
        _log.warning("%s: files of an unpublished snapshot are left: %s", table.name(), error)
