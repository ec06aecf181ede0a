"""One table's decision: apply its strategy, and turn `Whole` into rows."""

from ecommerce_assets.landing.layout import INGESTION_DATE
from ecommerce_assets.refresh.decision import Nothing, Rows, Whole
from ecommerce_assets.refresh.inputs import Inputs
from ecommerce_assets.refresh.strategy import Strategy
from ecommerce_assets.refresh.upstream import upstream_changes


def decide(strategy: Strategy, inputs: Inputs) -> Nothing | Rows:
    """What a run has to write, given the upstream snapshots that it reads.

    Args:
        strategy: the table's.

    Raises:
        DeliveryChanged: for bronze, a listed file has disappeared.
        PipelineError: for bronze, landed files can't be listed or read.
    """
    changes = upstream_changes(inputs) if inputs.table.upstream else {}
    if isinstance(changes, Nothing):
        return changes
    decision = changes if isinstance(changes, Whole) else strategy.plan(inputs, changes)
    return _whole(strategy, inputs, decision.why) if isinstance(decision, Whole) else decision


def _whole(strategy: Strategy, inputs: Inputs, why: str) -> Rows:
    frames = {name: inputs.whole(name) for name in inputs.table.upstream}
    first = inputs.table.upstream[0]
    history = inputs.upstream[first]
    return Rows(
        why,
        inputs.transformed(frames),
        replace="true",
        dates=tuple(sorted(history.rows_by_date(history.snapshot_id, INGESTION_DATE))),
        candidates=frames[first] if strategy.selects_versions else None,
        is_whole=True,
    )
