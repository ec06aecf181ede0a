"""The strategy of a table whose rows are recomputed key by key."""

from dataclasses import replace

from ecommerce_assets.landing.layout import INGESTION_DATE
from ecommerce_assets.model.strategies import ByKey
from ecommerce_assets.refresh.decision import Decision, Nothing, Whole
from ecommerce_assets.refresh.inputs import Inputs
from ecommerce_assets.refresh.keys import AffectedKeys
from ecommerce_assets.refresh.planner import Planner
from ecommerce_assets.refresh.replacement import replacement
from ecommerce_assets.refresh.upstream import NOTHING_CHANGED, Changes, affected_keys


class ByKeyPlanner(Planner[ByKey]):
    """Of rows that are recomputed key by key."""

    def plan(self, inputs: Inputs, changes: Changes) -> Decision:
        """The rows of the affected keys, computed from the upstream rows of these keys."""
        affected = self.affected(inputs, changes)
        if isinstance(affected, Whole):
            return affected
        if affected.none:
            return Nothing(why=NOTHING_CHANGED)
        upstream = {name: inputs.of_keys(name, affected) for name in inputs.table.upstream}
        rows = replacement(inputs, affected, inputs.transformed(upstream))
        dates = tuple(affected.values or ()) if self.strategy.key == INGESTION_DATE else ()
        return replace(rows, dates=dates)

    def affected(self, inputs: Inputs, changes: Changes) -> AffectedKeys | Whole:
        """The affected refresh keys; or why the whole table is affected."""
        return affected_keys(inputs, changes)
