"""The strategy of a table of sums: changed rows are added and subtracted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce

from pyspark.sql import functions as F

from ecommerce_assets.refresh.changes import SIGN
from ecommerce_assets.refresh.decision import Decision, Nothing, Rows, Whole
from ecommerce_assets.refresh.dependency import DependencyMapping
from ecommerce_assets.refresh.inputs import Inputs
from ecommerce_assets.refresh.strategy import Strategy
from ecommerce_assets.refresh.upstream import (
    NOTHING_CHANGED,
    Changes,
    affected_keys,
    rows_that_changed,
)


@dataclass(frozen=True)
class RunningSums(Strategy):
    """Add the new values of changed upstream rows and subtract their old values.

    All rows of the table are then derived from the sums, since any sum may move the ranks.

    Attributes:
        of: the upstream table that its `prepare` sums.
        key: the grouping column, in both tables.
        sums: by column of the prepared table, the column of this table that holds it. The first one
            is a count: a row exists only if it is not 0.
        on: for other upstream tables, `any_change` of the relevant columns.
    """

    of: str
    key: str
    sums: Mapping[str, str]
    on: Mapping[str, DependencyMapping] = field(default_factory=dict)

    @property
    def keeps_sums(self) -> bool:
        """True."""
        return True

    def visible_columns(self, upstream: str) -> tuple[str, ...]:
        """For the summed table: only the columns that can be updated incrementally."""
        return (self.key, *self.sums) if upstream == self.of else ()

    def plan(self, inputs: Inputs, changes: Changes) -> Decision:
        """All rows, from the published sums and the changed rows."""
        rows = rows_that_changed(inputs, self.of, changes[self.of]) if changes[self.of] else None
        if changes[self.of] and rows is None:
            return Whole(why=f"much of {self.of} changed")
        others = {name: found for name, found in changes.items() if name != self.of}
        moved = rows is not None and not rows.isEmpty()
        if not moved and not isinstance(affected_keys(inputs, others), Whole):
            return Nothing(why=NOTHING_CHANGED)
        published = [F.col(here).alias(there) for there, here in self.sums.items()]
        parts = [inputs.published_rows().select(self.key, *published)]
        if rows is not None:
            prepare = inputs.table.prepare[self.of]
            for sign in (1, -1):
                part = prepare(rows.where(F.col(SIGN) == sign).drop(SIGN))
                signed = [(F.col(name) * sign).alias(name) for name in self.sums]
                parts.append(part.select(self.key, *signed))
        kinds = {name: parts[0].schema[name].dataType for name in self.sums}
        total = reduce(lambda a, b: a.unionAll(b), parts).groupBy(self.key)
        totals = [F.sum(name).cast(kinds[name]).alias(name) for name in self.sums]
        sums = total.agg(*totals).where(F.col(next(iter(self.sums))) != 0)
        frames = {name: inputs.whole(name) for name in others} | {self.of: sums}
        why = f"sums brought up to date with the rows of {self.of} that changed"
        return Rows(why, inputs.transformed(frames), replace="true")
