"""pandera's checks as SQL conditions on single rows.

pandera's own PySpark backend (0.35.0) takes more than ten Spark jobs for a few columns, so its
declarations are compiled to conditions that are evaluated in one pass.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandera.pandas as pa

from ecommerce_assets.sql import ansi_literal, quoted

NULLABILITY = "nullability"
RANGES = "ranges"
ALLOWED_VALUES = "allowed_values"
FORMATS = "formats"
KINDS = {
    NULLABILITY: "Required columns have a value in every row.",
    RANGES: "Numbers lie in the ranges of the contract.",
    ALLOWED_VALUES: "Values come from the lists of the contract.",
    FORMATS: "Text matches the required format (e-mail, country code).",
}


@dataclass(frozen=True)
class RowRule:
    """A condition on one column.

    Attributes:
        kind: the asset check it belongs to, a key of `KINDS`.
        column: the column.
        reason: what is wrong with a value that breaks the rule.
        requirement: what a value must satisfy.
        condition: SQL condition that rows must satisfy; null counts as satisfied.
        warns: whether a row that breaks it is kept, with a warning.
    """

    kind: str
    column: str
    reason: str
    requirement: str
    condition: str
    warns: bool = False

    @property
    def broken(self) -> str:
        """SQL condition of a broken rule, never null."""
        return f"NOT coalesce({self.condition}, true)"


Statistics = Mapping[str, Any]


@dataclass(frozen=True)
class _Kind:
    """How one of pandera's checks is compiled and worded."""

    kind: str
    condition: Callable[[str, Statistics], str]
    reason: str
    requirement: str


_CHECKS = {
    "greater_than_or_equal_to": _Kind(
        RANGES, lambda c, s: f"{c} >= {s['min_value']}", "below {min_value}", "at least {min_value}"
    ),
    "greater_than": _Kind(
        RANGES, lambda c, s: f"{c} > {s['min_value']}", "not above {min_value}", "above {min_value}"
    ),
    "less_than_or_equal_to": _Kind(
        RANGES, lambda c, s: f"{c} <= {s['max_value']}", "above {max_value}", "at most {max_value}"
    ),
    "in_range": _Kind(
        RANGES,
        lambda c, s: f"{c} BETWEEN {s['min_value']} AND {s['max_value']}",
        "not from {min_value} to {max_value}",
        "from {min_value} to {max_value}",
    ),
    "isin": _Kind(
        ALLOWED_VALUES,
        lambda c, s: f"{c} IN ({', '.join(map(ansi_literal, s['allowed_values']))})",
        "not an allowed value",
        "one of: {allowed}",
    ),
    "str_matches": _Kind(
        FORMATS,
        lambda c, s: f"regexp_matches({c}, {ansi_literal(s['pattern'])})",
        "not of the required format",
        "like {pattern}",
    ),
}


def row_rules(columns: Mapping[str, pa.Column]) -> tuple[RowRule, ...]:
    """The rules of a table's pandera columns: nullability first, then each check.

    Raises:
        ValueError: a column has a pandera check missing from `_CHECKS`, which would never be
            evaluated.
    """
    rules = []
    for name, column in columns.items():
        if not column.nullable:
            condition = f"{quoted(name)} IS NOT NULL"
            rules.append(
                RowRule(NULLABILITY, name, "required value is empty", "not empty", condition)
            )
        for check in column.checks:
            if check.name not in _CHECKS:
                raise ValueError(f"{name}: no SQL condition for pandera's {check.name}")
            how, said = _CHECKS[check.name], dict(check.statistics)
            said["allowed"] = ", ".join(map(str, said.get("allowed_values", ())))
            own = (column.metadata or {}).get("reason")
            reason = own or how.reason.format(**said)
            requirement = own.removeprefix("not ") if own else how.requirement.format(**said)
            condition = how.condition(quoted(name), check.statistics)
            warns = bool((column.metadata or {}).get("warns"))
            rules.append(RowRule(how.kind, name, reason, requirement, condition, warns))
    return tuple(rules)
