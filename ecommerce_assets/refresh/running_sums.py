"""The strategy of a table of sums: changed rows are added and subtracted."""

from ecommerce_assets.engine.queries import all_rows, query
from ecommerce_assets.engine.relation import Relation
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
        summed = self.strategy.of
        moved: dict[str, Relation] = {}
        for name in summed:
            rows = rows_that_changed(inputs, name, changes[name]) if changes[name] else None
            if changes[name] and rows is None:
                return Whole(why=f"much of {name} changed")
            if rows is not None and not rows.is_empty:
                moved[name] = rows
        others = {name: found for name, found in changes.items() if name not in summed}
        if not moved and not isinstance(affected_keys(inputs, others), Whole):
            return Nothing(why=NOTHING_CHANGED)
        upstream = {name: inputs.whole(name) for name in others}
        upstream |= {name: self._sums(inputs, name, moved.get(name)) for name in summed}
        why = (
            f"sums brought up to date with the rows of {' and '.join(moved) or 'none'} that changed"
        )
        return Rows(why, inputs.transformed(upstream), replace="true")

    def _sums(self, inputs: Inputs, name: str, moved: Relation | None) -> Relation:
        """A prepared upstream table, from the published sums and its rows that changed."""
        key, sums = self.strategy.key, self.strategy.of[name]
        held = ", ".join(f"{here} AS {there}" for there, here in sums.items())
        counted, published = next(iter(sums)), inputs.published_rows()
        parts = [query(f"SELECT {key}, {held} FROM published", published=published)]
        if moved is not None:
            prepare = inputs.table.prepare[name]
            columns = [column for column in moved.columns if column != SIGN]
            for sign in (1, -1):
                part = prepare(moved.where(f"{SIGN} = {sign}").select(*columns))
                signed = ", ".join(f"{there} * {sign} AS {there}" for there in sums)
                parts.append(query(f"SELECT {key}, {signed} FROM part", part=part))
        totals = ", ".join(
            f"CAST(sum({there}) AS {inputs.table.kinds[here]}) AS {there}"
            for there, here in sums.items()
        )
        return query(
            f"""
            SELECT * FROM (SELECT {key}, {totals} FROM parts GROUP BY {key}) AS sums
            WHERE {counted} <> 0""",
            parts=all_rows(parts),
        )
