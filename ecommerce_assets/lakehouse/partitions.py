"""Partitions of a table, each identified by its first day."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

EPOCH = date(1970, 1, 1)
UNPARTITIONED = date.min


@dataclass(frozen=True)
class Partitions:
    """Partitions of a table by the day or the month of a column.

    Attributes:
        column: what the table is partitioned by; None if it is not.
        monthly: whether by month; else by day.
        added, removed: first days of the partitions that gained and lost files; `UNPARTITIONED`
            for a table without partitions.
        rows: rows of the files added and removed.
    """

    column: str | None
    monthly: bool
    added: frozenset[date]
    removed: frozenset[date]
    rows: int = 0

    @property
    def firsts(self) -> frozenset[date]:
        """First days of all of them."""
        return self.added | self.removed

    def __bool__(self) -> bool:
        return bool(self.firsts)


def first_day(value: Any, *, monthly: bool = False) -> date:
    """The first day of a partition, by its value: days or months since 1970 ("Partition Transforms"
    in the Iceberg Table Spec), or a date.
    """
    if monthly:
        return date(EPOCH.year + value // 12, value % 12 + 1, 1)
    return value if isinstance(value, date) else EPOCH + timedelta(days=value)
