"""The refresh keys that a run recomputes, and the rows that belong to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ecommerce_assets.engine.queries import query
from ecommerce_assets.engine.relation import Relation
from ecommerce_assets.intervals import lies_in
from ecommerce_assets.model.dependency import DependencyMapping, by_column
from ecommerce_assets.refresh.limits import Limits
from ecommerce_assets.sql import ansi_literal

KEY = "_refresh_key"
_PREFIX_BYTES = 24


@dataclass(frozen=True)
class AffectedKeys:
    """Distinct refresh keys.

    Attributes:
        relation: one column, `_refresh_key`.
        values: the keys, sorted, in the driver; None if there are too many.
        limits: how many keys a filter may list.
    """

    relation: Relation
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

    def of(self, rows: Relation, mapping: DependencyMapping) -> Relation:
        """The rows of an upstream table for these keys; files without any are not read."""
        if mapping.key is None:
            return rows
        if self.none:
            return rows.where("false")
        pruned = rows
        if mapping.prunes and self.values is not None:
            pruned = rows.where(self._bounds(str(mapping.column), mapping))
            if mapping.end_of or self.few:
                return pruned
        return self._joined("SEMI", pruned, mapping.key)

    def within(self, rows: Relation, column: str) -> Relation:
        """The rows whose `column` is one of these keys."""
        return self.of(rows, by_column(column))

    def without(self, rows: Relation, column: str) -> Relation:
        """The rows whose `column` is none of these keys."""
        if self.few:
            return rows.where(f"NOT ({self._listed(column)})")
        return self._joined("ANTI", rows, column)

    def _joined(self, how: str, rows: Relation, key: str) -> Relation:
        return query(
            f"SELECT given.* FROM given {how} JOIN affected ON {key} = affected.{KEY}",
            given=rows,
            affected=self.relation.joined_by("broadcast"),
        )

    def _listed(self, column: str) -> str:
        listed = ", ".join(map(ansi_literal, self.values or ()))
        return f"{column} IN ({listed})" if listed else "false"

    def _bounds(self, column: str, mapping: DependencyMapping) -> str:
        values = self.values or ()
        if mapping.end_of:
            return lies_in(column, values, mapping.end_of)
        if self.few:
            return self._listed(column)
        if not isinstance(values[0], str):
            return "true"  # Surrogate keys are hashes, so every file holds some.
        return " OR ".join(
            f"{column} BETWEEN {ansi_literal(first)} AND {ansi_literal(last)}"
            for first, last in ranges(values, self.limits.key_ranges)
        )


def keys_of(rows: Relation, key: str) -> Relation:
    """The refresh keys of rows, one for each row."""
    return query(f"SELECT {key} AS {KEY} FROM given", given=rows)


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
