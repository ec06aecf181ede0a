"""A query in the SQL of another engine."""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ecommerce_assets.engine.proved import is_whole
from ecommerce_assets.sql import translated

if TYPE_CHECKING:
    from sqlglot import exp

# Raised when the translation gave wrong rows, so that they are made again.
TRANSLATION = 1


def load(engine: str) -> None:
    """Import what translates into an engine's SQL; before threads are started that translate.

    sqlglot enters a dialect into its register before the dialect is complete. A thread that finds
    it there meanwhile would write the functions of no dialect.
    """
    for name in ("dialects.duckdb", f"dialects.{engine}", "optimizer.qualify"):
        import_module(f"sqlglot.{name}")


def spark_sql(tree: "exp.Query", views: Mapping[str, str]) -> str:
    """A query in Spark's SQL.

    Args:
        tree: its syntax tree.
        views: by relation, the view that holds its rows.
    """
    return _plain(_for_spark(_placed(tree, views)).sql("spark", identify=True, comments=False))


def duckdb_sql(tree: "exp.Query", views: Mapping[str, str]) -> str:
    """Like `spark_sql`, in DuckDB's SQL."""
    return str(_placed(tree, views).sql("duckdb", comments=False))


def in_spark(sql: str) -> str:
    """An expression of DuckDB's SQL in Spark's."""
    return _plain(translated(sql, "spark"))


def pretty(tree: "exp.Query", engine: str) -> str:
    """A query for people, in the SQL of `duckdb` or `spark`."""
    return str((_for_spark(tree) if engine == "spark" else tree).sql(engine, pretty=True))


def _plain(sql: str) -> str:
    """A text of which Spark, before it parses it, substitutes no `${...}` by a setting."""
    return sql.replace("$", "\\u0024")


def _placed(tree: "exp.Query", views: Mapping[str, str]) -> "exp.Query":
    """A query that reads views in place of relations."""
    from sqlglot import exp

    found = tree.copy()
    for table in list(found.find_all(exp.Table)):
        if (name := relation_name(table)) in views:
            table.replace(exp.to_table(views[name], alias=table.alias or table.name))
    return found


def _for_spark(tree: "exp.Query") -> Any:
    found = tree.copy()
    # From the inside to the outside, so that nothing within a part that is replaced is left out.
    for node in reversed(list(found.walk())):
        if (other := _translated(node)) is not node:
            node.replace(other)
    return found


def _translated(node: Any) -> Any:
    """A node in Spark's words, with its children as they are; itself if it needs no other."""
    from sqlglot import exp

    if isinstance(node, exp.DataType) and node.this.name == "INT128":
        return exp.DataType.build("DECIMAL(38, 0)")
    if isinstance(node, exp.Cast) and node.to.this.name in ("BIGINT", "INT"):
        if isinstance(node.this, exp.TimeToStr) or is_whole(node.this):
            return node
        rounded = exp.cast(node.this.copy(), "DECIMAL(38, 0)")
        return exp.Cast(this=rounded, to=node.to.copy())  # Spark would cut off the fraction
    if isinstance(node, exp.Week):
        return exp.Anonymous(this="weekofyear", expressions=[node.this.copy()])
    return _own_function(node) if isinstance(node, exp.Anonymous) else node


def _own_function(call: Any) -> Any:
    """A function that sqlglot does not know, in Spark's words; itself if it needs no other."""
    from sqlglot import exp

    arguments = [argument.copy() for argument in call.expressions]
    name = call.name.lower()
    if name == "hash":
        # Spark's hash skips nulls.
        nulls = [exp.Is(this=value.copy(), expression=exp.null()) for value in arguments]
        return exp.Anonymous(this="xxhash64", expressions=[*arguments, *nulls])
    if name == "surrogate_key":
        (key,) = arguments
        hashed = exp.Anonymous(this="xxhash64", expressions=[key])
        if isinstance(key, exp.Literal):
            return hashed
        there = exp.Not(this=exp.Is(this=key.copy(), expression=exp.null()))
        return exp.case().when(there, hashed)  # of null, Spark's would be 42
    return call


def relation_name(table: "exp.Table") -> str:
    """A table as a query names it."""
    return ".".join(part.name for part in table.parts)
