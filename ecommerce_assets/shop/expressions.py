"""Expressions of DuckDB's SQL in a shop file: parsed and judged by DuckDB before anything runs."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from ecommerce_assets.errors import did_you_mean
from ecommerce_assets.shop.numbers import number_of
from ecommerce_assets.sql import quoted

if TYPE_CHECKING:
    import duckdb

_SELECT = "SELECT "
_HEADERS_ARE_TEXTS = "Headers are texts; take their numbers first, as in number(Quantity)."
# Of those without an argument, and of one, DuckDB does not say that they read the clock.
_CLOCK = {
    "age", "current_date", "current_localtime", "current_localtimestamp", "current_time",
    "current_timestamp", "localtime", "localtimestamp",
}  # fmt: skip


@dataclass(frozen=True)
class Expression:
    """An expression of a row.

    Attributes:
        sql: with the columns of a bronze table.
        names: those in the source's header that it reads.
    """

    sql: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class _Functions:
    """Functions of DuckDB that an expression may not use, in lower case.

    Attributes:
        unsteady: their value differs from run to run.
        of_rows: they look at several rows, or give several.
    """

    unsteady: frozenset[str]
    of_rows: frozenset[str]


def row_expression(
    sql: str,
    columns: Mapping[str, str],
    *,
    marks: tuple[str, str] = (".", ""),
    condition: bool = False,
) -> Expression:
    """An expression with the columns of a bronze table in place of the names in its header.

    `number(text)` is the number that a text is, as the source writes numbers.

    Args:
        sql: the expression, as a person wrote it.
        columns: by name that it may use, without regard to case, SQL of the text.
        marks: of the source's numbers, the decimal mark and the thousands separator.
        condition: whether it must be true or false.

    Raises:
        ValueError: it is not a single expression, does not look at single rows alone, names a
            column that is not there, or can't be computed from texts.
    """
    shown, parsed = sql, _parsed(sql)
    if condition:
        _must_not_ask_for_null(sql, parsed)
    sql, parsed = _with_numbers(sql, parsed, marks)
    # The operand of a CASE is there once for each WHEN.
    places = sorted(set(_names(parsed, frozenset())), reverse=True)
    known = {name.casefold(): name for name in columns}
    text, read = (_SELECT + sql).encode(), []
    for start, end, name in places:
        if name.casefold() not in known:
            raise ValueError(
                f"{shown!r} reads {name}, which is no header of the source."
                f"{did_you_mean(name, columns)}"
            )
        if text[start:end].decode(errors="replace").strip('"`').replace('""', '"') != name:
            raise ValueError(f"{shown!r} has odd white space beside {name}; write plain blanks")
        read.append(known[name.casefold()])
        text = text[:start] + columns[read[-1]].encode() + text[end:]
    _bound(sql, columns, shown, condition=condition)
    return Expression(text.decode().removeprefix(_SELECT), tuple(dict.fromkeys(reversed(read))))


def text_of(sql: str) -> str:
    """An expression's value as text; null where it can't be computed, as of a cast of other text.

    An expression may end in a comment.
    """
    return f"TRY(CAST(({sql}\n) AS VARCHAR))"


def _parsed(sql: str) -> dict[str, Any]:
    """DuckDB's own syntax tree of an expression of a row."""
    answer = _cursor().execute("SELECT json_serialize_sql(?)", [_SELECT + sql]).fetchone()
    assert answer is not None
    parsed = json.loads(answer[0])
    if parsed["error"]:
        raise ValueError(
            f"{sql!r} is no expression of DuckDB's SQL: {parsed['error_message'].rstrip('.')}"
        )
    nodes = [statement["node"] for statement in parsed["statements"]]
    clauses = ("where_clause", "group_expressions", "having", "qualify", "sample", "modifiers")
    if (
        len(nodes) != 1
        or nodes[0]["type"] != "SELECT_NODE"
        or len(nodes[0]["select_list"]) != 1
        or nodes[0]["from_table"]["type"] != "EMPTY"
        or any(nodes[0][clause] for clause in clauses)
    ):
        raise ValueError(f"{sql!r} must be one expression of a row, without FROM or WHERE")
    expression: dict[str, Any] = nodes[0]["select_list"][0]
    if expression["alias"]:
        raise ValueError(f"{sql!r} must not name its result")
    for node in _nodes(expression):
        if wrong := _wrong(node, _functions()):
            raise ValueError(f"{sql!r} {wrong}")
    return expression


def _wrong(node: Mapping[str, Any], functions: _Functions) -> str:
    """What an expression may not do, and the remedy; empty if it does not."""
    name = str(node.get("function_name", "")).lower()
    if node["class"] in ("WINDOW", "SUBQUERY", "STAR") or name in functions.of_rows:
        return (
            f"looks at more than one row ({name or node['class'].lower()}); it must be computed "
            "from one row alone"
        )
    if name in functions.unsteady:
        return (
            f"uses {name}, whose value differs from run to run, so that a table could not be "
            "computed again"
        )
    if node["class"] == "CAST" and not node["try_cast"] and _reads_more(node):
        return (
            "casts a text that may be none of the type, for which its whole value would be lost: "
            "write try_cast(… AS …)"
        )
    if node["type"] == "ARRAY_EXTRACT" and _is_zero(node["children"][-1]):
        return "takes part 0 of a list; DuckDB counts from 1"
    return ""


