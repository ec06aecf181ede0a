"""What landing has let go: from which date on it still holds every file of a delivery."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any


@dataclass(frozen=True)
class Retention:
    """How long landing keeps deliveries; recorded with each snapshot of a bronze table.

    Attributes:
        days: that it keeps them; 0 forever.
        complete_from: first date of which no file has been let go; None if that is all of them.
    """

    days: int = 0
    complete_from: date | None = None

    def on(self, today: date, days: int) -> "Retention":
        """The retention today.

        A longer setting brings nothing back: what an earlier one has let go stays incomplete.

        Args:
            days: the present setting.
        """
        first = [self.complete_from, kept_from(self.days, today), kept_from(days, today)]
        return Retention(days, max((day for day in first if day), default=None))

    def has_let_go(self, day: date) -> bool:
        """Whether files of the date may be gone."""
        return self.complete_from is not None and day < self.complete_from

    def as_record(self) -> dict[str, Any]:
        """As JSON."""
        first = self.complete_from
        return {"days": self.days, "complete_from": first.isoformat() if first else None}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Retention":
        """The inverse of `as_record`."""
        first = record["complete_from"]
        return cls(record["days"], date.fromisoformat(first) if first else None)


def kept_from(landing_days: int, today: date) -> date | None:
    """The first date whose deliveries are all still in landing; None if it keeps all.

    A delivery may be uploaded a day before its date, where that has begun before UTC's, and S3
    removes it at midnight.
    """
    return today - timedelta(days=landing_days - 2) if landing_days else None
