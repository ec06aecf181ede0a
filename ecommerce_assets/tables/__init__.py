"""The tables: one module each, found here by looking into the layer packages.

A module below `bronze`, `silver` or `gold` that has a `TABLE` is a table of the pipeline; nothing
else needs to know of it. Modules here use pure Spark: no Dagster, no Glue, no paths.
"""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from ecommerce_assets.errors import PipelineError, did_you_mean
from ecommerce_assets.tables.declaration import Table

LAYERS = ("bronze", "silver", "gold")


@cache
def all_tables() -> dict[str, Table]:
    """Every table by its identifier `layer.name`, upstream tables before those made from them.

    Raises:
        PipelineError: a table names an upstream table that does not exist, or a cycle.
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
            raise PipelineError("tables made from each other: " + " <- ".join(path))
        if table.identifier in ordered:
            return
        for upstream in table.reads:
            if upstream not in found:
                raise PipelineError(
                    f"{table.identifier} is made from {upstream}, which no module declares"
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
    """A table by its identifier, or by its name alone: that of gold, of silver, of bronze.

    Raises:
        PipelineError: there is none; the message names the nearest one.
    """
    for identifier in (name, *[f"{layer}.{name}" for layer in reversed(LAYERS)]):
        if identifier in all_tables():
            return all_tables()[identifier]
    raise PipelineError(f"no table {name}.{did_you_mean(name, all_tables())}")
