"""Checks beyond single rows: what a table's new state must satisfy beside its upstream tables.

An audit is one Spark job that answers one or more checks; samples of offending rows cost one
more, and only when a check fails.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Literal

from pyspark.sql import Column, DataFrame

from ecommerce_assets.tables.touched import Touched

Severity = Literal["ERROR", "WARN"]
SAMPLE_ROWS = 5
WARNING_FRACTION = 5


@dataclass(frozen=True)
class Check:
    """A named question that an audit answers.

    Attributes:
        name: name of the Dagster asset check.
        description: what must hold.
        blocking: a failed check keeps the new state from being published.
    """

    name: str
    description: str
    blocking: bool


@dataclass(frozen=True)
class Finding:
    """An audit's answer to one check; `counts` and `sample` become its metadata."""

    check: Check
    passed: bool
    counts: Mapping[str, Any] = field(default_factory=dict)
    sample: list[dict[str, Any]] = field(default_factory=list)
    advice: str = ""
    severity: Severity | None = None

    @property
    def level(self) -> Severity:
        """How bad a failure is: as the finding says, else ERROR if and only if it blocks."""
        return self.severity or ("ERROR" if self.check.blocking else "WARN")

    @property
    def blocks(self) -> bool:
        """Whether the new state must not be published."""
        return not self.passed and self.check.blocking and self.level == "ERROR"


@dataclass(frozen=True)
class Scope:
    """What an audit may look at.

    Attributes:
        state: the new state of the table, written and not yet published.
        rows: its rows.
        upstream: the frames of every table that the run of this one reads, whole.
        touched: the units that this run recomputed; None for all. Rows of other units are as they
            were when an earlier run judged them.
        dates: ingestion dates whose deliveries this run judged.
        candidates: for silver: the parsed rows from which the touched rows were chosen.
        received: for silver: rows of bronze by judged date, counted from its metadata.
        observed: the aggregates that the audits asked for, of the rows as they were written;
            None for a sum over no row.
        figure: `figure(identifier, name, compute)` is `compute(frame)` of that upstream frame,
            computed once for all tables of the run.
        rows_by_date: rows of the state by ingestion date, where the table is partitioned by it: of
            the run's dates, and of those before them that an audit `looks_back` to.
        upstream_rows: rows of an upstream table, from its metadata.
        quarantine_limit: share of a run's rows of a table above which it is not published.
        volume_change: share by which a delivery may differ from earlier ones without a warning.
    """

    state: DataFrame
    rows: int
    upstream: Mapping[str, DataFrame]
    touched: Touched | None
    dates: tuple[date, ...]
    candidates: DataFrame | None
    received: Mapping[date, int]
    observed: Mapping[str, Any]
    figure: Callable[[str, str, Callable[[DataFrame], Any]], Any]
    rows_by_date: Mapping[date, int]
    upstream_rows: Callable[[str], int]
    quarantine_limit: float
    volume_change: float

    def only_touched(self, frame: DataFrame, unit: str) -> DataFrame:
        """The rows of the touched units, by the column that holds the unit."""
        return frame if self.touched is None else self.touched.within(frame, unit)


@dataclass(frozen=True)
class Report:
    """What one audit found.

    Attributes:
        findings: one a check.
        rows_by_date: rows of the new state by ingestion date, where the audit counted them anyway.
        metrics: figures for the table's page, by name.
    """

    findings: list[Finding]
    rows_by_date: dict[date, int] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Audit:
    """Checks answered together, by one Spark job at the most.

    Attributes:
        checks: what it answers.
        run: gives one finding a check.
        against: tables it reads beside those that the table is made from.
        observes: aggregates to take of the rows while they are written, by name.
        looks_back: how far before the run's first date it asks for rows by date.
    """

    checks: tuple[Check, ...]
    run: Callable[[Scope], Report]
    against: tuple[str, ...] = ()
    observes: Mapping[str, Callable[[], Column]] = field(default_factory=dict)
    looks_back: timedelta = timedelta()


def sample(frame: DataFrame, order: list[str] | None = None) -> list[dict[str, Any]]:
    """The first few rows as dictionaries: `order` makes them the same on every run."""
    rows = frame.orderBy(*order) if order else frame
    return [row.asDict(recursive=True) for row in rows.limit(SAMPLE_ROWS).collect()]
