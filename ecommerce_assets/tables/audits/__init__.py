"""Checks beyond single rows, on a table's new snapshot and its upstream tables.

An audit evaluates one or more checks by one Spark job, or none if metadata already says enough;
samples of offending rows take another job, only if a check fails.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from ecommerce_assets.engine.queries import query
from ecommerce_assets.engine.relation import ROWS, Relation
from ecommerce_assets.model.audit import Check, Finding
from ecommerce_assets.model.shares import Share
from ecommerce_assets.refresh.decision import Evidence, LandingEvidence, VersionEvidence
from ecommerce_assets.refresh.keys import AffectedKeys
from ecommerce_assets.tables.types import COUNT
from ecommerce_assets.thresholds import Thresholds

SAMPLE_ROWS = 5
WARNING_FRACTION = 5


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
        upstream: whole upstream tables from which it was computed.
    """

    totals: Mapping[str, str]
    upstream: Mapping[str, Relation]


@dataclass(frozen=True)
class Scope:
    """What an audit may read.

    Attributes:
        snapshot: the table's new snapshot, not yet published.
        rows: its rows.
        added: rows that the run wrote.
        upstream: the whole tables that this one reads.
        affected: the recomputed refresh keys; None for all. Rows of other keys were checked by an
            earlier run.
        dates: ingestion dates whose deliveries this run checks.
        evidence: what the run of a bronze or silver table found beside its rows.
        received: rows of the upstream tables by ingestion date, from their metadata.
        observed: aggregates of the rows, taken while they were written; None for a sum over no
            row.
        figure: `figure(identifier, name, compute)` returns `compute(rows)` for that upstream
            table, computed once for all tables of the run.
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

    snapshot: Relation
    rows: int
    added: int
    upstream: Mapping[str, Relation]
    affected: AffectedKeys | None
    dates: tuple[date, ...]
    evidence: Evidence | None
    received: Callable[[Sequence[date]], Mapping[date, int]]
    observed: Mapping[str, Any]
    figure: Callable[[str, str, Callable[[Relation], Any]], Any]
    rows_by_date: Mapping[date, int]
    upstream_rows: Callable[[str], int]
    thresholds: Thresholds
    allow_removal: bool
    rows_before: Mapping[date, int]
    filled: Callable[[Sequence[date]], Mapping[date, "Filled"]]
    consult: Callable[[str], Relation | None]
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

    def only_affected(self, rows: Relation, column: str) -> Relation:
        """The rows of the affected keys; `column` holds the refresh key."""
        return rows if self.affected is None else self.affected.within(rows, column)


def sample(rows: Relation, order: Sequence[str] = ()) -> list[dict[str, Any]]:
    """A few rows; with `order`, the same ones on every run."""
    if order:
        by = ", ".join(order)
        rows = query(f"SELECT * FROM given ORDER BY {by}", given=rows)
    return rows.rows(SAMPLE_ROWS)


def counted(rows: Relation, conditions: Mapping[str, str]) -> dict[str, int]:
    """By name, how many rows satisfy a row-wise condition."""
    figures = ", ".join(f"count_if({condition})" for condition in conditions.values())
    kinds = dict.fromkeys(conditions, str(COUNT))
    # An engine may look at the rows part by part.
    parts = rows.row_wise(f"SELECT {figures} FROM {ROWS}", kinds).rows()
    return {name: sum(part[name] for part in parts) for name in conditions}


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
