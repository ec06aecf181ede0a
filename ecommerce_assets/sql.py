"""SQL literals, in the dialects that the pipeline uses."""

from collections.abc import Iterable
from datetime import date

# Spark substitutes `${...}` by settings before it parses a statement.
_SPARK_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "$": "\\u0024"})


def spark_literal(value: str | int | date) -> str:
    """A value as a Spark SQL literal, cheaper than a `Column`, which takes several JVM calls."""
    if isinstance(value, date):
        return f"date'{value}'"
    if isinstance(value, int):
        return str(value)
    return f"'{value.translate(_SPARK_ESCAPES)}'"


def spark_list(values: Iterable[str | int | date]) -> str:
    """Values as Spark SQL literals, separated by commas."""
    return ", ".join(map(spark_literal, values))


def ansi_literal(value: object) -> str:
    """A value as a standard SQL literal, for DuckDB and Athena; other types as text."""
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, int):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"
