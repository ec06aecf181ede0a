"""The strategy of a table that is recomputed as a whole."""

from ecommerce_assets.model.strategies import Full
from ecommerce_assets.refresh.decision import Decision, Nothing, Whole
from ecommerce_assets.refresh.inputs import Inputs
from ecommerce_assets.refresh.planner import Planner
from ecommerce_assets.refresh.upstream import NOTHING_CHANGED, Changes, affected_keys


class FullPlanner(Planner[Full]):
    """Of a table that is recomputed as a whole."""

    def plan(self, inputs: Inputs, changes: Changes) -> Decision:
        """The whole table, or nothing if no column that it depends on has changed."""
        affected = affected_keys(inputs, changes)
        return affected if isinstance(affected, Whole) else Nothing(why=NOTHING_CHANGED)
