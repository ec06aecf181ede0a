"""The strategy of a table that is recomputed as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ecommerce_assets.refresh.decision import Decision, Nothing, Whole
from ecommerce_assets.refresh.dependency import DependencyMapping
from ecommerce_assets.refresh.inputs import Inputs
from ecommerce_assets.refresh.strategy import Strategy
from ecommerce_assets.refresh.upstream import NOTHING_CHANGED, Changes, affected_keys


@dataclass(frozen=True)
class Full(Strategy):
    """Recompute the table whenever something that it depends on has changed.

    Attributes:
        on: by upstream table, `any_change` of the columns that it depends on.
    """

    on: Mapping[str, DependencyMapping] = field(default_factory=dict)
    key: None = field(default=None, init=False)

    def plan(self, inputs: Inputs, changes: Changes) -> Decision:
        """The whole table, or nothing if no column that it depends on has changed."""
        affected = affected_keys(inputs, changes)
        return affected if isinstance(affected, Whole) else Nothing(why=NOTHING_CHANGED)
