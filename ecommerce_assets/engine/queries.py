"""Set-wise queries: one text in DuckDB's SQL, run as it stands by DuckDB, translated by Spark."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from ecommerce_assets.derived import derived
from ecommerce_assets.engine.proved import ADD_IT, OWN, NotProved, mixed, parsed
from ecommerce_assets.engine.translation import TRANSLATION, relation_name
from ecommerce_assets.sql import quoted

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.optimizer.scope import Scope

    from ecommerce_assets.engine.relation import Relation


@dataclass(frozen=True)
class Query:
    """A query over relations.

    Attributes:
        sql: in DuckDB's SQL.
        relations: those that it reads, in the order in which they are given.
        name: as which other queries may read its result; empty if none does.
        is_of_all: whether it reads the rows of all relations that it is given as a single one.
    """

    sql: str
    relations: tuple[str, ...]
    name: str = ""
    is_of_all: bool = False

    def version_parts(self) -> tuple[object, ...]:
        """What decides its rows, for the code version: not how it is written."""
        text = derived.get(
            "query as it counts", self.sql, lambda: self.tree.sql("duckdb", comments=False)
        )
        return (text, self.relations, self.name, TRANSLATION)

    @cached_property
    def tree(self) -> "exp.Query":
        """Its syntax tree.

        Raises:
            NotProved: it is no query, or uses a construct that is not of `PROVED`.
        """
        return parsed(self.sql)

    def __call__(self, *relations: "Relation") -> "Relation":
        """Its rows, computed by the engine of the relations."""
        given = (all_rows(relations),) if self.is_of_all else relations
        named = dict(zip(self.relations, given, strict=True))
        return relations[0].engine.answer(self, named)


@lru_cache(1_000)
def _query(sql: str, relations: tuple[str, ...]) -> Query:
    return Query(sql, relations)


def query(sql: str, **relations: "Relation") -> "Relation":
    """The rows of a set-wise query.

    Args:
        sql: in DuckDB's SQL, of what is proved to be the same in every engine.
        relations: by the names by which it reads them; at least one.

    Raises:
        NotProved: it can't be run in every engine.
    """
    return _query(sql, tuple(relations))(*relations.values())


def all_rows(relations: "Iterable[Relation]") -> "Relation":
    """The rows of all relations, which have the same columns; at least one relation."""
    first, *others = relations
    if not others:
        return first
    columns = ", ".join(map(quoted, first.columns))
    named = {f"part_{n}": relation for n, relation in enumerate([first, *others])}
    return query(" UNION ALL ".join(f"SELECT {columns} FROM {name}" for name in named), **named)


def inlined(query: Query, prepared: Iterable[object]) -> "exp.Query":
    """A query with those that it reads by name in front of it, so that it reads tables alone."""
    from sqlglot import exp

    tree = query.tree.copy()
    ahead = [
        exp.CTE(this=one.tree.copy(), alias=exp.TableAlias(this=exp.to_identifier(one.name)))
        for one in prepared
        if isinstance(one, Query)
    ]
    if ahead:
        own = tree.args.get("with_")
        tree.set("with_", exp.With(expressions=[*ahead, *(own.expressions if own else ())]))
    return tree


def relations_of(tree: "exp.Query") -> set[str]:
    """The relations that a query reads, but for those that it names itself."""
    from sqlglot import exp

    named = {cte.alias for cte in tree.find_all(exp.CTE)}
    return {relation_name(table) for table in tree.find_all(exp.Table)} - named


def _with_sure_types(tree: "exp.Query") -> Any:
    """The query with casts in place of its own functions, whose types sqlglot does not know.

    Sums and products are of no known type in it: each engine has one of its own for them.
    """
    from sqlglot import exp

    unsure = (exp.Sum, exp.Add, exp.Sub, exp.Mul, exp.Neg, exp.IntDiv, exp.Mod)

    def sure(node: Any) -> Any:
        if isinstance(node, exp.Anonymous):
            return exp.cast(exp.null(), OWN[node.name.lower()])
        if isinstance(node, unsure):
            parts = [part.transform(sure) for part in node.iter_expressions()]
            return exp.Anonymous(this="unsure", expressions=parts)
        return node

    return tree.transform(sure)


def typed_columns(tree: "exp.Query", types: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The types of a query's columns, in DuckDB's words; `UNKNOWN` where they can't be told.

    Args:
        tree: of a query that reads tables alone.
        types: by table and column, its type.

    Raises:
        NotProved: it reads a column that is not there; the message has its line.
    """
    from sqlglot.optimizer.annotate_types import annotate_types

    schema = _nested(types)
    known = annotate_types(_qualified(tree, types), schema=schema, dialect="duckdb")
    for what in mixed(known):
        raise NotProved(f"{what} {ADD_IT}")
    annotated = annotate_types(
        _qualified(_with_sure_types(tree), types), schema=schema, dialect="duckdb"
    )
    return {
        part.alias_or_name.lower(): part.type.sql("duckdb") if part.type else "UNKNOWN"
        for part in annotated.selects
    }


def origins_of(
    tree: "exp.Query", types: Mapping[str, Mapping[str, str]]
) -> dict[str, tuple[tuple[str, str], ...]]:
    """By column of a query, the columns of tables that its values are made of.

    Args:
        tree: of a query that reads tables alone.
        types: as in `typed_columns`.
    """
    from sqlglot.optimizer.scope import build_scope

    qualified = _qualified(tree, types)
    scope = build_scope(qualified)
    assert scope is not None
    return {name: tuple(sorted(_origins(scope, name))) for name in qualified.named_selects}


def _origins(scope: "Scope", name: str) -> set[tuple[str, str]]:
    """The columns of tables that a column of a SELECT, or of a UNION, is made of."""
    from sqlglot import exp

    assert isinstance(scope.expression, exp.Query)
    if scope.set_operation_scopes:
        # The columns of a union go by their place.
        place = scope.expression.named_selects.index(name)
        united: set[tuple[str, str]] = set()
        for part in scope.set_operation_scopes:
            assert isinstance(part.expression, exp.Query)
            united |= _origins(part, part.expression.named_selects[place])
        return united
    (selected,) = [part for part in scope.expression.selects if part.alias_or_name == name]
    found: set[tuple[str, str]] = set()
    for column in selected.find_all(exp.Column):
        source = scope.sources[column.table]
        if isinstance(source, exp.Table):
            found.add((relation_name(source), column.name))
        else:
            found |= _origins(source, column.name)
    return found


def _qualified(tree: "exp.Query", types: Mapping[str, Mapping[str, str]]) -> "exp.Query":
    from sqlglot.errors import OptimizeError
    from sqlglot.optimizer.qualify import qualify

    try:
        return qualify(
            tree.copy(), dialect="duckdb", schema=_nested(types), quote_identifiers=False
        )
    except OptimizeError as error:
        raise NotProved(str(error).rstrip(".")) from None


def _nested(types: Mapping[str, Mapping[str, str]]) -> dict[str, object]:
    """By layer, table and column; a relation that is no table is of no layer."""
    found: dict[str, Any] = {}
    for identifier, columns in types.items():
        layer, _, name = identifier.rpartition(".")
        (found.setdefault(layer, {}) if layer else found)[name] = dict(columns)
    return found
