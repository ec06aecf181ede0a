"""A table's snapshots from its metadata file: when, how many rows, built from what.

The document is defined by the Iceberg Table Spec, "Table metadata".
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

SOURCES = "ecommerce.sources"
CODE_VERSION = "ecommerce.code-version"
RUN = "ecommerce.run"
OTHER_CODE = "ecommerce.dates-read-by-other-code"
NOTE = "ecommerce.note"
RETENTION = "ecommerce.landing-retention"
MENDED = "ecommerce.mended"
TOTALS = "ecommerce.totals"  # a property of the table
MONTH = "_month"  # suffix of Iceberg's name for a partition by month
UNPARTITIONED = date.min
PARTITION = "partitions."  # prefix of a partition's figures in a snapshot's summary


@dataclass(frozen=True)
class BuildRecord:
    """What a snapshot was built from; stored in the snapshot's summary.

    Attributes:
        sources: for a table with upstream tables, their snapshot ids by identifier (None where
            one was empty); for bronze, the fingerprint of each date's delivery that the run read.
        code_version: version of the code that built it.
        run: id of the run that built it.
        is_note: the snapshot changes no row; it records that new upstream snapshots do not affect
            the table, so that the next run compares less.
        other_code: for bronze: the dates read by another version of the code, as intervals; None
            for other tables.
        retention: for bronze: what landing has let go by then (see `landing.retention`); None for
            other tables.
        is_mended: files of the snapshot before had been lost, so that the two can't be compared.
    """

    sources: dict[str, Any]
    code_version: str
    run: str
    is_note: bool = False
    other_code: tuple[str, ...] | None = None
    retention: Mapping[str, Any] | None = None
    is_mended: bool = False

    def says_more_than(self, record: "BuildRecord") -> bool:
        """Whether a note with this record, following `record`, adds anything."""
        if self.other_code is None:
            return self.sources != record.sources
        return (self.code_version, self.other_code, self.landing_days) != (
            record.code_version, record.other_code, record.landing_days
        )  # fmt: skip

    @property
    def landing_days(self) -> int:
        """Days that landing kept deliveries by then; 0 forever."""
        return int(self.retention["days"]) if self.retention else 0

    def summary(self) -> dict[str, str]:
        """As properties of the snapshot's summary."""
        summary = {
            SOURCES: json.dumps(self.sources),
            CODE_VERSION: self.code_version,
            RUN: self.run,
        }
        if self.is_note:
            summary[NOTE] = "true"
        if self.other_code is not None:
            summary[OTHER_CODE] = json.dumps(self.other_code)
        if self.retention is not None:
            summary[RETENTION] = json.dumps(self.retention)
        if self.is_mended:
            summary[MENDED] = "true"
        return summary


@dataclass(frozen=True)
class Snapshot:
    """One snapshot of a table."""

    id: int
    parent: int | None
    committed: datetime
    summary: Mapping[str, str]

    @property
    def operation(self) -> str:
        """Iceberg's name of the operation."""
        return self.summary.get("operation", "")

    @property
    def rows_unchanged(self) -> bool:
        """Whether it only rewrote files, as compaction does."""
        return self.operation == "replace"

    @property
    def changed_rows(self) -> int:
        """Rows of the files that it added and removed."""
        return sum(int(self.summary.get(name, 0)) for name in ("added-records", "deleted-records"))

    @property
    def record(self) -> BuildRecord | None:
        """What it was built from; None without a readable record."""
        try:
            sources = json.loads(self.summary[SOURCES])
            if not isinstance(sources, dict):
                return None
            other = self.summary.get(OTHER_CODE)
            return BuildRecord(
                sources,
                self.summary[CODE_VERSION],
                self.summary[RUN],
                NOTE in self.summary,
                None if other is None else tuple(json.loads(other)),
                json.loads(self.summary[RETENTION]) if RETENTION in self.summary else None,
                MENDED in self.summary,
            )
        except (KeyError, ValueError):
            return None


class TableMetadata:
    """A table's published snapshots.

    Args:
        document: the metadata file.
        at: id of a snapshot to treat as the published one.
    """

    def __init__(self, document: Mapping[str, Any], at: int | None = None) -> None:
        self._snapshots = {
            found["snapshot-id"]: Snapshot(
                found["snapshot-id"],
                found.get("parent-snapshot-id"),
                datetime.fromtimestamp(found["timestamp-ms"] / 1000, UTC),
                found.get("summary") or {},
            )
            for found in document.get("snapshots") or []
        }
        main = (document.get("refs") or {}).get("main")
        head = at or (main and main["snapshot-id"])
        self.current = self._snapshots.get(head) if head else None
        self.properties: Mapping[str, str] = document["properties"]
        self.location: str = document["location"]
        self.spec_id: int = document["default-spec-id"]
        (fields,) = [
            spec["fields"]
            for spec in document["partition-specs"]
            if spec["spec-id"] == self.spec_id
        ]
        self.column_names: dict[int, str] = {
            field["id"]: field["name"]
            for schema in document["schemas"]
            if schema["schema-id"] == document["current-schema-id"]
            for field in schema["fields"]
        }
        self.partition_field: str | None = fields[0]["name"] if fields else None
        self.partition_transforms = [
            self.column_names[field["source-id"]]
            if field["transform"] == "identity"
            else f"{field['transform']}s({self.column_names[field['source-id']]})"
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

    def partitioned_by(self, column: str) -> bool:
        """Whether the table is partitioned by this column's values."""
        return self.partition_field == column

    def summarized_rows(self, column: str, days: Sequence[date]) -> dict[date, int] | None:
        """Rows by partition of a date column, from the snapshots' summaries.

        For tables whose partitions are only replaced as a whole: the last snapshot that changed a
        partition added all of its rows. Empty if the table is not partitioned by that column; None
        if the summary of a partition has expired, or if none was written.
        """
        if not self.partitioned_by(column):
            return {}
        left = {f"{PARTITION}{column}={day}": day for day in days}
        rows: dict[date, int] = {}
        for snapshot in self.back_from(self.snapshot_id):
            if snapshot.changed_rows and not snapshot.rows_unchanged:
                if snapshot.summary.get("partition-summaries-included") != "true":
                    return None
                for name in left.keys() & snapshot.summary.keys():
                    added = re.search(r"added-records=(\d+)", snapshot.summary[name])
                    rows[left.pop(name)] = int(added[1]) if added else 0
            if not left:
                return rows
            if snapshot.parent is None:
                return rows | dict.fromkeys(left.values(), 0)
        return None

    def first_day(self, path: str) -> date:
        """First day of a partition, by its path `name=value`."""
        if self.partition_field is None:
            return UNPARTITIONED
        text = path.partition("=")[2]
        return date.fromisoformat(f"{text}-01" if self.monthly else text)
