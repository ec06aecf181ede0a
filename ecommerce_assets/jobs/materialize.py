"""One table from its upstream tables: plan, stage, audit, publish."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from time import perf_counter
from typing import TYPE_CHECKING
from uuid import uuid4

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.jobs import audit
from ecommerce_assets.jobs.arguments import JobArguments
from ecommerce_assets.jobs.plan import Plan, Planner
from ecommerce_assets.jobs.shared import Shared
from ecommerce_assets.lakehouse import tables as lakehouse
from ecommerce_assets.lakehouse.history import History, Marker
from ecommerce_assets.lakehouse.lineage import Lineage, column_lineage
from ecommerce_assets.tables.audits import Finding, Report, Scope
from ecommerce_assets.tables.declaration import Table
from ecommerce_assets.tables.source import INGESTION_DATE

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ATTEMPTS = 10


class AuditFailed(PipelineError):
    """A blocking check failed: nothing was published. `findings` holds every finding so far."""

    def __init__(self, table: Table, findings: list[Finding]) -> None:
        self.findings = findings
        failed = [finding for finding in findings if finding.blocks]
        reasons = "; ".join(
            f"{finding.check.name} ({dict(finding.counts)}). {finding.advice}" for finding in failed
        )
        super().__init__(
            f"{table.identifier} was not published, its last state stays: failed {reasons}"
        )


@dataclass(frozen=True)
class Published:
    """What a table's materialization did.

    Attributes:
        table: the table.
        rows: its rows.
        written: rows that the run wrote; None where there was nothing to do.
        why: what was made, and why.
        rows_by_date: rows by judged ingestion date.
        metrics: figures of its audits.
        findings: results of its checks; none where there was nothing to do.
        lineage: column lineage.
        seconds: how long it took.
    """

    table: Table
    rows: int
    written: int | None
    why: str
    rows_by_date: dict[date, int]
    metrics: dict[str, float]
    findings: list[Finding]
    lineage: Lineage
    seconds: float


def materialize(
    spark: "SparkSession", table: Table, arguments: JobArguments, shared: Shared
) -> Published:
    """Bring one table up to date and publish it; a lost race against another run is run again.

    Raises:
        AuditFailed: a blocking check failed.
        PipelineError: the input can't be used; the message names the file and the reason.
    """
    started = perf_counter()
    lakehouse.create_table(
        spark, table.identifier, table.struct, table.partitioned_by, table.description
    )
    for _ in range(ATTEMPTS):
        upstream = {name: History(spark, name) for name in table.reads}
        base = History(spark, table.identifier)
        planner = Planner(spark, table, base, upstream, arguments, shared)
        try:
            return _attempt(spark, planner, planner.plan(), started)
        except lakehouse.PublishConflict:
            continue
        finally:
            planner.release()
    raise PipelineError(
        f"{table.identifier}: other runs published it {ATTEMPTS} times while this one worked; "
        "run it again when they are done"
    )


def _attempt(spark: "SparkSession", planner: Planner, plan: Plan, started: float) -> Published:
    table, base, upstream = planner.table, planner.base, planner.upstream
    marker = Marker(plan.made_from, table.code_version, uuid4().hex)
    if plan.written is None:
        if base.marker and plan.made_from and base.marker.made_from != plan.made_from:
            # The upstream tables moved on, and nothing that matters here did: the next run
            # need not look that far back.
            with lakehouse.staged(spark, base, None, plan.replace, marker):
                pass
        return _published(planner, plan, base.rows, None, Report([]), [], started)
    schema = audit.schema_finding(table, plan.written)
    if schema.blocks:
        raise AuditFailed(table, [schema])
    frame, observation = audit.observed(table, plan.written, plan.touched)
    with lakehouse.staged(spark, base, frame, plan.replace, marker) as state:
        # Without a row there is nothing to observe, and nothing may have been observed.
        seen = observation.get if state.added else defaultdict(lambda: None)
        frames = {
            name: lakehouse.read(spark, name, found.snapshot_id) for name, found in upstream.items()
        }
        scope = Scope(
            state=state.frame,
            rows=state.rows,
            upstream=frames,
            touched=plan.touched,
            dates=plan.dates,
            candidates=plan.candidates,
            received=_received(planner, plan),
            observed=seen,
            figure=lambda name, what, compute: planner.shared.figure(
                (name, upstream[name].snapshot_id, what), lambda: compute(frames[name])
            ),
            rows_by_date=base.rows_by_date(state.snapshot, INGESTION_DATE, plan.dates),
            upstream_rows=lambda name: upstream[name].rows,
            quarantine_limit=planner.arguments.quarantine_limit,
        )
        findings = [schema, *audit.row_findings(table, scope, seen)]
        own = audit.own_findings(table, scope)
        findings += own.findings
        if any(finding.blocks for finding in findings):
            raise AuditFailed(table, findings)
    return _published(planner, plan, state.rows, state.added, own, findings, started)


def _received(planner: Planner, plan: Plan) -> dict[date, int]:
    """Rows of bronze by judged date."""
    if plan.candidates is None:
        return {}
    (bronze,) = planner.table.upstream
    history = planner.upstream[bronze]
    return history.rows_by_date(history.snapshot_id, INGESTION_DATE, plan.dates)


def _published(
    planner: Planner,
    plan: Plan,
    rows: int,
    written: int | None,
    own: Report,
    findings: list[Finding],
    started: float,
) -> Published:
    table = planner.table
    lineage = {
        column: [origin for origin in origins if origin[0] != table.identifier]
        for column, origins in column_lineage(plan.made).items()
    }
    if table.copies:
        lineage |= {name: [(table.copies, name)] for name in table.copied_columns}
    return Published(
        table,
        rows,
        written,
        plan.why,
        own.rows_by_date,
        own.metrics,
        findings,
        lineage,
        perf_counter() - started,
    )
