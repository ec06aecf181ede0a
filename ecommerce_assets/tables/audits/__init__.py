"""Checks beyond single rows: what a table's new state must satisfy beside its upstream tables.

An audit is one Spark job that answers one or more checks; samples of offending rows cost one
more, and only when a check fails.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Literal

from pyspark.sql import Column, DataFrame

from ecommerce_assets.refresh.keys import AffectedKeys
from ecommerce_assets.thresholds import Thresholds

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
    """An audit's answer to one check.

    Attributes:
        check: the check.
        passed: whether what must hold does.
        counts: its figures.
        sample: a few rows to look at.
        advice: what to do where it failed.
        severity: where it is not the check's own.
        message: for people: what is so, in numbers, with the most telling example.
        by_date: its figures by ingestion date, where it judged several.
    """

    check: Check
    passed: bool
    counts: Mapping[str, Any] = field(default_factory=dict)
    sample: list[dict[str, Any]] = field(default_factory=list)
    advice: str = ""
    severity: Severity | None = None
    message: str = ""
    by_date: list[dict[str, Any]] = field(default_factory=list)

    @property
    def told(self) -> str:
        """The message, what to do where it failed; of an audit without a message, the figures."""
        figures = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in self.counts.items())
        said = self.message or f"{self.check.description} Found: {figures}."
        return said if self.passed or not self.advice else f"{said} {self.advice}"

    @property
    def level(self) -> Severity:
        """How bad a failure is: as the finding says, else ERROR if and only if it blocks."""
        return self.severity or ("ERROR" if self.check.blocking else "WARN")

    @property
    def blocks(self) -> bool:
        """Whether the new state must not be published."""
        return not self.passed and self.check.blocking and self.level == "ERROR"


@dataclass(frozen=True)
class Filled:
    """The columns of a partition that hold something.

    Attributes:
        there: columns that are not null in every row: the delivered file has them.
        filled: columns that hold more than empty texts.
    """

    there: frozenset[str]
    filled: frozenset[str]


@dataclass(frozen=True)
class Scope:
    """What an audit may look at.

    Attributes:
        state: the new state of the table, written and not yet published.
        rows: its rows.
        upstream: the frames of every table that the run of this one reads, whole.
        affected: the refresh keys that this run recomputed; None for all. Rows of other keys are as
            they were when an earlier run checked them.
        dates: ingestion dates whose deliveries this run judged.
        candidates: for silver: the parsed rows from which the affected rows were chosen.
        received: for silver: rows of bronze by judged date, counted from its metadata.
        observed: the aggregates that the audits asked for, of the rows as they were written;
            None for a sum over no row.
        figure: `figure(identifier, name, compute)` is `compute(frame)` of that upstream frame,
            computed once for all tables of the run.
        rows_by_date: rows of the state by ingestion date, where the table is partitioned by it: of
            the run's dates, and of those before them that an audit `looks_back` to.
        upstream_rows: rows of an upstream table, from its metadata.
        thresholds: from what share on checks warn or block.
        rows_before: as `rows_by_date`, of the state that is published now.
        unread: for bronze: paths below landing of what is there and is not read.
        filled: for bronze: by ingestion date, the columns that any row fills, and of these those
            that hold more than empty texts; from the table's metadata.
        delivered_before: for silver: the parsed rows of earlier deliveries that this run's
            replace; None where it replaces none.
        consult: a table that may not be there yet, as published now.
        line_of: the line of a landed file on which a record begins, by file and record number;
            None where it can't be told any more.
    """

    state: DataFrame
    rows: int
    upstream: Mapping[str, DataFrame]
    affected: AffectedKeys | None
    dates: tuple[date, ...]
    candidates: DataFrame | None
    received: Mapping[date, int]
    observed: Mapping[str, Any]
    figure: Callable[[str, str, Callable[[DataFrame], Any]], Any]
    rows_by_date: Mapping[date, int]
    upstream_rows: Callable[[str], int]
    thresholds: Thresholds
    rows_before: Mapping[date, int]
    unread: Sequence[str]
    filled: Callable[[Sequence[date]], Mapping[date, "Filled"]]
    delivered_before: DataFrame | None
    consult: Callable[[str], DataFrame | None]
    line_of: Callable[[str, int], int | None]

    def place(self, file: str, row_number: int) -> str:
        """Where a record stands, for people."""
        line = self.line_of(file, row_number)
        return f"{file} line {line}" if line else f"{file} record {row_number:,}"

    def only_affected(self, frame: DataFrame, column: str) -> DataFrame:
        """The rows of the affected keys, by the column that holds the refresh key."""
        return frame if self.affected is None else self.affected.within(frame, column)


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


def percent(share: float) -> str:
    """A share as people write it."""
    return f"{share * 100:.3g} %"
