"""Values as the text of Spark SQL: one call to the JVM, where columns take several a value."""

from collections.abc import Iterable
from datetime import date

# Before Spark reads a text, it puts the values of settings in the place of `${...}`.
_ESCAPED = str.maketrans({"\\": "\\\\", "'": "\\'", "$": "\\u0024"})


def literal(value: str | int | date) -> str:
    """A value as SQL."""
    if isinstance(value, date):
        return f"date'{value}'"
    if isinstance(value, int):
        return str(value)
    return f"'{value.translate(_ESCAPED)}'"


def listed(values: Iterable[str | int | date]) -> str:
    """Values as SQL, with commas between them."""
    return ", ".join(map(literal, values))
