"""Types of columns in the words of DuckDB, of Spark's DDL and of Iceberg."""

from collections.abc import Mapping
from typing import Any

from ecommerce_assets.sql import MAP_TYPE, quoted

# A type as sqlglot writes DuckDB's, like `TEXT[]`; of a struct, its parts by name.
Kind = str | Mapping[str, str]
_OF_ICEBERG = {
    "string": "TEXT", "boolean": "BOOLEAN", "date": "DATE", "timestamptz": "TIMESTAMPTZ",
    "int": "INT", "long": "BIGINT", "double": "DOUBLE",
}  # fmt: skip
# DuckDB describes types in other words than those in which sqlglot writes them.
_IN_DDL = {
    "VARCHAR": "string", "TEXT": "string", "BOOLEAN": "boolean", "DATE": "date", "INTEGER": "int",
    "INT": "int", "BIGINT": "bigint", "TIMESTAMP WITH TIME ZONE": "timestamp",
    "TIMESTAMPTZ": "timestamp", "DOUBLE": "double",
}  # fmt: skip


def in_duckdb(kind: Kind) -> str:
    """A type in DuckDB's words."""
    if isinstance(kind, str):
        return kind
    return f"STRUCT({', '.join(f'{quoted(name)} {part}' for name, part in kind.items())})"


def of_iceberg(kind: Any) -> str:
    """A type of Iceberg's in DuckDB's words, as sqlglot writes them.

    Raises:
        KeyError: no column may be of this type.
    """
    if hasattr(kind, "precision"):
        return f"DECIMAL({kind.precision}, {kind.scale})"
    if hasattr(kind, "element_type"):
        return f"{of_iceberg(kind.element_type)}[]"
    if hasattr(kind, "key_type"):
        return f"MAP({of_iceberg(kind.key_type)}, {of_iceberg(kind.value_type)})"
    return _OF_ICEBERG[str(kind)]


def in_ddl(kind: str) -> str:
    """A type of DuckDB's in Spark's DDL; as it is if the DDL has none like it."""
    if kind.endswith("[]"):
        return f"array<{in_ddl(kind[:-2])}>"
    if found := MAP_TYPE.fullmatch(kind):
        return f"map<{in_ddl(found[1])},{in_ddl(found[2])}>"
    return _IN_DDL.get(kind, kind.lower().replace(" ", ""))
