"""The tables: one module each, discovered in the layer packages.

A module in `bronze`, `silver` or `gold` with a `TABLE` is a table of the pipeline; nothing else has
to be registered. Modules here use only Spark: no Dagster, no Glue, no paths.
"""

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from ecommerce_assets.errors import PipelineError, did_you_mean
from ecommerce_assets.tables.declaration import Table

LAYERS = ("bronze", "silver", "gold")


@cache
def all_tables() -> dict[str, Table]:
    """Every table by its identifier `layer.name`, upstream tables before those built from them.

    Raises:
        PipelineError: an upstream table does not exist, or tables depend on each other.
    """
    found: dict[str, Table] = {}
    for layer in LAYERS:
        package = import_module(f"{__name__}.{layer}")
        for module in sorted(iter_modules(package.__path__), key=lambda m: m.name):
            table = getattr(import_module(f"{package.__name__}.{module.name}"), "TABLE", None)
            if isinstance(table, Table):
                found[table.identifier] = table
    ordered: dict[str, Table] = {}

    def visit(table: Table, path: tuple[str, ...]) -> None:
        if table.identifier in path:
            raise PipelineError("tables depend on each other: " + " <- ".join(path))
        if table.identifier in ordered:
            return
        for upstream in table.reads:
            if upstream not in found:
                raise PipelineError(
                    f"{table.identifier} depends on {upstream}, which no module declares"
                )
            visit(found[upstream], (*path, table.identifier))
        ordered[table.identifier] = table

    for table in found.values():
        visit(table, ())
    return ordered


def tables_of(layer: str) -> tuple[Table, ...]:
    """The tables of one layer, in dependency order."""
    return tuple(table for table in all_tables().values() if table.layer == layer)


def table_named(name: str) -> Table:
    """A table by its identifier, or by its name alone: searched in gold, silver, bronze.

    Raises:
        PipelineError: there is none; the message suggests the nearest name.
    """
    for identifier in (name, *[f"{layer}.{name}" for layer in reversed(LAYERS)]):
        if identifier in all_tables():
            return all_tables()[identifier]
    raise PipelineError(f"no table {name}.{did_you_mean(name, all_tables())}")


def publish_groups(tables: Sequence[Table]) -> list[tuple[Table, ...]]:
    """Tables by publish group, each group in dependency order."""
    groups: dict[str, list[Table]] = {}
    for table in tables:
        groups.setdefault(table.publish_group or table.identifier, []).append(table)
    return [tuple(group) for group in groups.values()]
