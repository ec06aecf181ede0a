"""Types of columns in the words of DuckDB, of Spark's DDL and of Iceberg."""

import re
from typing import Any

from ecommerce_assets.sql import quoted

# As sqlglot writes DuckDB's types.
_IN_DUCKDB = {
    "string": "TEXT", "boolean": "BOOLEAN", "date": "DATE", "timestamp": "TIMESTAMPTZ",
    "timestamptz": "TIMESTAMPTZ", "int": "INT", "bigint": "BIGINT", "long": "BIGINT",
    "double": "DOUBLE",
}  # fmt: skip
_IN_DDL = {
    "VARCHAR": "string", "BOOLEAN": "boolean", "DATE": "date", "INTEGER": "int",
    "BIGINT": "bigint", "TIMESTAMP WITH TIME ZONE": "timestamp", "DOUBLE": "double",
}  # fmt: skip


def duckdb_type(kind: Any) -> str:
    """A type of Spark's or of Iceberg's in DuckDB's words, as sqlglot writes them.

    Raises:
        KeyError: no column may be of this type.
    """
    if hasattr(kind, "precision"):
        return f"DECIMAL({kind.precision}, {kind.scale})"
    if hasattr(kind, "elementType") or hasattr(kind, "element_type"):
        return f"{duckdb_type(getattr(kind, 'elementType', None) or kind.element_type)}[]"
    if hasattr(kind, "keyType"):
        return f"MAP({duckdb_type(kind.keyType)}, {duckdb_type(kind.valueType)})"
    if hasattr(kind, "key_type"):
        return f"MAP({duckdb_type(kind.key_type)}, {duckdb_type(kind.value_type)})"
    if hasattr(kind, "fields"):
        parts = ", ".join(f"{quoted(part.name)} {duckdb_type(part.dataType)}" for part in kind)
        return f"STRUCT({parts})"
    return _IN_DUCKDB[kind.simpleString() if hasattr(kind, "simpleString") else str(kind)]


def in_ddl(kind: str) -> str:
    """A type of DuckDB's in Spark's DDL; as it is if the DDL has none like it."""
    if kind.endswith("[]"):
        return f"array<{in_ddl(kind[:-2])}>"
    if found := re.fullmatch(r"MAP\((\w+), (\w+)\)", kind):
        return f"map<{in_ddl(found[1])},{in_ddl(found[2])}>"
    return _IN_DDL.get(kind, kind.lower())
