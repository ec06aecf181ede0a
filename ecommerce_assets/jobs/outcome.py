"""What became of a table in a run: published, nothing to do, or failed."""

from dataclasses import dataclass
from datetime import date
from time import perf_counter

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.model.audit import Finding
from ecommerce_assets.model.table import Table
from ecommerce_assets.refresh.decision import Nothing
from ecommerce_assets.refresh.inputs import Known
from ecommerce_assets.tables.audits.bronze import every_run


class AuditFailed(PipelineError):
    """A blocking check failed, so nothing was published. `findings` holds all findings so far."""

    def __init__(self, table: Table, findings: list[Finding]) -> None:
        self.findings = findings
        failed = [finding for finding in findings if finding.blocks]
        reasons = "; ".join(f"{finding.check.name}: {finding.text}" for finding in failed)
        super().__init__(
            f"{table.identifier} was not published, so readers keep its last snapshot; "
            f"failed checks: {reasons}"
        )


class TableFailed(PipelineError):
    """A table failed, so nothing of its publish group was published."""

    def __init__(self, table: Table, error: Exception) -> None:
        super().__init__(str(error))
        self.table = table
        self.error = error


@dataclass(frozen=True)
class Published:
    """What a table's materialization did.

    Attributes:
        table: the table.
        rows: its rows.
        written: rows that the run wrote; None where there was nothing to do.
        why: what was recomputed, and why.
        rows_by_date: rows by checked ingestion date.
        metrics: figures of its audits.
        findings: results of its checks.
        snapshot: id of the snapshot that the findings are of; None for a table without one.
        seconds: how long it took.
        seconds_checking: the part of it spent on checks after the rows were written.
        spark_jobs: Spark jobs that it took; of rows shared by tables, with the one that came first.
    """

    table: Table
    rows: int
    written: int | None
    why: str
    rows_by_date: dict[date, int]
    metrics: dict[str, float]
    findings: list[Finding]
    snapshot: int | None
    seconds: float
    seconds_checking: float = 0.0
    spark_jobs: int = 0


def unchanged(table: Table, known: Known, decision: Nothing, started: float) -> Published:
    """The outcome of a table whose published rows stay as they are.

    Args:
        started: when its run began, by `perf_counter`.
    """
    published = known.published
    return Published(
        table,
        rows=published.rows,
        written=None,
        why=decision.why,
        rows_by_date=known.rows_by_date(published.snapshot_id, known.request.days),
        metrics={},
        findings=every_run(decision.evidence) if decision.evidence else [],
        snapshot=published.checked_id,
        seconds=perf_counter() - started,
    )
