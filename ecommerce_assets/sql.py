"""Values as SQL text, in each dialect that the pipeline speaks."""

from collections.abc import Iterable
from datetime import date

# Before Spark parses a statement, it substitutes its settings for `${...}`.
_SPARK_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "$": "\\u0024"})


def spark_literal(value: str | int | date) -> str:
    """A value as Spark SQL; one call to the JVM, where a `Column` takes several a value."""
    if isinstance(value, date):
        return f"date'{value}'"
    if isinstance(value, int):
        return str(value)
    return f"'{value.translate(_SPARK_ESCAPES)}'"


def spark_list(values: Iterable[str | int | date]) -> str:
    """Values as Spark SQL, separated by commas."""
    return ", ".join(map(spark_literal, values))


def ansi_literal(value: object) -> str:
    """A value as standard SQL, which DuckDB and Athena read; other types as text."""
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, int):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"
