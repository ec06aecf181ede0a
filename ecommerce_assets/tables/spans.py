"""Spans of days (a day, a week, a month), each named by its first day; SQL that prunes by them."""

from collections.abc import Callable, Iterable
from datetime import date, timedelta

After = Callable[[date], date]


def after_day(first: date) -> date:
    """The first day after a day."""
    return first + timedelta(days=1)


def after_week(first: date) -> date:
    """The first day after the week that begins on a Monday."""
    return first + timedelta(days=7)


def after_month(first: date) -> date:
    """The first day after the month that begins on a first."""
    return (first + timedelta(days=31)).replace(day=1)


def within(column: str, firsts: Iterable[date], after: After) -> str:
    """SQL that is true where a date or time column lies in one of the spans; neighbours as one."""
    joined: list[tuple[date, date]] = []
    for first in sorted(firsts):
        if joined and joined[-1][1] == first:
            joined[-1] = (joined[-1][0], after(first))
        else:
            joined.append((first, after(first)))
    conditions = [
        f"(`{column}` >= date'{first}' and `{column}` < date'{end}')" for first, end in joined
    ]
    return " or ".join(conditions) or "false"
