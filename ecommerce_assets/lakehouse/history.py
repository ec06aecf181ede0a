"""The history of a table: its published snapshots, and which partitions changed between two.

Read by pyiceberg from metadata and manifests; no engine is needed, and no data are read. Both are
defined by the Iceberg Table Spec.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from ecommerce_assets.lakehouse.local_catalog import load_tables
from ecommerce_assets.lakehouse.manifests import changed_files
from ecommerce_assets.lakehouse.metadata import MENDED, NOTE, BuildRecord, Snapshot
from ecommerce_assets.lakehouse.partitions import UNPARTITIONED, Partitions, first_day
from ecommerce_assets.lakehouse.schemas import as_written

if TYPE_CHECKING:
    from collections.abc import Collection

    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

    from ecommerce_assets.lakehouse.catalog import Lakehouse

TOTALS = "ecommerce.totals"  # a property of the table
DISTRIBUTION = "write.distribution-mode"
MONTH = "_month"  # suffix of Iceberg's name for a partition by month


class History:
    """A table's published snapshots at the time of reading.

    Args:
        identifier: `layer.name`.
        table: pyiceberg's, as published.
        at: treat this unpublished snapshot as the published one.
    """

    def __init__(self, identifier: str, table: "Table", at: int | None = None) -> None:
        table = as_written(table, at)
        metadata = table.metadata
        self.identifier = identifier
        self.table = table
        self._snapshots = {
            found.snapshot_id: Snapshot(
                found.snapshot_id,
                found.parent_snapshot_id,
                datetime.fromtimestamp(found.timestamp_ms / 1000, UTC),
                found.summary.model_dump() if found.summary else {},
            )
            for found in metadata.snapshots
        }
        main = metadata.refs.get("main")
        head = at or (main and main.snapshot_id)
        self.current = self._snapshots.get(head) if head else None
        self.properties: Mapping[str, str] = metadata.properties
        self.location: str = metadata.location
        self.spec_id: int = metadata.default_spec_id
        self.column_names = {field.field_id: field.name for field in metadata.schema().fields}
        fields = metadata.spec().fields
        self.partition_field: str | None = fields[0].name if fields else None
        self.partition_transforms = [
            self.column_names[field.source_id]
            if str(field.transform) == "identity"
            else f"{field.transform}s({self.column_names[field.source_id]})"
            for field in fields
        ]

    @property
    def snapshots(self) -> list[Snapshot]:
        """All snapshots that have not expired."""
        return list(self._snapshots.values())

    @property
    def snapshot_id(self) -> int | None:
        """Id of the published snapshot; None for a new table."""
        return self.current.id if self.current else None

    @property
    def files(self) -> int:
        """Data files of the published snapshot."""
        return self._total("total-data-files")

    @property
    def rows(self) -> int:
        """Rows of the published snapshot."""
        return self._total("total-records")

    @property
    def bytes(self) -> int:
        """Size of the published snapshot's files."""
        return self._total("total-files-size")

    def _total(self, name: str) -> int:
        return int(self.current.summary.get(name, 0)) if self.current else 0

    @cached_property
    def record(self) -> BuildRecord | None:
        """What the published snapshot was built from."""
        return self.record_at(self.snapshot_id)

    def record_at(self, snapshot: int | None) -> BuildRecord | None:
        """What a snapshot was built from; compactions are skipped."""
        written = self.written_at(snapshot)
        return written.record if written else None

    def written_at(self, snapshot: int | None) -> Snapshot | None:
        """The snapshot that wrote these rows, before any compaction; None if it has expired."""
        for found in self.back_from(snapshot):
            if not found.rows_unchanged:
                return found
        return None

    @property
    def checked_id(self) -> int | None:
        """Id of the last checked snapshot with the same rows as the published one."""
        for snapshot in self.back_from(self.snapshot_id):
            if not snapshot.rows_unchanged and NOTE not in snapshot.summary:
                return snapshot.id
        return None

    def totals(self, version: str) -> dict[str, str] | None:
        """The totals of the published snapshot's audit.

        Args:
            version: of the code that computes them.

        Returns:
            None if they are of another snapshot, or of other code.
        """
        kept = json.loads(self.properties.get(TOTALS, "{}"))
        if kept.get("snapshot") != self.checked_id or kept.get("version") != version:
            return None
        return {name: str(value) for name, value in kept["totals"].items()}

    def back_from(self, snapshot: int | None) -> Iterator[Snapshot]:
        """The snapshot and its ancestors, newest first, as far as they have not expired."""
        while snapshot in self._snapshots:
            found = self._snapshots[snapshot]
            yield found
            snapshot = found.parent

    @property
    def by_date(self) -> bool:
        """Whether each date is a partition of its own."""
        return self.partition_field is not None and not self.monthly

    @property
    def monthly(self) -> bool:
        """Whether each month is a partition of its own."""
        return self.partition_field is not None and self.partition_field.endswith(MONTH)

    @property
    def is_shuffled(self) -> bool:
        """Whether rows do not arrive partition by partition."""
        return self.properties.get(DISTRIBUTION) == "hash"

    @property
    def partition_column(self) -> str | None:
        """The column by whose values, or their months, the table is partitioned."""
        return self.partition_field.removesuffix(MONTH) if self.partition_field else None

    def partitioned_by(self, column: str) -> bool:
        """Whether the table is partitioned by this column's values."""
        return self.partition_field == column

    def changed_partitions(self, old: int | None, new: int | None) -> Partitions | None:
        """The partitions whose files differ between two snapshots; None if that is unknown.

        Args:
            old: None for a table that was empty then.
        """
        if old is not None and old not in self._snapshots:
            return None
        added: set[date] = set()
        removed: set[date] = set()
        reached, rows, complete = new, 0, new is None or old is not None
        for snapshot in self.back_from(new):
            if snapshot.id == old:
                break
            reached, complete = snapshot.parent, complete or snapshot.from_empty
            if snapshot.rows_unchanged:
                continue
            if MENDED in snapshot.summary:
                return None
            rows += snapshot.changed_rows
            for file, is_added in changed_files(self.table, snapshot.id):
                if not self._as_now(file):
                    return None
                (added if is_added else removed).add(self._first_day(file))
        if reached != old or not complete:
            return None
        return Partitions(
            self.partition_column, self.monthly, frozenset(added), frozenset(removed), rows
        )

    def _as_now(self, file: "DataFile") -> bool:
        """Whether a file was written with the table's present partitioning."""
        return bool(file.spec_id == self.spec_id)

    def _first_day(self, file: "DataFile") -> date:
        """First day of the partition that a file lies in."""
        if self.partition_field is None:
            return UNPARTITIONED
        return first_day(file.partition[0], monthly=self.monthly)

    def filled_columns(
        self, snapshot: int, column: str, days: Sequence[date]
    ) -> dict[date, tuple[frozenset[str], frozenset[str]]]:
        """By partition of a date column: the columns with any value, and those with any non-empty
        text, from the files' statistics.

        Args:
            days: partitions to look at.
        """
        there: dict[date, set[str]] = {day: set() for day in days}
        filled: dict[date, set[str]] = {day: set() for day in days}
        for file in self._files(snapshot, column, days) if days else ():
            day = self._first_day(file)
            if day not in there:
                continue
            nulls, longest = file.null_value_counts or {}, file.upper_bounds or {}
            for number, count in (file.value_counts or {}).items():
                name = self.column_names.get(number)
                if name is not None and count > nulls.get(number, 0):
                    there[day].add(name)
                    if longest.get(number, b"?"):
                        filled[day].add(name)
        return {day: (frozenset(there[day]), frozenset(filled[day])) for day in days}

    def rows_by_date(
        self, snapshot: int | None, column: str, days: Sequence[date] | None = None
    ) -> dict[date, int]:
        """Rows by partition of a date column, at a snapshot.

        Empty if the table is not partitioned by that column.

        Args:
            days: sorted; only partitions from the first to the last are read.
        """
        if not self.partitioned_by(column) or snapshot is None or (days is not None and not days):
            return {}
        counts: dict[date, int] = {}
        for file in self._files(snapshot, column, days):
            if not self._as_now(file):
                return {}
            day = self._first_day(file)
            counts[day] = counts.get(day, 0) + file.record_count
        return counts

    def _files(
        self, snapshot: int, column: str, days: Sequence[date] | None
    ) -> "Iterator[DataFile]":
        """Files of the partitions from the first to the last day; all files if `days` is None."""
        if self.table.snapshot_by_id(snapshot) is None:
            self.table.refresh()  # it has been written since
        within = f"{column} >= '{days[0]}' and {column} <= '{days[-1]}'" if days else "true"
        for task in self.table.scan(row_filter=within, snapshot_id=snapshot).plan_files():
            yield task.file


def history_of(lakehouse: "Lakehouse", identifier: str, at: int | None = None) -> History:
    """The history of a table as published now.

    Args:
        at: treat this unpublished snapshot as the published one.

    Raises:
        PipelineError: the table does not exist, or lies outside the lakehouse.
    """
    return History(identifier, lakehouse.table(identifier), at)


def existing(lakehouse: "Lakehouse", identifiers: Iterable[str]) -> dict[str, History]:
    """The histories of those tables that exist, as published now.

    Raises:
        PipelineError: one lies outside the lakehouse.
    """
    found = {name: lakehouse.find(name) for name in identifiers}
    return {name: History(name, table) for name, table in found.items() if table is not None}


def histories(lakehouse: str, names: "Collection[str]") -> dict[str, History]:
    """The histories of those tables of a local lakehouse that exist.

    Raises:
        PipelineError, Broken: the lakehouse can't be read.
    """
    return {name: History(name, table) for name, table in load_tables(lakehouse, names).items()}
