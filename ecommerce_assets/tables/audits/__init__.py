"""Checks beyond single rows, on a table's new snapshot and its upstream tables.

An audit evaluates one or more checks by one Spark job, or none if metadata already says enough;
samples of offending rows take another job, only if a check fails.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from pyspark.sql import Column, DataFrame

from ecommerce_assets.refresh.decision import Evidence, LandingEvidence, VersionEvidence
from ecommerce_assets.refresh.keys import AffectedKeys
from ecommerce_assets.tables.audits.shares import Severity, Share
from ecommerce_assets.thresholds import Thresholds

SAMPLE_ROWS = 5
WARNING_FRACTION = 5


@dataclass(frozen=True)
class Check:
    """A named condition that an audit evaluates.

    Attributes:
        name: name of the Dagster asset check.
        description: what must hold.
        blocking: whether a failure keeps the new snapshot from being published.
    """

    name: str
    description: str
    blocking: bool


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        check: the check.
        passed: whether the condition holds.
        counts: its figures.
        sample: a few offending rows.
        advice: what to do after a failure.
        severity: if it differs from the check's.
        message: for people: the result in numbers, with the most telling example.
        by_date: its figures by ingestion date, for several dates.
        share: what it was judged by, so that another limit can judge it again.
    """

    check: Check
    passed: bool
    counts: Mapping[str, Any] = field(default_factory=dict)
    sample: list[dict[str, Any]] = field(default_factory=list)
    advice: str = ""
    severity: Severity | None = None
    message: str = ""
    by_date: list[dict[str, Any]] = field(default_factory=list)
    share: Share | None = None

    @property
    def text(self) -> str:
        """The message (or the figures, without one), followed by the advice after a failure."""
        figures = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in self.counts.items())
        said = self.message or f"{self.check.description} Found: {figures}."
        return said if self.passed or not self.advice else f"{said} {self.advice}"

    @property
    def level(self) -> Severity:
        """The severity of a failure: the finding's, else ERROR for blocking checks."""
        return self.severity or ("ERROR" if self.check.blocking else "WARN")

    @property
    def blocks(self) -> bool:
        """Whether the new snapshot must not be published."""
        return not self.passed and self.check.blocking and self.level == "ERROR"


@dataclass(frozen=True)
class Filled:
    """The columns of a partition that hold values.

    Attributes:
        there: columns with any value, so the delivered file has them.
        filled: columns with any non-empty text.
    """

    there: frozenset[str]
    filled: frozenset[str]


@dataclass(frozen=True)
class Before:
    """What the published snapshot was audited with.

    Attributes:
        totals: the totals that its audits reported.
        upstream: whole frames of the upstream tables from which it was computed.
    """

    totals: Mapping[str, str]
    upstream: Mapping[str, DataFrame]


