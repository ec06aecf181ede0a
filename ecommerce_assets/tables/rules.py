"""pandera's checks as Spark conditions: what a single row can break.

pandera declares; its own PySpark backend takes more than ten Spark jobs for a few columns
(0.35.0), so here its declarations become conditions that one pass over the rows can judge.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandera.pyspark as pa

from ecommerce_assets.tables.sql import listed, literal

NULLABILITY = "nullability"
RANGES = "ranges"
ALLOWED_VALUES = "allowed_values"
FORMATS = "formats"
KINDS = {
    NULLABILITY: "Required columns hold a value in every row.",
    RANGES: "Numbers lie in the ranges of the contract.",
    ALLOWED_VALUES: "Values come from the lists of the contract.",
    FORMATS: "Texts have the form that the contract asks for.",
}


@dataclass(frozen=True)
class RowRule:
    """A condition on one column that every row must meet.

    Attributes:
        kind: the asset check it belongs to, a key of `KINDS`.
        column: the column it judges.
        reason: what is wrong with a value that breaks it.
        condition: Spark SQL that is true where it is met; null counts as met.
    """

    kind: str
    column: str
    reason: str
    condition: str

    @property
    def broken(self) -> str:
        """Spark SQL that is true where the rule is broken, never null."""
        return f"not coalesce({self.condition}, true)"


Statistics = Mapping[str, Any]
_CHECKS: dict[str, tuple[str, Callable[[Statistics], str], str]] = {
    "greater_than_or_equal_to": (RANGES, lambda s: f">= {s['min_value']}", "below {min_value}"),
    "greater_than": (RANGES, lambda s: f"> {s['min_value']}", "not above {min_value}"),
    "less_than_or_equal_to": (RANGES, lambda s: f"<= {s['max_value']}", "above {max_value}"),
    "in_range": (
        RANGES,
        lambda s: f"between {s['min_value']} and {s['max_value']}",
        "not from {min_value} to {max_value}",
    ),
    "isin": (
        ALLOWED_VALUES,
        lambda s: f"in ({listed(s['allowed_values'])})",
        "not an allowed value",
    ),
    "str_matches": (
        FORMATS,
        lambda s: f"rlike {literal(s['pattern'])}",
        "not of the form asked for",
    ),
}


def row_rules(columns: Mapping[str, pa.Column]) -> tuple[RowRule, ...]:
    """The rules of a table's pandera columns: nullability first, then each check.

    Raises:
        ValueError: a column has a pandera check that is not in `_CHECKS`; it would
            otherwise be declared and never judged.
    """
    rules = []
    for name, column in columns.items():
        if not column.nullable:
            condition = f"`{name}` is not null"
            rules.append(RowRule(NULLABILITY, name, "required value is empty", condition))
        for check in column.checks:
            if check.name not in _CHECKS:
                raise ValueError(f"{name}: no Spark condition for pandera's {check.name}")
            kind, comparison, default_reason = _CHECKS[check.name]
            reason = (column.metadata or {}).get("reason") or default_reason.format(
                **check.statistics
            )
            rules.append(RowRule(kind, name, reason, f"`{name}` {comparison(check.statistics)}"))
    return tuple(rules)
