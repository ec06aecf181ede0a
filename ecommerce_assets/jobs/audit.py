"""Auditing a staged snapshot: the schema, the row rules, the key, and the table's own audits."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ecommerce_assets.code_version import code_version
from ecommerce_assets.engine.queries import query
from ecommerce_assets.engine.relation import Observed, Relation
from ecommerce_assets.model.audit import Check, Finding, Report
from ecommerce_assets.model.rules import KINDS, RowRule
from ecommerce_assets.model.shares import Share
from ecommerce_assets.model.table import Table
from ecommerce_assets.refresh.keys import AffectedKeys
from ecommerce_assets.tables.audits import Scope, counted, sample, share_finding
from ecommerce_assets.tables.personal import personal_columns
from ecommerce_assets.thresholds import Thresholds

VALUES_NAMED = 20
SCHEMA = Check("schema", "Columns and types are those declared.", True)
UNIQUE_KEY = Check("unique_key", "The key's values are unique.", True)

ROWS_KEPT = Check(
    "rows_kept",
    "The new snapshot has not lost more than ECOMMERCE_REMOVAL_LIMIT (20 %) of the table's rows, "
    "unless the run allows it; random variation of small counts is allowed for.",
    True,
)


def checks_of(table: Table) -> list[Check]:
    """Every check of a table, in the order in which they are evaluated."""
    kinds = dict.fromkeys(rule.kind for rule in table.rules)
    rules = [Check(kind, KINDS[kind], True) for kind in kinds]
    own = [check for audit in table.audits for check in audit.checks]
    kept = [] if table.may_shrink else [ROWS_KEPT]
    return [SCHEMA, *rules, UNIQUE_KEY, *kept, *own]


def schema_finding(table: Table, rows: Relation) -> Finding:
    """Whether rows have the declared columns, in order, with the declared types."""
    expected = list(table.ddl.items())
    found = list(rows.types.items())
    wrong = [
        {"expected": " ".join(a) if a else None, "found": " ".join(b) if b else None}
        for a, b in _side_by_side(expected, found)
        if a != b
    ]
    return Finding(
        SCHEMA,
        passed=not wrong,
        counts={"columns": len(found), "differences": len(wrong)},
        sample=wrong[:10],
        advice="Make the transformation select exactly the columns that the model declares.",
    )


def _side_by_side(
    left: Sequence[tuple[str, str]], right: Sequence[tuple[str, str]]
) -> list[tuple[tuple[str, str] | None, tuple[str, str] | None]]:
    width = max(len(left), len(right))
    return [
        (left[i] if i < len(left) else None, right[i] if i < len(right) else None)
        for i in range(width)
    ]


_REPEATED = "_repeated_key"


def key_checked_apart(table: Table, affected: AffectedKeys | None, rows: int, large: int) -> bool:
    """Whether the key is checked in the written snapshot, by a Spark job of its own.

    Rows that replace only a part of a table cannot prove the key unique for the whole; and counting
    keys while a large table with few changes is rewritten would sort all of it.

    Args:
        table: the table.
        affected: the refresh keys that the run recomputed; None for all.
        rows: rows of the published snapshot.
        large: rows from which a table counts as large.
    """
    part = affected is not None and bool(table.partitioned_by)
    few_changed = affected is not None or table.refresh.keeps_sums
    return table.key_checked_apart or part or (rows > large and few_changed)


def observed(table: Table, rows: Relation, *, apart: bool) -> tuple[Relation, Observed]:
    """The rows, and figures of them that are known once they have been written.

    These are the broken rules (bit n of `broken` stands for rule n), the number of rows that repeat
    a key (unless `apart`), and the aggregates that the table's audits asked for.
    """
    bits = [
        f"CASE WHEN {rule.broken} THEN {1 << n} ELSE 0 END" for n, rule in enumerate(table.rules)
    ]
    figures = {"broken": f"bit_or(CAST({' + '.join(['0', *bits])} AS BIGINT))"}
    for audit in table.audits:
        figures |= audit.observes
    if apart:
        return rows.observed(figures)
    key = ", ".join(table.key)
    numbered = query(
        f"""
        SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY {key}) AS {_REPEATED}
        FROM written""",
        written=rows,
    )
    seen, observation = numbered.observed({**figures, _REPEATED: f"count_if({_REPEATED} > 1)"})
    return seen.select(*rows.columns), observation


def row_findings(table: Table, scope: Scope, *, apart: bool) -> list[Finding]:
    """One finding per kind of rule and one for the key; only a broken rule costs a Spark job."""
    mask = scope.observed.get("broken") or 0
    by_kind: dict[str, list[tuple[bool, RowRule]]] = defaultdict(list)
    for n, rule in enumerate(table.rules):
        by_kind[rule.kind].append((bool(mask >> n & 1), rule))
    findings = [_rule_finding(kind, rules, scope.snapshot) for kind, rules in by_kind.items()]
    if apart:
        checked = scope.only_affected(scope.snapshot, str(table.refresh.key))
        return [*findings, _key_finding(table, checked)]
    if scope.observed.get(_REPEATED):
        return [*findings, _key_finding(table, scope.snapshot)]
    return [*findings, _unique(table, keys=0, rows=0)]


def _rule_finding(kind: str, rules: list[tuple[bool, RowRule]], snapshot: Relation) -> Finding:
    check = Check(kind, KINDS[kind], True)
    broken = [rule for hit, rule in rules if hit]
    counts: dict[str, Any] = {"rules": len(rules), "broken_rules": len(broken)}
    if not broken:
        return Finding(check, passed=True, counts=counts)
    kept = all(rule.warns for rule in broken)
    by_value = {
        f"{rule.column} {value!r}": rows
        for rule in broken
        if rule.warns and rule.column not in personal_columns()
        for value, rows in _by_value(snapshot.where_row_wise(rule.broken), rule.column)
    }
    offending = snapshot.where_row_wise(" OR ".join(f"({rule.broken})" for rule in broken))
    return Finding(
        check,
        passed=False,
        severity="WARN" if kept else "ERROR",
        counts={**counts, **_by_rule(snapshot, broken), **by_value},
        sample=sample(offending),
        advice="The shop file has such rows kept: add the values to it, or have the shop correct "
        "them."
        if kept
        else "The transformation produced values that the model forbids: correct one of the two.",
    )


def _by_rule(snapshot: Relation, broken: Sequence[RowRule]) -> dict[str, int]:
    """How many rows break each rule."""
    rows = snapshot.select(*dict.fromkeys(rule.column for rule in broken))
    return counted(rows, {f"{rule.column}: {rule.reason}": rule.broken for rule in broken})


def _by_value(rows: Relation, column: str) -> list[tuple[str, int]]:
    """The most frequent values of a column, and how many rows have them."""
    most = query(
        f"""
        SELECT * FROM (SELECT {column} AS value, count(*) AS n FROM broken GROUP BY {column})
            AS counted
        ORDER BY n DESC, value""",
        broken=rows,
    )
    return [(row["value"], row["n"]) for row in most.rows(VALUES_NAMED)]


def _key_finding(table: Table, snapshot: Relation) -> Finding:
    """Whether any key occurs more than once."""
    key = ", ".join(table.key)
    repeated = query(
        f"""
        SELECT * FROM (SELECT {key}, count(*) AS count FROM snapshot GROUP BY {key}) AS counted
        WHERE count > 1""",
        snapshot=snapshot,
    )
    (row,) = query(
        "SELECT count(*) AS keys, CAST(sum(count) AS BIGINT) AS n FROM repeated", repeated=repeated
    ).rows()
    offending = sample(repeated, list(table.key)) if row["keys"] else []
    return _unique(table, row["keys"], row["n"] or 0, offending)


def _unique(
    table: Table, keys: int, rows: int, offending: list[dict[str, Any]] | None = None
) -> Finding:
    return Finding(
        UNIQUE_KEY,
        passed=not keys,
        counts={"key": ", ".join(table.key), "duplicate_keys": keys, "rows": rows},
        sample=offending or [],
        advice="The transformation duplicates rows: check the grain of its joins.",
    )


def kept_findings(
    table: Table, before: int, rows: int, thresholds: Thresholds, *, allowed: bool
) -> list[Finding]:
    """Whether the new snapshot has lost too many of the published rows; nothing to say of a table
    that may shrink.

    Args:
        before: published rows.
        rows: rows of the new snapshot.
        thresholds: with the share of them that may go.
        allowed: whether the run allows more.
    """
    if table.may_shrink:
        return []
    lost = max(before - rows, 0)
    share = Share(lost, before, "removal_limit", blocks=not allowed)
    finding = share_finding(
        ROWS_KEPT,
        share,
        thresholds,
        {"rows_before": before, "rows": rows},
        message=f"{lost:,} of {before:,} rows ({share.described(thresholds)}) are gone.",
        advice="The run allowed it."
        if allowed
        else "Look for a delivery that is missing or cut off, and for a condition in the shop file "
        "that fits no row. If it is meant, run it with --allow-removal (allow_removal in the "
        "launchpad).",
    )
    # It is about this change of the table: another limit has nothing to judge later.
    return [replace(finding, share=None)]


def own_findings(table: Table, scope: Scope) -> Report:
    """The findings of the table's own audits, taken together."""
    findings: list[Finding] = []
    rows_by_date: dict[Any, int] = {}
    metrics: dict[str, float] = {}
    totals: dict[str, Any] = {}
    for audit in table.audits:
        report = audit.run(scope)
        findings += report.findings
        rows_by_date |= report.rows_by_date
        metrics |= report.metrics
        totals |= report.totals
    return Report(findings, rows_by_date, metrics, totals)


def totals_version(table: Table) -> str | None:
    """The version of the code that reports the table's totals; None if it has none."""
    runs = [audit.run for audit in table.audits if audit.keeps_totals]
    return code_version(*runs) if runs else None
