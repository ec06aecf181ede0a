"""One table from its upstream tables: read, transform, stage, audit, publish."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pyspark.sql import functions as F

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.jobs import audit
from ecommerce_assets.jobs.arguments import JobArguments
from ecommerce_assets.lakehouse import tables as lakehouse
from ecommerce_assets.lakehouse.lineage import Lineage, column_lineage
from ecommerce_assets.landing.frame import landed_frame
from ecommerce_assets.tables.audits import Finding, Report, Scope
from ecommerce_assets.tables.declaration import Table
from ecommerce_assets.tables.source import INGESTION_DATE, landed_struct, source_columns

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

ATTEMPTS = 5


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
    """What a table's materialization did."""

    table: Table
    rows: int
    rows_by_date: dict[date, int]
    metrics: dict[str, float]
    findings: list[Finding]
    lineage: Lineage
    seconds: float


class Shared:
    """What several tables of a run need alike, computed once: prepared frames and figures.

    Frames are cached in memory, on disk where they don't fit; `release` when the run is done.
    """

    def __init__(self) -> None:
        self._frames: dict[object, DataFrame] = {}
        self._figures: dict[object, Any] = {}
        self._lock = Lock()

    def prepared(self, table: Table, snapshot: int | None, frame: "DataFrame") -> "DataFrame":
        """`frame`, the table's upstream at `snapshot`, as the table takes it."""
        if table.prepare is None:
            return frame
        with self._lock:
            place = (table.upstream[0], snapshot, table.prepare)
            if place not in self._frames:
                self._frames[place] = table.prepare(frame).persist()
            return self._frames[place]

    def figure(self, place: object, compute: Callable[[], Any]) -> Any:
        """What `compute` gives, asked only once for a `place`."""
        with self._lock:
            if place not in self._figures:
                self._figures[place] = compute()
            return self._figures[place]

    def release(self) -> None:
        """Drop the cached frames."""
        with self._lock:
            for frame in self._frames.values():
                frame.unpersist()
            self._frames.clear()


def materialize(
    spark: "SparkSession", table: Table, arguments: JobArguments, shared: Shared
) -> Published:
    """Bring one table up to date and publish it; a lost race against another run is run again.

    Raises:
        AuditFailed: a blocking check failed.
        PipelineError: the input can't be used; the message names the file and the reason.
    """
    for _ in range(ATTEMPTS):
        try:
            return _attempt(spark, table, arguments, shared)
        except lakehouse.PublishConflict:
            continue
    raise PipelineError(
        f"{table.identifier}: other runs published it {ATTEMPTS} times while this one worked; "
        "run it again when they are done"
    )


def _attempt(
    spark: "SparkSession", table: Table, arguments: JobArguments, shared: Shared
) -> Published:
    started = perf_counter()
    lakehouse.create_table(
        spark, table.identifier, table.struct, table.partitioned_by, table.description
    )
    snapshots = {name: lakehouse.snapshot_id(spark, name) for name in table.reads}
    upstream = {
        name: shared.prepared(table, at, lakehouse.read(spark, name, at))
        for name, at in snapshots.items()
    }
    frame = _new_rows(spark, table, upstream, arguments)
    schema = audit.schema_finding(table, frame)
    if schema.blocks:
        raise AuditFailed(table, [schema])
    frame, observation = audit.observed(table, frame)
    marker = lakehouse.Marker(snapshots, table.code_version, uuid4().hex)
    replace = _replaced(table, arguments)
    with lakehouse.staged(spark, table.identifier, frame, replace, marker) as state:
        # Without a row there is nothing to observe, and nothing may have been observed.
        seen = observation.get if state.added else defaultdict(lambda: None)
        scope = Scope(
            state=state.frame,
            rows=state.rows,
            upstream=upstream,
            observed=seen,
            figure=lambda name, what, compute: shared.figure(
                (name, snapshots[name], what), lambda: compute(upstream[name])
            ),
            rows_by_date=state.rows_by_date(INGESTION_DATE),
            first=arguments.first,
            last=arguments.last,
            quarantine_limit=arguments.quarantine_limit,
        )
        findings = [schema, *audit.row_findings(table, state.frame, seen)]
        own = audit.own_findings(table, scope)
        findings += own.findings
        if any(finding.blocks for finding in findings):
            raise AuditFailed(table, findings)
    return _published(table, state.rows, own, findings, frame, perf_counter() - started)


def _new_rows(
    spark: "SparkSession",
    table: Table,
    upstream: dict[str, "DataFrame"],
    arguments: JobArguments,
) -> "DataFrame":
    if table.layer != "bronze":
        return table.transform(*[upstream[name] for name in table.upstream])
    return table.transform(
        landed_frame(
            spark,
            arguments.landing,
            table.name,
            arguments.first,
            arguments.last,
            source_columns(table),
            landed_struct(table),
            datetime.now(UTC),
        )
    )


def _replaced(table: Table, arguments: JobArguments) -> "Column":
    if table.replaced_by is None:
        return F.lit(True)
    return F.col(table.replaced_by).between(F.lit(arguments.first), F.lit(arguments.last))


def _published(
    table: Table,
    rows: int,
    own: Report,
    findings: list[Finding],
    frame: "DataFrame",
    seconds: float,
) -> Published:
    lineage = column_lineage(frame)
    if table.copies:
        lineage |= {name: [(table.copies, name)] for name in table.copied_columns}
    return Published(table, rows, own.rows_by_date, own.metrics, findings, lineage, seconds)
