"""Column lineage of a table, for Dagster's pages."""

from ecommerce_assets.lakehouse.history import History
from ecommerce_assets.lakehouse.lineage import (
    Lineage,
    column_lineage,
    known_lineage,
    lineage_of_code,
)
from ecommerce_assets.refresh.decision import Nothing, Rows
from ecommerce_assets.refresh.inputs import Inputs
from ecommerce_assets.tables.declaration import Table


def lineage_of(table: Table, inputs: Inputs, decision: Nothing | Rows) -> Lineage:
    """Column lineage of the transformation, as applied to whole upstream tables."""
    if not inputs.upstream:
        return _of_bronze(table)

    def analyzed() -> Lineage:
        if isinstance(decision, Rows) and decision.is_whole:
            return column_lineage(decision.written)
        frames = {name: inputs.taken(name) for name in table.upstream}
        return column_lineage(inputs.transformed(frames))

    found = lineage_of_code(inputs.published, table.code_version, analyzed)
    return _with_copies(table, found)


def recorded_lineage(table: Table, history: History) -> Lineage | None:
    """Column lineage as an earlier run of the same code recorded it; None if none did."""
    if not table.upstream:
        return _of_bronze(table)
    found = known_lineage(history, table.code_version)
    return found and _with_copies(table, found)


def _of_bronze(table: Table) -> Lineage:
    return _with_copies(table, {name: [] for name in table.columns})


def _with_copies(table: Table, found: Lineage) -> Lineage:
    copied: dict[str, list[tuple[str, str]]] = {}
    for origin, columns in table.copies.items():
        for name in columns:
            copied.setdefault(name, []).append((origin, name))
    return found | copied
