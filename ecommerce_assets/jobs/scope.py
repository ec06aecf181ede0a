"""A table's snapshot on its branch, and what its audits may read."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from ecommerce_assets.engine.relation import Observed, Relation
from ecommerce_assets.jobs.arguments import JobArguments
from ecommerce_assets.jobs.audit import totals_version
from ecommerce_assets.lakehouse.history import History, existing
from ecommerce_assets.lakehouse.staging import Staged
from ecommerce_assets.landing.files import line_in
from ecommerce_assets.landing.layout import INGESTION_DATE
from ecommerce_assets.model.audit import Finding
from ecommerce_assets.refresh.decision import Rows
from ecommerce_assets.refresh.inputs import Inputs
from ecommerce_assets.refresh.run_cache import Figure
from ecommerce_assets.tables import all_tables
from ecommerce_assets.tables.audits import Before, Filled, Scope
from ecommerce_assets.tables.personal import personal_columns, shown

if TYPE_CHECKING:
    from pyiceberg.schema import Schema


@dataclass
class Written:
    """A table's new snapshot on its branch, not yet audited.

    Attributes:
        inputs: what the table was refreshed from.
        decision: which rows were written, and why.
        branch: where they were written.
        observation: aggregates of the rows, taken while they were written.
        key_apart: whether the key is checked by a Spark job of its own.
        schema: the finding on the schema, known before the write.
        columns: the columns that were written.
        seconds: how long it took to write.
    """

    inputs: Inputs
    decision: Rows
    branch: Staged
    observation: Observed
    key_apart: bool
    schema: Finding
    columns: "Schema"
    seconds: float

    def observed(self) -> Mapping[str, Any]:
        """Aggregates of the written rows; each is None if no row was written."""
        # Without rows, Spark may never fill the observation.
        return self.observation() if self.branch.added else defaultdict(lambda: None)


def scope_of(
    written: Written,
    counted: Mapping[date, int],
    against: Mapping[str, History],
    arguments: JobArguments,
) -> Scope:
    """The scope of a table's audits.

    Args:
        written: the snapshot.
        counted: rows by ingestion date, for the run's dates and those that audits look back to.
        against: further tables that it is audited against.
        arguments: of the job.
    """
    inputs, decision, branch = written.inputs, written.decision, written.branch
    histories = {**inputs.upstream, **against}
    tables = {name: inputs.at(name, found.snapshot_id) for name, found in histories.items()}
    published = inputs.published
    return Scope(
        snapshot=inputs.at(inputs.table.identifier, branch.snapshot),
        rows=branch.rows,
        added=branch.added,
        upstream=tables,
        affected=decision.affected,
        dates=decision.dates,
        evidence=decision.evidence,
        received=lambda days: _received(inputs, days),
        observed=written.observed(),
        figure=lambda name, what, compute: inputs.cache.figure(
            Figure(name, histories[name].snapshot_id, what), lambda: compute(tables[name])
        ),
        rows_by_date=counted,
        upstream_rows=lambda name: histories[name].rows,
        thresholds=arguments.thresholds,
        allow_removal=arguments.allow_removal,
        rows_before=inputs.rows_by_date(published.snapshot_id, sorted(counted)),
        filled=lambda days: {
            day: Filled(*found)
            for day, found in published.filled_columns(
                branch.snapshot, INGESTION_DATE, days
            ).items()
        },
        consult=_consult(inputs),
        before=_before(inputs, decision),
        line_of=_line_of(arguments),
        shown=shown,
        is_personal=lambda column: column.lower() in personal_columns(),
    )


def _line_of(arguments: JobArguments) -> Callable[[str, int], int | None]:
    """Finds the line of a record where the job may read deliveries; on AWS, only bronze's may."""
    if "://" in arguments.landing:
        return lambda file, row_number: None
    return partial(line_in, arguments.landing, arguments.request.sources)


def _before(inputs: Inputs, decision: Rows) -> Before | None:
    """The audit of the published snapshot, if this run changes only some of its rows."""
    table, record = inputs.table, inputs.published.record
    version = totals_version(all_tables()[table.identifier])
    if version is None or decision.affected is None or record is None:
        return None
    totals = inputs.published.totals(version)
    if totals is None:
        return None
    return Before(totals, {name: inputs.at(name, record.sources[name]) for name in table.upstream})


def _received(inputs: Inputs, days: Sequence[date]) -> dict[date, int]:
    """Rows of the upstream tables by ingestion date."""
    found: Counter[date] = Counter()
    for history in (inputs.upstream[name] for name in inputs.table.upstream):
        found.update(history.rows_by_date(history.snapshot_id, INGESTION_DATE, days))
    return dict(found)


def _consult(inputs: Inputs) -> Callable[[str], Relation | None]:
    def consult(name: str) -> Relation | None:
        history = existing(inputs.lakehouse, [name]).get(name)
        return inputs.at(name, history.snapshot_id) if history and history.rows else None

    return consult