def _reads_more(cast: Mapping[str, Any]) -> bool:
    """Whether a cast is one of a header's text to another type."""
    written = cast["query_location_length"] > 0  # else DuckDB's own, as of an interval
    there = any(node["class"] == "COLUMN_REF" for node in _nodes(cast["child"]))
    return written and there and cast["type_expr"]["type_name"] not in ("VARCHAR", "TEXT", "STRING")


def _is_zero(node: Mapping[str, Any]) -> bool:
    return bool(node["class"] == "CONSTANT" and node.get("literal", {}).get("text") == "0")


def _must_not_ask_for_null(sql: str, parsed: Mapping[str, Any]) -> None:
    """Check that a condition compares no header with null.

    Raises:
        ValueError: it does; a field that a file lacks is an empty text, as one that is empty.
    """
    for node in _nodes(parsed):
        if node["type"] in ("OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL"):
            for part in node["children"]:
                if part["class"] == "COLUMN_REF":
                    name = ".".join(part["column_names"])
                    raise ValueError(
                        f"{sql!r} asks whether {name} is null; a field that is empty, or that a "
                        f"file lacks, is an empty text: compare it with ''"
                    )


def _with_numbers(
    sql: str, parsed: dict[str, Any], marks: tuple[str, str]
) -> tuple[str, dict[str, Any]]:
    """An expression with SQL in place of its calls of `number`, the innermost first; and its tree.

    Raises:
        ValueError: one has not a single argument.
    """
    shown = sql
    while calls := [
        node for node in _nodes(parsed) if str(node.get("function_name")).lower() == "number"
    ]:
        call = max(calls, key=lambda node: int(node["query_location"]))
        if len(call["arguments"]) != 1:
            raise ValueError(f"{shown!r} must give number one text, as in number(Quantity)")
        start, text = call["query_location"], (_SELECT + sql).encode()
        end = start + call["query_location_length"]
        argument = text[start:end].decode().partition("(")[2].removesuffix(")")
        number = f"({number_of(f'({argument})', *marks)})"
        sql = (text[:start] + number.encode() + text[end:]).decode().removeprefix(_SELECT)
        parsed = _parsed(sql)
    return sql, parsed


def _bound(sql: str, columns: Mapping[str, str], shown: str, *, condition: bool) -> None:
    """Have DuckDB look at the types.

    Raises:
        ValueError: it can't compute the expression from texts, or finds it no condition.
    """
    import duckdb

    texts = ", ".join(f"NULL::VARCHAR AS {quoted(name)}" for name in columns)
    try:
        rows = _cursor().execute(f"DESCRIBE SELECT ({sql}\n) FROM (SELECT {texts})").fetchall()
    except duckdb.Error as error:
        why = str(error).splitlines()[0].rstrip(".!")
        raise ValueError(f"{shown!r} can't be computed: {why}. {_HEADERS_ARE_TEXTS}") from None
    if condition and rows[0][1] != "BOOLEAN":
        raise ValueError(f"{shown!r} is no condition, but of type {rows[0][1]}; compare it")


def _names(node: Any, parameters: frozenset[str]) -> Iterator[tuple[int, int, str]]:
    """The names of columns, with their places in the bytes of the text.

    Args:
        parameters: those of the lambdas around the node, which are no columns.
    """
    if isinstance(node, list):
        for part in node:
            yield from _names(part, parameters)
    if not isinstance(node, dict):
        return
    if node.get("class") == "LAMBDA":
        # Its parameters are one column, or several in a call of `row`.
        own = {".".join(found["column_names"]) for found in _nodes(node["lhs"])
               if found["class"] == "COLUMN_REF"}  # fmt: skip
        yield from _names(node["expr"], parameters | own)
        return
    if node.get("class") == "COLUMN_REF":
        name = ".".join(node["column_names"])
        if name not in parameters:
            start = node["query_location"]
            yield start, start + node["query_location_length"], name
    for part in node.values():
        yield from _names(part, parameters)


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    """The expressions in a part of DuckDB's syntax tree."""
    if isinstance(node, list):
        for part in node:
            yield from _nodes(part)
    elif isinstance(node, dict):
        if "class" in node:
            yield node
        for part in node.values():
            yield from _nodes(part)


def _cursor() -> "duckdb.DuckDBPyConnection":
    """A connection of its own: one that another thread is using refuses the call."""
    return _database().cursor()


@cache
def _database() -> "duckdb.DuckDBPyConnection":
    # Loading a shop without expressions takes no engine.
    from ecommerce_assets.engine.duck import connect

    return connect()


@cache
def _functions() -> _Functions:
    found = (
        _cursor()
        .execute(
            "SELECT lower(function_name), bool_or(function_type IN ('scalar', 'macro')), "
            "bool_and(coalesce(stability, 'CONSISTENT') = 'CONSISTENT'), "
            "lower(string_agg(macro_definition, ' ')) FROM duckdb_functions() GROUP BY 1"
        )
        .fetchall()
    )
    unsteady = _CLOCK | {name for name, _, steady, _ in found if not steady}
    unsteady |= {
        name
        for name, _, _, macro in found
        if macro and unsteady.intersection(re.findall(r"\w+", macro))
    }
    of_rows = {name for name, single, _, _ in found if not single}
    return _Functions(frozenset(unsteady), frozenset(of_rows))
