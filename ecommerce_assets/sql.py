"""SQL in the dialects that the pipeline uses: literals, names, translations."""

import re
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


@lru_cache(1_000)  # dates are written into conditions
def translated(sql: str, dialect: str) -> str:
    """An expression of DuckDB's SQL in another dialect of sqlglot's, like `spark`."""
    import sqlglot

    return str(sqlglot.transpile(sql, read="duckdb", write=dialect)[0])
