"""Partitions of a table, each known by the first day it holds."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Partitions:
    """Partitions of a table by the day or the month of a column.

    Attributes:
        column: what the table is partitioned by; None where it is not.
        monthly: by the column's month; else by the column, a date.
        added, removed: first days of the partitions that got files, and of those that lost files;
            of a table that is not partitioned, `UNPARTITIONED`.
    """

    column: str | None
    monthly: bool
    added: frozenset[date]
    removed: frozenset[date]

    @property
    def firsts(self) -> frozenset[date]:
        """First days of all of them."""
        return self.added | self.removed

    def __bool__(self) -> bool:
        return bool(self.firsts)
