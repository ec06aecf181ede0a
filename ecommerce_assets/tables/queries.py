"""The queries of tables, held against the declarations before anything runs."""

from collections.abc import Mapping

import pandera.pandas as pa

from ecommerce_assets.derived import derived
from ecommerce_assets.engine.proved import NotProved
from ecommerce_assets.engine.queries import (
    Query,
    inlined,
    origins_of,
    relations_of,
    typed_columns,
)
from ecommerce_assets.engine.translation import pretty
from ecommerce_assets.engine.types import in_duckdb
from ecommerce_assets.errors import PipelineError, did_you_mean
from ecommerce_assets.model.table import Table
from ecommerce_assets.tables.contract import Contract


def check_query(table: Table, known: Mapping[str, Table]) -> None:
    """Whether a table's query can be run and gives the columns of its model.

    Args:
        table: its upstream tables are known.
        known: the tables by identifier.

    Raises:
        PipelineError: it can't, or does not; the message has the table, the line and the remedy.
    """
    query = table.transform
    if not isinstance(query, Query):
        return
    types, expected = _types(table, known), _expected(table)

    def check() -> bool:
        try:
            _check_relations(table, query)
            found = typed_columns(inlined(query, table.prepare.values()), types)
            _check_columns(table, found, expected)
        except NotProved as error:
            raise PipelineError(f"the query of {table.identifier}: {error}") from None
        return True

    derived.get("checked query", (*_texts(table), types, expected), check)


def lineage_of(table: Table, known: Mapping[str, Table]) -> dict[str, tuple[tuple[str, str], ...]]:
    """By column of a table, the columns that its values are made of, as (table, column)."""
    if not isinstance(table.transform, Query) or table.origins:
        return {name: table.origins.get(name, ()) for name in table.columns}
    query, types = table.transform, _types(table, known)
    found = derived.get(
        "lineage",
        (*_texts(table), types),
        lambda: origins_of(inlined(query, table.prepare.values()), types),
    )
    return {name: tuple((of, column) for of, column in origins) for name, origins in found.items()}


def shown(table: Table, engine: str) -> str:
    """The queries that compute a table, for people; of one that has none, a comment.

    Args:
        engine: `duckdb` or `spark`.
    """
    if not isinstance(table.transform, Query):
        return f"-- {table.identifier} holds its source's rows as received."
    judged = [
        f"-- {table.transform.relations[0]}, of {name}; by DuckDB in every engine:\n{found.query};"
        for name, found in table.prepare.items()
        if isinstance(found, Contract)
    ]
    own = f"{pretty(inlined(table.transform, table.prepare.values()), engine)};"
    return "\n".join([*judged, f"-- {table.identifier}:", own] if judged else [own])


def _check_relations(table: Table, query: Query) -> None:
    for name, prepared in table.prepare.items():
        if isinstance(prepared, Query) and relations_of(prepared.tree) != {name}:
            raise NotProved(f"{prepared.name} must read {name} alone")
    reads = relations_of(query.tree)
    for name in sorted(reads - set(query.relations)):
        raise NotProved(
            f"it reads {name}, which is not among its upstream tables."
            f"{did_you_mean(name, query.relations)}"
        )
    for name in query.relations:
        if name not in reads:
            raise NotProved(f"it does not read {name}: leave it out of `upstream`")


def _texts(table: Table) -> tuple[object, ...]:
    """The text of a table's query, and of those that it reads by name."""
    prepared = {
        name: (found.sql, found.name, found.relations)
        for name, found in table.prepare.items()
        if isinstance(found, Query)
    }
    query = table.transform
    return table.identifier, getattr(query, "sql", ""), getattr(query, "relations", ()), prepared


def _expected(table: Table) -> dict[str, str]:
    """The columns of a table's model and their types; DuckDB's names have no case."""
    return {name.lower(): _type(column) for name, column in table.columns.items()}


def _check_columns(table: Table, found: Mapping[str, str], expected: Mapping[str, str]) -> None:
    for name in [name for name in table.columns if name.lower() not in found]:
        raise NotProved(f"it lacks the column {name} of the model.{did_you_mean(name, found)}")
    for name, kind in found.items():
        if name not in expected:
            raise NotProved(f"its column {name} is not in the model.{did_you_mean(name, expected)}")
        if kind != expected[name]:
            raise NotProved(
                f"its column {name} is of type {kind}, in the model of {expected[name]}: write "
                f"CAST(… AS {expected[name]}) AS {name}"
            )


def _types(table: Table, known: Mapping[str, Table]) -> dict[str, dict[str, str]]:
    """By relation that the table's query reads, its columns and their types."""
    query = table.transform
    contracts = [found for found in table.prepare.values() if isinstance(found, Contract)]
    if contracts and isinstance(query, Query):
        kinds = contracts[0].kinds
        return {query.relations[0]: {name: in_duckdb(kind) for name, kind in kinds.items()}}
    return {
        name: {other: _type(column) for other, column in known[name].columns.items()}
        for name in table.upstream
    }


def _type(column: pa.Column) -> str:
    return str(column.dtype)
