"""Checks beyond single rows, as a table declares them, and what they find."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from ecommerce_assets.model.shares import Severity, Share


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
        run: returns one finding per check, given the `Scope` of a run (`tables/audits`).
        against: tables that it reads in addition to the upstream tables.
        observes: by name, aggregates in SQL to take while the rows are written.
        looks_back: how far before the run's first date it needs rows by date.
        keeps_totals: whether it reports totals, to bring up to date those of the published
            snapshot.
    """

    checks: tuple[Check, ...]
    run: Callable[[Any], Report]
    against: tuple[str, ...] = ()
    observes: Mapping[str, str] = field(default_factory=dict)
    looks_back: timedelta = timedelta()
    keeps_totals: bool = False
