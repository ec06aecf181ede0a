"""The constructs of SQL that are proved to give the same rows in both engines.

A set-wise query may use only those of `PROVED`, each with probes at its edges in the tests.
Anything else is refused before it runs.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import exp

# Functions that sqlglot does not know, and the types of their results.
OWN = {"surrogate_key": "BIGINT", "hash": "BIGINT"}
# Parts of a query, operators and functions, by the names of sqlglot's syntax nodes.
PROVED = frozenset(
    {
        "Select", "With", "CTE", "From", "Table", "TableAlias", "Subquery", "Join", "Union",
        "Where", "Group", "Order", "Ordered", "Window", "Alias", "Column", "Identifier", "Star",
        "Paren", "Literal", "Null", "Boolean", "DataType", "DataTypeParam", "Var",
        "And", "Or", "Not", "EQ", "NEQ", "NullSafeEQ", "GT", "GTE", "LT", "LTE", "Is", "In",
        "Between", "Case", "If", "Coalesce", "Add", "Sub", "Mul", "Neg", "IntDiv", "Mod", "Cast",
        "Round", "Replace", "Sum", "Count", "Distinct", "Min", "Max", "RowNumber", "Least",
        "Greatest", "Year", "Quarter", "Month", "Week", "TimestampTrunc", "TimeToStr",
        "DateFromParts", "DateDiff", "Interval", "GenerateSeries", "Explode",
    }
)  # fmt: skip
TYPES = ("INT", "BIGINT", "INT128", "DECIMAL", "DATE", "BOOLEAN", "VARCHAR", "TEXT")
# What a construct may not have with it, by sqlglot's names of a node's parts.
_NOT_WITH = {
    "Table": ("joins", "laterals", "pivots", "sample", "hints", "when", "version", "only"),
    "TableAlias": ("columns",),
    "Subquery": ("joins", "laterals", "pivots", "sample"),
    "Case": ("this",),
    "Min": ("expressions", "having", "count"),
    "Max": ("expressions", "having", "count"),
    "Star": ("except_", "replace", "rename"),
    "Group": ("all", "grouping_sets", "cube", "rollup", "totals"),
    "Distinct": ("on",),
    "In": ("query", "unnest", "field"),
    "Join": ("using", "method", "global_", "hint"),
    "Union": ("distinct", "by_name", "side", "kind", "on"),
}
# The only units and formats.
_ONLY = {
    "TimestampTrunc": ("unit", ("WEEK", "MONTH")),
    "DateDiff": ("unit", ("DAY",)),
    "Interval": ("unit", ("DAY", "DAYS")),
    "TimeToStr": ("format", ("%Y%m%d", "%A", "%B")),
}
_JOINS = {
    ("", ""), ("", "INNER"), ("LEFT", ""), ("FULL", ""), ("LEFT", "OUTER"), ("FULL", "OUTER"),
    ("", "SEMI"), ("", "ANTI"),
}  # fmt: skip
_FAMILIES = {
    "text": ("TEXT", "VARCHAR"),
    "number": ("INT", "BIGINT", "INT128", "DECIMAL", "SMALLINT", "TINYINT"),
    "day": ("DATE",),
    "time": ("TIMESTAMP", "TIMESTAMPTZ"),
    "flag": ("BOOLEAN",),
}
_CASTS = {("time", "day")}
ADD_IT = (
    "is not proved to be the same in DuckDB and in Spark. Write it otherwise, or prove it: add it "
    "to engine/proved.py, with probes at its edges in test_queries.py"
)
# After the point, of a product: Spark keeps no more of one that may need more than 38 digits, and
# DuckDB has room for 18 altogether, unless an operand may have more.
_MOST_DIGITS, _ALL_DIGITS, _OF_SMALL = 6, 38, 18


class NotProved(ValueError):
    """A query that can't be run; the message names the construct and the remedy."""


def parsed(sql: str) -> "exp.Query":
    """The syntax tree of a query.

    Raises:
        NotProved: it is no query, or uses a construct that is not of `PROVED`.
    """
    import sqlglot
    from sqlglot import exp

    try:
        tree = sqlglot.parse_one(sql, read="duckdb")
    except sqlglot.ParseError as error:
        (first, *_) = error.errors
        raise NotProved(f"line {first['line']}: {first['description']}") from None
    except sqlglot.errors.SqlglotError as error:
        raise NotProved(str(error)) from None
    if not isinstance(tree, exp.Query):
        raise NotProved(f"it is a {tree.key} statement, not a SELECT")
    for what in _unproved(tree):
        raise NotProved(f"{what} {ADD_IT}")
    return tree


def _unproved(tree: "exp.Query") -> Iterator[str]:
    """The constructs that are not proved."""
    for node in tree.walk():
        if what := _unlisted(node) or _in_another_way(node):
            yield what


def _unlisted(node: "exp.Expr") -> str:
    """A construct that is no member of the lists; empty if it is one."""
    from sqlglot import exp

    kind = type(node).__name__
    if isinstance(node, exp.Anonymous):
        return "" if node.name.lower() in OWN else f"the function {node.name.lower()}"
    if kind not in PROVED or any(node.args.get(name) for name in _NOT_WITH.get(kind, ())):
        return f"{node.sql('duckdb')} ({kind})"
    part, allowed = _ONLY.get(kind, ("", ()))
    if part and (node.args[part].name if node.args.get(part) else "") not in allowed:
        return f"{node.sql('duckdb')} (other than {', '.join(allowed)})"
    if isinstance(node, exp.DataType) and not isinstance(node.parent, exp.Interval):
        return "" if node.this.name in TYPES else f"the type {node.sql('duckdb')}"
    return ""


