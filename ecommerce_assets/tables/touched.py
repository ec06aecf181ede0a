"""The units that a run touches, and the rows that belong to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from ecommerce_assets.tables.follows import Follow, by
from ecommerce_assets.tables.spans import within
from ecommerce_assets.tables.sql import listed

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

UNIT = "_unit"
LISTED = 200  # values that Iceberg compares with a file's bounds one by one
RANGES = 16
_BYTES = 24


@dataclass(frozen=True)
class Touched:
    """Distinct units.

    Attributes:
        frame: one column, `_unit`.
        values: the same in the driver, sorted; None where they are too many for that.
    """

    frame: "DataFrame"
    values: Sequence[Any] | None

    def among(self, others: "Touched") -> bool:
        """Whether all of these units are known to be among the others."""
        if self.values is None or others.values is None:
            return False
        return set(self.values) <= set(others.values)

    def of(self, frame: "DataFrame", follow: Follow) -> "DataFrame":
        """The rows of an upstream frame that belong to these units; other files are not read."""
        if follow.unit is None:
            return frame
        if self.values is not None and not self.values:
            return frame.where("false")
        pruned = frame
        if follow.prunes and self.values is not None:
            pruned = frame.where(self._bounds(str(follow.column), follow))
            if follow.span or len(self.values) <= LISTED:
                return pruned
        unit = follow.unit().alias(UNIT)
        return pruned.select("*", unit).join(F.broadcast(self.frame), UNIT, "left_semi").drop(UNIT)

    def within(self, frame: "DataFrame", unit: str) -> "DataFrame":
        """The rows whose column `unit` is one of these units."""
        return self.of(frame, by(unit))

    def without(self, frame: "DataFrame", unit: str) -> "DataFrame":
        """The rows whose column `unit` is none of these units."""
        if self.values is not None and len(self.values) <= LISTED:
            return frame.where(~self._listed(unit))
        units = F.broadcast(self.frame)
        return frame.join(units, frame[unit] == units[UNIT], "left_anti")

    def _listed(self, column: str) -> "Column":
        return F.expr(f"`{column}` in ({listed(self.values)})") if self.values else F.lit(False)

    def _bounds(self, column: str, follow: Follow) -> "Column":
        values = self.values or ()
        if follow.span:
            return F.expr(within(column, values, follow.span))
        if len(values) <= LISTED:
            return self._listed(column)
        if not isinstance(values[0], str):
            return F.lit(True)  # Surrogate keys lie anywhere.
        bounds = F.lit(False)
        for first, last in ranges(values):
            bounds |= F.col(column).between(first, last)
        return bounds


def ranges(values: Sequence[str]) -> list[tuple[str, str]]:
    """Sorted texts as few ranges that hold them all, cut where the gaps are widest.

    So a few old keys among many new ones do not make a range that spans everything.
    """
    numbers = [_number(value) for value in values]
    gaps = sorted(range(1, len(values)), key=lambda i: numbers[i - 1] - numbers[i])
    cuts = [0, *sorted(gaps[: RANGES - 1]), len(values)]
    return [(values[first], values[after - 1]) for first, after in pairwise(cuts)]


def _number(text: str) -> int:
    """A text's first bytes as a number, in the order of the texts."""
    return int.from_bytes(text.encode()[:_BYTES].ljust(_BYTES, b"\0"))