@dataclass(frozen=True)
class Scope:
    """What an audit may read.

    Attributes:
        snapshot: the table's new snapshot, not yet published.
        rows: its rows.
        added: rows that the run wrote.
        upstream: whole frames of the tables that this one reads.
        affected: the recomputed refresh keys; None for all. Rows of other keys were checked by an
            earlier run.
        dates: ingestion dates whose deliveries this run checks.
        evidence: what the run of a bronze or silver table found beside its rows.
        received: rows of the upstream tables by ingestion date, from their metadata.
        observed: aggregates of the rows, taken while they were written; None for a sum over no
            row.
        figure: `figure(identifier, name, compute)` returns `compute(frame)` for that upstream
            frame, computed once for all tables of the run.
        rows_by_date: rows of the snapshot by ingestion date, if the table is partitioned by it:
            for the run's dates and the earlier ones that an audit `looks_back` to.
        upstream_rows: rows of an upstream table, from its metadata.
        thresholds: shares from which checks warn or block.
        allow_removal: whether the run may give up many rows.
        rows_before: like `rows_by_date`, for the published snapshot.
        filled: by ingestion date, the columns with values, from the table's metadata.
        consult: returns a table as published now; None if it is empty or does not exist yet.
        before: the audit of the published snapshot; None if it is unknown.
        shown: returns a column's value as it may be shown, the mask in place of personal ones.
        is_personal: whether a column holds personal data.
        line_of: returns the line on which a record of a landed file begins, by file and record
            number; None if it is no longer known.
    """

    snapshot: DataFrame
    rows: int
    added: int
    upstream: Mapping[str, DataFrame]
    affected: AffectedKeys | None
    dates: tuple[date, ...]
    evidence: Evidence | None
    received: Callable[[Sequence[date]], Mapping[date, int]]
    observed: Mapping[str, Any]
    figure: Callable[[str, str, Callable[[DataFrame], Any]], Any]
    rows_by_date: Mapping[date, int]
    upstream_rows: Callable[[str], int]
    thresholds: Thresholds
    allow_removal: bool
    rows_before: Mapping[date, int]
    filled: Callable[[Sequence[date]], Mapping[date, "Filled"]]
    consult: Callable[[str], DataFrame | None]
    before: Before | None
    line_of: Callable[[str, int], int | None]
    shown: Callable[[str, Any], Any]
    is_personal: Callable[[str], bool]

    @property
    def landing(self) -> LandingEvidence:
        """The evidence of a bronze table."""
        assert isinstance(self.evidence, LandingEvidence)
        return self.evidence

    @property
    def versions(self) -> VersionEvidence:
        """The evidence of a silver table."""
        assert isinstance(self.evidence, VersionEvidence)
        return self.evidence

    def location(self, file: str, row_number: int) -> str:
        """Where a record is, for people."""
        line = self.line_of(file, row_number)
        return f"{file} line {line}" if line else f"{file} record {row_number:,}"

    def only_affected(self, frame: DataFrame, column: str) -> DataFrame:
        """The rows of the affected keys; `column` holds the refresh key."""
        return frame if self.affected is None else self.affected.within(frame, column)


@dataclass(frozen=True)
class Report:
    """The result of one audit.

    Attributes:
        findings: one per check.
        rows_by_date: rows of the new snapshot by ingestion date, if the audit counted them.
        metrics: figures for the table's page in Dagster.
        totals: sums that the audit of the next snapshot brings up to date.
    """

    findings: list[Finding]
    rows_by_date: dict[date, int] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    totals: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Audit:
    """Checks evaluated together, by as few Spark jobs as possible.

    Attributes:
        checks: what it evaluates.
        run: returns one finding per check.
        against: tables that it reads in addition to the upstream tables.
        observes: by name, aggregates to take while the rows are written.
        looks_back: how far before the run's first date it needs rows by date.
        keeps_totals: whether it reports totals, to bring up to date those of the published
            snapshot.
    """

    checks: tuple[Check, ...]
    run: Callable[[Scope], Report]
    against: tuple[str, ...] = ()
    observes: Mapping[str, Callable[[], Column]] = field(default_factory=dict)
    looks_back: timedelta = timedelta()
    keeps_totals: bool = False


def sample(frame: DataFrame, order: list[str] | None = None) -> list[dict[str, Any]]:
    """A few rows as dictionaries; with `order`, the same ones on every run."""
    rows = frame.orderBy(*order) if order else frame
    return [row.asDict(recursive=True) for row in rows.limit(SAMPLE_ROWS).collect()]


def share_finding(
    check: Check, share: Share, thresholds: Thresholds, counts: Mapping[str, Any], **told: Any
) -> Finding:
    """The finding on a share: it passes within the limit, random variation allowed for.

    Args:
        counts: figures beside share and limit.
        told: message, advice, sample and figures by date, as in `Finding`.
    """
    return Finding(
        check,
        passed=share.passes(thresholds),
        severity=share.severity(thresholds),
        counts={**counts, "share": share.value, "limit": share.limit(thresholds)},
        share=share,
        **told,
    )