def _in_another_way(node: "exp.Expr") -> str:
    """A construct that is used otherwise than it was proved; empty if it is not."""
    from sqlglot import exp

    if isinstance(node, exp.Join) and (node.side, node.kind) not in _JOINS:
        return " ".join(filter(None, ("a", node.side, node.kind, "JOIN")))
    if isinstance(node, exp.GenerateSeries) and not isinstance(node.args.get("step"), exp.Interval):
        return f"{node.sql('duckdb')}, of other things than days,"
    if isinstance(node, exp.Window) and isinstance(node.this, exp.RowNumber):
        return "" if node.args.get("order") else f"{node.sql('duckdb')} without ORDER BY"
    if isinstance(node, exp.Subquery) and not isinstance(node.parent, exp.From | exp.Join):
        return f"{node.sql('duckdb')}, a query within an expression,"
    if isinstance(node, exp.Literal) and not node.is_string and "e" in node.name.lower():
        return f"{node.name}, a floating-point number,"
    if isinstance(node, exp.IntDiv | exp.Mod) and not all(map(is_whole, (node.left, node.right))):
        return f"{node.sql('duckdb')}, whose operands are no casts to HUGEINT or BIGINT,"
    return ""


def mixed(tree: "exp.Query") -> Iterator[str]:
    """The constructs whose operands are of types for which they are not proved.

    Args:
        tree: with the types of its nodes.
    """
    from sqlglot import exp

    numeric = (exp.Add, exp.Sub, exp.Mul, exp.Neg, exp.IntDiv, exp.Mod, exp.Sum)
    alike = (exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In)
    for node in tree.walk():
        if isinstance(node, exp.Cast):
            pair = _family(node.this), _family(node)
            text = isinstance(node.this, exp.TimeToStr | exp.Literal)
            if None not in pair and pair[0] != pair[1] and pair not in _CASTS and not text:
                yield f"{node.sql('duckdb')}, a cast from {pair[0]} to {pair[1]},"
        elif isinstance(node, exp.Anonymous) and not _as_proved(node):
            yield f"{node.sql('duckdb')}, of other arguments than it was proved for,"
        elif isinstance(node, exp.Mul) and _may_lose_digits(node):
            yield f"{node.sql('duckdb')}, of more than {_MOST_DIGITS} digits after the point,"
        elif isinstance(node, exp.Coalesce | exp.Least | exp.Greatest):
            if len({_family(part) for part in node.iter_expressions()} - {None}) > 1:
                yield f"{node.sql('duckdb')}, of different types,"
        elif isinstance(node, (*numeric, *alike)):
            families = {_family(part) for part in node.iter_expressions()} - {None}
            wrong = families - {"number"} if isinstance(node, numeric) else len(families) > 1
            if wrong and not _is_day_ahead(node):
                yield f"{node.sql('duckdb')}, of {' and '.join(sorted(map(str, families)))},"


def _as_proved(call: "exp.Anonymous") -> bool:
    """Whether the arguments of a function that sqlglot does not know are what it was proved for."""
    arguments = call.expressions
    if call.name.lower() == "hash":
        return True
    return len(arguments) == 1 and _family(arguments[0]) == "text"


def _digits(node: "exp.Expr") -> int:
    """How many digits a number has after the point, at most."""
    from sqlglot import exp

    if isinstance(node, exp.Paren):
        return _digits(node.this)
    if isinstance(node, exp.Literal):
        return len(node.name.partition(".")[2])
    if isinstance(node, exp.Mul):
        return _digits(node.left) + _digits(node.right)
    if isinstance(node, exp.Add | exp.Sub):
        return max(_digits(node.left), _digits(node.right))
    kind = node.type
    if kind is None or kind.this.name != "DECIMAL" or len(kind.expressions) < 2:
        return 0
    return int(kind.expressions[1].name)


def _may_lose_digits(product: "exp.Mul") -> bool:
    """Whether a product may have more digits after the point than an engine keeps."""
    from sqlglot import exp

    if _digits(product) <= _MOST_DIGITS:
        return False
    digits = []
    for side in (product.left, product.right):
        kind = side.type
        if isinstance(side, exp.Mul) or kind is None or kind.this.name != "DECIMAL":
            return True
        digits.append(int(kind.expressions[0].name) if kind.expressions else _ALL_DIGITS)
    return max(digits) <= _OF_SMALL or sum(digits) >= _ALL_DIGITS


def _is_day_ahead(node: "exp.Expr") -> bool:
    """Whether it is a day plus days, cast to a day."""
    from sqlglot import exp

    if not isinstance(node, exp.Add):
        return False
    cast = isinstance(node.parent, exp.Cast) and node.parent.to.this.name == "DATE"
    return cast and _family(node.left) == "day" and isinstance(node.right, exp.Interval)


def _family(node: "exp.Expr") -> str | None:
    """What kind of value a node has; None if that is not known."""
    kind = node.type.this.name if node.type else "UNKNOWN"
    return next((family for family, kinds in _FAMILIES.items() if kind in kinds), None)


def is_whole(side: "exp.Expr") -> bool:
    """Whether an operand is seen to be a whole number."""
    from sqlglot import exp

    if isinstance(side, exp.Paren):
        return is_whole(side.this)
    if isinstance(side, exp.Add | exp.Sub | exp.Mul):
        return is_whole(side.left) and is_whole(side.right)
    if isinstance(side, exp.Literal):
        return side.is_int
    return isinstance(side, exp.Cast) and side.to.this.name in ("INT128", "BIGINT", "INT")
