"""Judging a staged state: the schema, the row rules, the key, and the table's own audits."""

from collections import defaultdict
from functools import reduce
from typing import TYPE_CHECKING, Any

from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F

from ecommerce_assets.tables.audits import Check, Finding, Report, Scope, sample
from ecommerce_assets.tables.declaration import Table
from ecommerce_assets.tables.rules import KINDS, RowRule

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA = Check("schema", "Columns and types are those declared.", True)
UNIQUE_KEY = Check("unique_key", "The key's values are unique.", True)


def checks_of(table: Table) -> list[Check]:
    """Every check of a table, in the order in which it is judged."""
    kinds = dict.fromkeys(rule.kind for rule in table.rules)
    rules = [Check(kind, KINDS[kind], True) for kind in kinds]
    own = [check for audit in table.audits for check in audit.checks]
    return [SCHEMA, *rules, UNIQUE_KEY, *own]


def schema_finding(table: Table, frame: DataFrame) -> Finding:
    """Whether the frame has the declared columns, in order, with the declared types."""
    expected = [(field.name, field.dataType.simpleString()) for field in table.struct.fields]
    found = [(field.name, field.dataType.simpleString()) for field in frame.schema.fields]
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
        advice="Make the transformation select the columns that the model declares.",
    )


def _side_by_side(
    left: "Sequence[tuple[str, str]]", right: "Sequence[tuple[str, str]]"
) -> list[tuple[tuple[str, str] | None, tuple[str, str] | None]]:
    width = max(len(left), len(right))
    return [
        (left[i] if i < len(left) else None, right[i] if i < len(right) else None)
        for i in range(width)
    ]


def observed(frame: DataFrame, rules: "Sequence[RowRule]") -> tuple[DataFrame, Observation]:
    """The frame, and an observation that tells during its write which rules any row broke.

    One aggregate for all rules: bit n of `broken` is set when rule n was broken somewhere.
    """
    observation = Observation()
    bits = [F.when(rule.broken(), F.lit(1 << n)).otherwise(F.lit(0)) for n, rule in enumerate(rules)]
    broken = reduce(Column.bitwiseOR, bits, F.lit(0).cast("long"))
    return frame.observe(observation, F.bit_or(broken).alias("broken")), observation


def row_findings(
    table: Table, state: DataFrame, observation: Observation, rows: int
) -> list[Finding]:
    """One finding a kind of rule; a Spark job is spent only on a kind that was broken."""
    mask = (observation.get["broken"] or 0) if rows else 0
    by_kind: dict[str, list[tuple[bool, RowRule]]] = defaultdict(list)
    for n, rule in enumerate(table.rules):
        by_kind[rule.kind].append((bool(mask >> n & 1), rule))
    return [_rule_finding(kind, rules, state) for kind, rules in by_kind.items()]


def _rule_finding(kind: str, rules: list[tuple[bool, RowRule]], state: DataFrame) -> Finding:
    check = Check(kind, KINDS[kind], True)
    broken = [rule for hit, rule in rules if hit]
    counts: dict[str, Any] = {"rules": len(rules), "broken_rules": len(broken)}
    if not broken:
        return Finding(check, passed=True, counts=counts)
    row = state.agg(
        *[F.count_if(rule.broken()).alias(f"{rule.column}: {rule.reason}") for rule in broken]
    ).collect()[0]
    offending = state.where(reduce(Column.__or__, [rule.broken() for rule in broken]))
    return Finding(
        check,
        passed=False,
        counts={**counts, **row.asDict()},
        sample=sample(offending),
        advice="The transformation made values that its own model forbids: mend one of the two.",
    )


def key_finding(table: Table, state: DataFrame) -> Finding:
    """Whether any key stands twice in the state."""
    keys = state.groupBy(*table.key).count().where(F.col("count") > 1)
    row = keys.agg(F.count("*").alias("keys"), F.sum("count").alias("rows")).collect()[0]
    return Finding(
        UNIQUE_KEY,
        passed=not row["keys"],
        counts={"key": ", ".join(table.key), "duplicate_keys": row["keys"], "rows": row["rows"] or 0},
        sample=sample(keys, list(table.key)) if row["keys"] else [],
        advice="The transformation doubles rows: look at the grain of its joins.",
    )


def own_findings(table: Table, scope: Scope) -> Report:
    """The findings of the table's own audits, taken together."""
    findings: list[Finding] = []
    rows_by_date: dict[Any, int] = {}
    metrics: dict[str, float] = {}
    for audit in table.audits:
        report = audit.run(scope)
        findings += report.findings
        rows_by_date |= report.rows_by_date
        metrics |= report.metrics
    return Report(findings, rows_by_date, metrics)
