"""SQL in the dialects that the pipeline uses: literals, names, translations."""

import re
from collections.abc import Iterable, Sequence
from datetime import date
from functools import lru_cache

# Types in DuckDB's words.
MAP_TYPE = re.compile(r"MAP\((\w+), (\w+)\)")
DECIMAL_TYPE = re.compile(r"DECIMAL\((\d+), ?(\d+)\)")


def quoted(name: str) -> str:
    """A name as a standard SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def ansi_literal(value: object) -> str:
    """A value as a standard SQL literal, for DuckDB and Athena; other types as text."""
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, int):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


def latest_first(order: Iterable[str]) -> str:
    """The latest version first, by columns, most significant first; a null is lowest."""
    return ", ".join(f"{name} DESC NULLS LAST" for name in order)


def is_lower(one: str, other: str, order: Sequence[str]) -> str:
    """Whether a row's version is lower than another's.

    Args:
        one, other: as which the query knows the rows.
        order: the columns by which versions are compared, most significant first; a null is lowest.
    """
    first, *rest = order
    mine, others = f"{one}.{first}", f"{other}.{first}"
    lower = f"{mine} < {others} OR ({mine} IS NULL AND {others} IS NOT NULL)"
    if rest:
        lower += f" OR ({mine} IS NOT DISTINCT FROM {others} AND {is_lower(one, other, rest)})"
    return f"({lower})"


@lru_cache(1_000)  # dates are written into conditions
def translated(sql: str, dialect: str) -> str:
    """An expression of DuckDB's SQL in another dialect of sqlglot's, like `spark`."""
    import sqlglot

    return str(sqlglot.transpile(sql, read="duckdb", write=dialect)[0])
