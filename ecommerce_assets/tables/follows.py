"""How a table follows its upstream tables: which of its rows a changed row there touches.

A table that declares nothing here is recomputed as a whole when anything upstream has changed,
which is always right. One that says which of its *units* (its rows of an order, of a day, of a
customer) an upstream row belongs to is recomputed for the touched units alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

from ecommerce_assets.tables.spans import After, after_day, after_month, after_week


@dataclass(frozen=True)
class Follow:
    """What a table takes from one upstream table.

    Attributes:
        unit: the unit of an upstream row; None where any changed row touches all units.
        columns: the only columns the transformation sees, so that others may change unnoticed;
            None is all.
        column: the upstream column the unit comes from.
        span: for units that are spans of days, named by their first: the first day after.
        computed: the unit is made from the column, not its value.
        lacking: another upstream table: rows of units that it has are not looked at, as its rows
            say all there is to say of them.
    """

    unit: Callable[[], Column] | None = None
    columns: tuple[str, ...] | None = None
    column: str | None = None
    span: After | None = None
    computed: bool = False
    lacking: str | None = None

    @property
    def plain(self) -> bool:
        """Whether the unit is the value of `column` itself."""
        return self.column is not None and not self.computed

    @property
    def prunes(self) -> bool:
        """Whether the units say which values of `column` there can be."""
        return self.plain or self.span is not None


def whole(*columns: str) -> Follow:
    """Any change in `columns` touches the whole table."""
    return Follow(columns=columns or None)


def by(column: str, *columns: str) -> Follow:
    """The unit is the value of `column`."""
    return Follow(lambda: F.col(column), columns or None, column)


def by_hash(column: str, *columns: str, lacking: str | None = None) -> Follow:
    """The unit is the surrogate key of the natural key `column`."""
    return Follow(
        lambda: F.xxhash64(column), columns or None, column, computed=True, lacking=lacking
    )


def by_day(column: str) -> Follow:
    """The unit is the day `column`."""
    return Follow(lambda: F.col(column), None, column, after_day)


def by_week(column: str) -> Follow:
    """The unit is the Monday of the week of the date `column`."""
    return Follow(lambda: F.trunc(column, "week"), None, column, after_week, True)


def by_month(column: str) -> Follow:
    """The unit is the first day of the month of the date `column`."""
    return Follow(
        lambda: F.trunc(column, "month"),
        None,
        column,
        after_month,
        True,
    )
