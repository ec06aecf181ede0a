"""The strategy of a table whose rows are recomputed key by key."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ecommerce_assets.landing.layout import INGESTION_DATE
from ecommerce_assets.refresh.decision import Decision, Nothing, Whole
from ecommerce_assets.refresh.dependency import DependencyMapping
from ecommerce_assets.refresh.inputs import Inputs
from ecommerce_assets.refresh.replacement import replacement
from ecommerce_assets.refresh.strategy import Strategy
from ecommerce_assets.refresh.upstream import NOTHING_CHANGED, Changes, affected_keys


@dataclass(frozen=True)
class ByKey(Strategy):
    """Recompute the rows of the keys affected by upstream changes.

    Attributes:
        key: the refresh key, a column of the table.
        on: by upstream table, how its rows map to refresh keys.
    """

    key: str
    on: Mapping[str, DependencyMapping] = field(default_factory=dict)

    def plan(self, inputs: Inputs, changes: Changes) -> Decision:
        """The rows of the affected keys, computed from the upstream rows of these keys."""
        affected = affected_keys(inputs, changes)
        if isinstance(affected, Whole):
            return affected
        if affected.none:
            return Nothing(why=NOTHING_CHANGED)
        frames = {name: inputs.of_keys(name, affected) for name in inputs.table.upstream}
        rows = replacement(inputs, affected, inputs.transformed(frames))
        dates = tuple(affected.values or ()) if self.key == INGESTION_DATE else ()
        return replace(rows, dates=dates)
