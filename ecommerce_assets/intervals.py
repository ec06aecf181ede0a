"""Intervals of days: days, weeks and months, each identified by its first day."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta

EndOf = Callable[[date], date]


@dataclass(frozen=True)
class Interval:
    """The days from `start` up to, not including, `end`."""

    start: date
    end: date

    @property
    def last(self) -> date:
        """Its last day."""
        return self.end - timedelta(days=1)


def end_of_day(start: date) -> date:
    """The day after."""
    return start + timedelta(days=1)


def end_of_week(start: date) -> date:
    """The first day after the week that begins on `start`, a Monday."""
    return start + timedelta(days=7)


def end_of_month(start: date) -> date:
    """The first day after the month that begins on `start`, its first."""
    return (start + timedelta(days=31)).replace(day=1)


def merged(
    starts: Iterable[date], end_of: EndOf = end_of_day, gap: timedelta = timedelta()
) -> list[Interval]:
    """Sorted intervals; adjacent ones, or those at most `gap` apart, are merged."""
    found: list[Interval] = []
    for start in sorted(starts):
        if found and start - found[-1].end <= gap:
            found[-1] = Interval(found[-1].start, end_of(start))
        else:
            found.append(Interval(start, end_of(start)))
    return found


def written(days: Iterable[date]) -> tuple[str, ...]:
    """Days as inclusive ISO 8601 intervals: `2024-01-01/2024-01-05`."""
    return tuple(f"{interval.start}/{interval.last}" for interval in merged(days))


def days_in(texts: Iterable[str]) -> set[date]:
    """The days of such intervals."""
    days: set[date] = set()
    for text in texts:
        first, last = map(date.fromisoformat, text.split("/"))
        days |= {first + timedelta(days=n) for n in range((last - first).days + 1)}
    return days


def lies_in(column: str, starts: Iterable[date], end_of: EndOf = end_of_day) -> str:
    """SQL condition, in any dialect: a date or time column lies in one of the intervals."""
    conditions = [
        f"({column} >= DATE '{interval.start}' AND {column} < DATE '{interval.end}')"
        for interval in merged(starts, end_of)
    ]
    return f"({' OR '.join(conditions)})" if conditions else "false"
