"""Expressions of Spark SQL in a shop file: parsed and judged without Spark."""

from collections.abc import Mapping

from ecommerce_assets.errors import did_you_mean

# Their value differs from run to run, so a table would be no function of its upstream tables.
_UNSTEADY = {
    "rand", "randn", "random", "uuid", "now", "current_date", "current_timestamp", "curdate",
    "current_timezone", "current_user", "monotonically_increasing_id", "spark_partition_id",
    "input_file_name", "unix_timestamp", "localtimestamp", "currentdate", "currenttimestamp",
    "currentuser", "current_catalog", "current_database", "current_schema", "shuffle",
}  # fmt: skip


def row_wise(sql: str, columns: Mapping[str, str]) -> str:
    """An expression with the columns of a bronze table in place of the names in its header.

    Args:
        sql: the expression, as a person wrote it.
        columns: by name that it may use, without regard to case, Spark SQL of the column.

    Raises:
        ValueError: it is not a single expression, does not look at single rows alone, or names a
            column that is not there.
    """
    import sqlglot
    from sqlglot import exp

    try:
        (tree,) = sqlglot.parse(f"SELECT {sql}", read="spark")
    except (sqlglot.ParseError, sqlglot.TokenError):
        raise ValueError(f"{sql!r} is no expression of Spark SQL") from None
    except ValueError:
        raise ValueError(f"{sql!r} must be one expression") from None
    if not isinstance(tree, exp.Select) or len(tree.expressions) != 1 or _has_clauses(tree):
        raise ValueError(f"{sql!r} must be one expression of a row, without FROM or WHERE")
    expression = tree.expressions[0]
    if isinstance(expression, exp.Alias):
        raise ValueError(f"{sql!r} must not name its result")
    for node in expression.walk():
        if isinstance(node, exp.AggFunc | exp.Window | exp.Query | exp.UDTF | exp.Star):
            raise ValueError(
                f"{sql!r} looks at more than one row ({node.sql(dialect='spark')}); it must be "
                "computed from one row alone"
            )
        if isinstance(node, exp.Func) and _name(node) in _UNSTEADY:
            raise ValueError(
                f"{sql!r} uses {_name(node)}, whose value differs from run to run, so that a "
                "table could not be computed again"
            )
    known = {name.casefold(): column for name, column in columns.items()}
    for node in list(expression.find_all(exp.Column)):
        name = node.sql(dialect="spark", comments=False).replace("`", "")
        if name.casefold() not in known:
            raise ValueError(
                f"{sql!r} reads {name}, which is no header of the source."
                f"{did_you_mean(name, columns)}"
            )
        node.replace(sqlglot.parse_one(known[name.casefold()], read="spark"))
    return str(tree.expressions[0].sql(dialect="spark", comments=False))


def _has_clauses(select: object) -> bool:
    args = getattr(select, "args", {})
    return any(value for name, value in args.items() if name not in ("expressions", "kind"))


def _name(function: object) -> str:
    from sqlglot import exp

    if isinstance(function, exp.Anonymous):
        return str(function.this).lower()
    return str(getattr(function, "key", "")).lower()
