"""How changes upstream map to the refresh keys of a table.

A table's refresh key is the column by whose values its rows are recomputed: an order, a customer,
a day. A dependency mapping says which of these values an upstream row belongs to. Without one, any
change in that upstream table affects all of them, which is always right.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

from ecommerce_assets.intervals import EndOf, end_of_day, end_of_month, end_of_week


@dataclass(frozen=True)
class DependencyMapping:
    """What a table takes from one upstream table, and which refresh keys a row there affects.

    Attributes:
        key: the refresh key of an upstream row; None where a change affects all of them.
        columns: the only columns that the transformation sees: changes in others affect nothing.
            None is all.
        column: the upstream column from which the key is computed.
        end_of: for a key that is the first day of an interval: the interval's end.
        computed: the key is computed from the column, not its value.
        unless_in: another upstream table: keys that it has a row of are not affected, as that row
            determines them.
    """

    key: Callable[[], Column] | None = None
    columns: tuple[str, ...] | None = None
    column: str | None = None
    end_of: EndOf | None = None
    computed: bool = False
    unless_in: str | None = None

    @property
    def is_value(self) -> bool:
        """Whether the refresh key is the value of `column` itself."""
        return self.column is not None and not self.computed

    @property
    def prunes(self) -> bool:
        """Whether refresh keys tell which values of `column` there can be."""
        return self.is_value or self.end_of is not None


def any_change(*columns: str) -> DependencyMapping:
    """Any change in `columns` affects the whole table."""
    return DependencyMapping(columns=columns or None)


def by_column(column: str, *columns: str) -> DependencyMapping:
    """The refresh key is the value of `column`; the transformation sees `columns` alone."""
    return DependencyMapping(lambda: F.col(column), columns or None, column)


def by_hash(column: str, *columns: str, unless_in: str | None = None) -> DependencyMapping:
    """The refresh key is the surrogate key of the natural key `column`."""
    return DependencyMapping(
        lambda: F.xxhash64(column), columns or None, column, computed=True, unless_in=unless_in
    )


def by_day(column: str) -> DependencyMapping:
    """The refresh key is the day `column`."""
    return DependencyMapping(lambda: F.col(column), None, column, end_of_day)


def by_week(column: str) -> DependencyMapping:
    """The refresh key is the Monday of the week of the date `column`."""
    return DependencyMapping(lambda: F.trunc(column, "week"), None, column, end_of_week, True)


def by_month(column: str) -> DependencyMapping:
    """The refresh key is the first day of the month of the date `column`."""
    return DependencyMapping(lambda: F.trunc(column, "month"), None, column, end_of_month, True)
