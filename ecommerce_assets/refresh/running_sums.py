"""The strategy of a table of sums: changed rows are added and subtracted."""

from ecommerce_assets.engine.queries import all_rows, query
from ecommerce_assets.model.strategies import RunningSums
from ecommerce_assets.refresh.changes import SIGN
from ecommerce_assets.refresh.decision import Decision, Nothing, Rows, Whole
from ecommerce_assets.refresh.inputs import Inputs
from ecommerce_assets.refresh.planner import Planner
from ecommerce_assets.refresh.upstream import (
    NOTHING_CHANGED,
    Changes,
    affected_keys,
    rows_that_changed,
)


class RunningSumsPlanner(Planner[RunningSums]):
    """Of sums: changed rows are added and subtracted."""

    def plan(self, inputs: Inputs, changes: Changes) -> Decision:
        """All rows, from the published sums and the changed rows."""
        own = self.strategy
        rows = rows_that_changed(inputs, own.of, changes[own.of]) if changes[own.of] else None
        if changes[own.of] and rows is None:
            return Whole(why=f"much of {own.of} changed")
        others = {name: found for name, found in changes.items() if name != own.of}
        moved = rows is not None and not rows.is_empty
        if not moved and not isinstance(affected_keys(inputs, others), Whole):
            return Nothing(why=NOTHING_CHANGED)
        held = ", ".join(f"{here} AS {there}" for there, here in own.sums.items())
        parts = [
            query(
                f"SELECT {own.key}, {held} FROM published",
                published=inputs.published_rows(),
            )
        ]
        if rows is not None:
            prepare = inputs.table.prepare[own.of]
            columns = [name for name in rows.columns if name != SIGN]
            for sign in (1, -1):
                part = prepare(rows.where(f"{SIGN} = {sign}").select(*columns))
                signed = ", ".join(f"{name} * {sign} AS {name}" for name in own.sums)
                parts.append(query(f"SELECT {own.key}, {signed} FROM part", part=part))
        totals = ", ".join(
            f"CAST(sum({there}) AS {inputs.table.kinds[here]}) AS {there}"
            for there, here in own.sums.items()
        )
        counted = next(iter(own.sums))
        sums = query(
            f"""
            SELECT * FROM (SELECT {own.key}, {totals} FROM parts GROUP BY {own.key}) AS sums
            WHERE {counted} <> 0""",
            parts=all_rows(parts),
        )
        upstream = {name: inputs.whole(name) for name in others} | {own.of: sums}
        why = f"sums brought up to date with the rows of {own.of} that changed"
        return Rows(why, inputs.transformed(upstream), replace="true")
