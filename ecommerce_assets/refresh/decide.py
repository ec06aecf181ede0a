"""One table's decision: plan its strategy, and turn `Whole` into rows."""

from dataclasses import replace
from datetime import date
from typing import Any

from ecommerce_assets.engine.queries import all_rows
from ecommerce_assets.lakehouse.metadata import BuildRecord
from ecommerce_assets.landing.layout import INGESTION_DATE
from ecommerce_assets.refresh.decision import LandingEvidence, Nothing, Rows, VersionEvidence, Whole
from ecommerce_assets.refresh.inputs import Inputs, Known
from ecommerce_assets.refresh.planner import Planner
from ecommerce_assets.refresh.upstream import Changes, upstream_changes


def decide(planner: Planner[Any], inputs: Inputs) -> Nothing | Rows:
    """What a run has to write, given the upstream snapshots that it reads.

    Args:
        planner: of the table's strategy.

    Raises:
        DeliveryChanged: for bronze, a listed file has disappeared.
        PipelineError: for bronze, landed files can't be listed or read.
    """
    changes = upstream_changes(inputs) if inputs.table.upstream else {}
    if isinstance(changes, Nothing):
        return changes
    if isinstance(changes, Whole):
        return _whole(inputs, changes.why)
    if quicker := whole_is_quicker(inputs, changes):
        return planner.judged(inputs, changes, _whole(inputs, quicker))
    decision = planner.plan(inputs, changes)
    return _whole(inputs, decision.why) if isinstance(decision, Whole) else decision


def whole_is_quicker(inputs: Inputs, changes: Changes) -> str:
    """Why the whole table takes no longer than what changed; empty if it takes longer.

    Both give the same rows. Sizes are read from the tables' metadata. The partitions of a table
    that is refreshed by partition are known without looking for keys.
    """
    if not inputs.table.upstream or inputs.table.refreshed_by_partition:
        return ""
    if inputs.table.refresh.selects_versions and not any(
        found.removed for found in changes.values()
    ):
        return ""  # What is added is compared with what is published.
    whole = sum(inputs.upstream[name].rows for name in inputs.table.upstream)
    changed = sum(found.rows for found in changes.values())
    if whole > inputs.limits.finding_changes + changed:
        return ""
    return f"{whole:,} rows upstream, quicker read than searched for what changed"


def _whole(inputs: Inputs, why: str) -> Rows:
    upstream = {name: inputs.whole(name) for name in inputs.table.upstream}
    strategy = inputs.table.refresh
    versions = strategy.selects_versions
    dates: set[date] = set()
    if versions or strategy.key == INGESTION_DATE:
        for history in (inputs.upstream[name] for name in inputs.table.upstream):
            dates |= history.rows_by_date(history.snapshot_id, INGESTION_DATE).keys()
    return Rows(
        why,
        inputs.transformed(upstream),
        replace="true",
        dates=tuple(sorted(dates)),
        is_whole=True,
        evidence=VersionEvidence(all_rows(upstream.values())) if versions else None,
    )


def record_of(known: Known, decision: Nothing | Rows, run: str) -> BuildRecord:
    """What to record of what a table is built from.

    Args:
        run: a unique name of the run's attempt.
    """
    version = known.table.code_version
    if isinstance(seen := decision.evidence, LandingEvidence):
        return BuildRecord(
            dict(seen.fingerprints),
            version,
            run,
            other_code=seen.other_code,
            retention=seen.retention,
        )
    return BuildRecord(known.source_snapshots, version, run)


def note_of(known: Known, decision: Nothing, run: str) -> BuildRecord | None:
    """The record of a snapshot that changes no row, so that the next run compares less.

    Of tables with upstream tables, it names snapshots that do not affect them; of bronze, dates
    that the present code would read the same way. None if it says no more than the published one.
    """
    record, note = known.published.record, replace(record_of(known, decision, run), is_note=True)
    return note if record and note.says_more_than(record) else None
