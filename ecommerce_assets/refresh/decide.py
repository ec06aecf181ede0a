"""One table's decision: apply its strategy, and turn `Whole` into rows."""

from datetime import date

from ecommerce_assets.landing.layout import INGESTION_DATE
from ecommerce_assets.refresh.decision import Nothing, Rows, Whole
from ecommerce_assets.refresh.inputs import Inputs, all_rows
from ecommerce_assets.refresh.strategy import Strategy
from ecommerce_assets.refresh.upstream import Changes, upstream_changes


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
    if isinstance(changes, Whole):
        return _whole(strategy, inputs, changes.why)
    if quicker := whole_is_quicker(strategy, inputs, changes):
        return strategy.judged(inputs, changes, _whole(strategy, inputs, quicker))
    decision = strategy.plan(inputs, changes)
    return _whole(strategy, inputs, decision.why) if isinstance(decision, Whole) else decision


def whole_is_quicker(strategy: Strategy, inputs: Inputs, changes: Changes) -> str:
    """Why the whole table takes no longer than what changed; empty if it takes longer.

    Both give the same rows. Sizes are read from the tables' metadata. The partitions of a table
    that is refreshed by partition are known without looking for keys.
    """
    if not inputs.table.upstream or inputs.table.partitioned_by == (strategy.key,):
        return ""
    if strategy.selects_versions and not any(found.removed for found in changes.values()):
        return ""  # What is added is compared with what is published.
    whole = sum(inputs.upstream[name].rows for name in inputs.table.upstream)
    changed = sum(found.rows for found in changes.values())
    if whole > inputs.limits.finding_changes + changed:
        return ""
    return f"{whole:,} rows upstream, quicker read than searched for what changed"


def _whole(strategy: Strategy, inputs: Inputs, why: str) -> Rows:
    frames = {name: inputs.whole(name) for name in inputs.table.upstream}
    versions = strategy.selects_versions
    dates: set[date] = set()
    if versions or strategy.key == INGESTION_DATE:
        for history in (inputs.upstream[name] for name in inputs.table.upstream):
            dates |= history.rows_by_date(history.snapshot_id, INGESTION_DATE).keys()
    return Rows(
        why,
        inputs.transformed(frames),
        replace="true",
        dates=tuple(sorted(dates)),
        candidates=all_rows(frames.values()) if versions else None,
        is_whole=True,
    )
