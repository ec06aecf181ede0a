"""The refresh keys that a run recomputes, and the rows that belong to them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from ecommerce_assets.intervals import lies_in
from ecommerce_assets.refresh.dependency import DependencyMapping, by_column
from ecommerce_assets.refresh.limits import Limits
from ecommerce_assets.sql import spark_list

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

KEY = "_refresh_key"
_PREFIX_BYTES = 24


@dataclass(frozen=True)
class AffectedKeys:
    """Distinct refresh keys.

    Attributes:
        frame: one column, `_refresh_key`.
        values: the keys, sorted, in the driver; None if there are too many.
        limits: how many keys a filter may list.
    """

    frame: "DataFrame"
    values: Sequence[Any] | None
    limits: Limits

    @property
    def none(self) -> bool:
        """Whether there are no keys."""
        return self.values is not None and not self.values

    @property
    def few(self) -> bool:
        """Whether they fit into a filter."""
        return self.values is not None and len(self.values) <= self.limits.listed_keys

    def among(self, others: "AffectedKeys") -> bool:
        """Whether these keys are known to be a subset of the others."""
        if self.values is None or others.values is None:
            return False
        return set(self.values) <= set(others.values)

    def of(self, frame: "DataFrame", mapping: DependencyMapping) -> "DataFrame":
        """The rows of an upstream frame for these keys; files without any are not read."""
        if mapping.key is None:
            return frame
        if self.none:
            return frame.where("false")
        pruned = frame
        if mapping.prunes and self.values is not None:
            pruned = frame.where(self._bounds(str(mapping.column), mapping))
            if mapping.end_of or self.few:
                return pruned
        key = mapping.key().alias(KEY)
        return pruned.select("*", key).join(F.broadcast(self.frame), KEY, "left_semi").drop(KEY)

    def within(self, frame: "DataFrame", column: str) -> "DataFrame":
        """The rows whose `column` is one of these keys."""
        return self.of(frame, by_column(column))

    def without(self, frame: "DataFrame", column: str) -> "DataFrame":
        """The rows whose `column` is none of these keys."""
        if self.few:
            return frame.where(~self._listed(column))
        keys = F.broadcast(self.frame)
        return frame.join(keys, frame[column] == keys[KEY], "left_anti")

    def _listed(self, column: str) -> "Column":
        return F.expr(f"`{column}` in ({spark_list(self.values)})") if self.values else F.lit(False)

    def _bounds(self, column: str, mapping: DependencyMapping) -> "Column":
        values = self.values or ()
        if mapping.end_of:
            return F.expr(lies_in(column, values, mapping.end_of))
        if self.few:
            return self._listed(column)
        if not isinstance(values[0], str):
            return F.lit(True)  # Surrogate keys are hashes, so every file holds some.
        bounds = F.lit(False)
        for first, last in ranges(values, self.limits.key_ranges):
            bounds |= F.col(column).between(first, last)
        return bounds


def ranges(values: Sequence[str], count: int) -> list[tuple[str, str]]:
    """Cover sorted texts by at most `count` ranges, cut at the widest gaps.

    A few old keys among many new ones then do not lead to one range over everything.
    """
    numbers = [_number(value) for value in values]
    gaps = sorted(range(1, len(values)), key=lambda i: numbers[i - 1] - numbers[i])
    cuts = [0, *sorted(gaps[: count - 1]), len(values)]
    return [(values[first], values[after - 1]) for first, after in pairwise(cuts)]


def _number(text: str) -> int:
    """A text's first bytes as a number that sorts like the text."""
    return int.from_bytes(text.encode()[:_PREFIX_BYTES].ljust(_PREFIX_BYTES, b"\0"))


def frame_of_days(spark: "SparkSession", days: Iterable[date]) -> "DataFrame":
    """A frame of refresh keys that are days."""
    dates = f"cast(array({spark_list(sorted(days))}) as array<date>)"
    return spark.sql(f"select explode({dates}) as {KEY}")
