"""A snapshot of a table: when, how many rows, built from what."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

SOURCES = "ecommerce.sources"
CODE_VERSION = "ecommerce.code-version"
RUN = "ecommerce.run"
OTHER_CODE = "ecommerce.dates-read-by-other-code"
NOTE = "ecommerce.note"
COMPACTED = "ecommerce.compacted"
RETENTION = "ecommerce.landing-retention"
MENDED = "ecommerce.mended"
TOTAL = "total-records"


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
class Compaction:
    """What a snapshot has instead of a record if it only rewrote files.

    Attributes:
        run: id of the maintenance.
    """

    run: str

    def summary(self) -> dict[str, str]:
        """As properties of the snapshot's summary."""
        return {COMPACTED: "true"}


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
        """Whether it only rewrote files, as compaction does; Spark's own calls that `replace`."""
        return self.operation == "replace" or COMPACTED in self.summary

    @property
    def changed_rows(self) -> int:
        """Rows of the files that it added and removed."""
        return sum(int(self.summary.get(name, 0)) for name in ("added-records", "deleted-records"))

    @property
    def from_empty(self) -> bool:
        """Whether the table had no row before it.

        Having no parent does not tell: pyiceberg forgets a parent that has expired.
        """
        if self.parent is not None or TOTAL not in self.summary:
            return False
        added, deleted = (
            int(self.summary.get(f"{what}-records", 0)) for what in ("added", "deleted")
        )
        return int(self.summary[TOTAL]) == added - deleted

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
