"""How upstream changes map to a table's refresh keys.

Rows are recomputed by refresh key: an order, a customer, a day. A dependency mapping gives the
refresh key of an upstream row. Without a mapping, any change of the upstream table affects all
keys, which is always correct.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ecommerce_assets.intervals import EndOf, end_of_day, end_of_month, end_of_week


@dataclass(frozen=True)
class DependencyMapping:
    """What a table reads from one upstream table, and which refresh keys a row of it affects.

    Attributes:
        key: SQL of the refresh key of an upstream row; None if a change affects all keys.
        columns: the only columns that the transformation sees, so that changes of others affect
            nothing; None for all.
        column: the upstream column from which the key is computed.
        end_of: if the key is the first day of an interval: computes the interval's end.
        computed: whether the key is computed from the column instead of being its value.
        unless_in: another upstream table, whose rows determine their keys alone: keys found there
            are not affected.
        through: other upstream tables, whose rows that match have the keys in `column`: for each,
            the columns of the upstream row, and those of that table which equal them.
    """

    key: str | None = None
    columns: tuple[str, ...] | None = None
    column: str | None = None
    end_of: EndOf | None = None
    computed: bool = False
    unless_in: str | None = None
    through: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()

    @property
    def is_value(self) -> bool:
        """Whether the refresh key is the value of `column` itself."""
        return self.column is not None and not self.computed

    @property
    def prunes(self) -> bool:
        """Whether the refresh keys restrict the values of `column`."""
        return self.is_value or self.end_of is not None


def any_change(*columns: str) -> DependencyMapping:
    """Any change in `columns` affects the whole table."""
    return DependencyMapping(columns=columns or None)


def by_column(column: str, *columns: str) -> DependencyMapping:
    """The refresh key is the value of `column`; the transformation sees only `columns`."""
    return DependencyMapping(column, columns or None, column)


def by_hash(column: str, *columns: str, unless_in: str | None = None) -> DependencyMapping:
    """The refresh key is the surrogate key of the natural key `column`."""
    key = f"surrogate_key({column})"
    return DependencyMapping(key, columns or None, column, computed=True, unless_in=unless_in)


def by_match(column: str, through: Mapping[str, Mapping[str, str]]) -> DependencyMapping:
    """The refresh keys are the `column` of the rows of other upstream tables that match.

    The transformation sees the whole table.

    Args:
        through: by such a table: by column of the upstream row, the table's that equals it.
    """
    matches = tuple((table, tuple(same.items())) for table, same in through.items())
    return DependencyMapping(column=column, computed=True, through=matches)


def by_day(column: str) -> DependencyMapping:
    """The refresh key is the day `column`."""
    return DependencyMapping(column, None, column, end_of_day)


def by_week(column: str) -> DependencyMapping:
    """The refresh key is the Monday of the week of the date `column`."""
    return DependencyMapping(_first_of("week", column), None, column, end_of_week, True)


def by_month(column: str) -> DependencyMapping:
    """The refresh key is the first day of the month of the date `column`."""
    return DependencyMapping(_first_of("month", column), None, column, end_of_month, True)


def _first_of(interval: str, column: str) -> str:
    return f"CAST(date_trunc('{interval}', {column}) AS DATE)"
