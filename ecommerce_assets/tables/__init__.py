"""The tables: discovered in the layer packages.

A module in `silver` or `gold` with a `TABLE`, or with `tables_of_shop` where the shop file decides
something, declares tables of the pipeline; bronze follows from the sources of the shop file.
Nothing else has to be registered. Modules here know no engine: no Dagster, no Glue, no paths.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from ecommerce_assets.errors import PipelineError, did_you_mean
from ecommerce_assets.model.table import Table
from ecommerce_assets.shop import Shop, current_shop
from ecommerce_assets.tables.currencies import currencies_of, in_scale
from ecommerce_assets.tables.queries import check_query

LAYERS = ("bronze", "silver", "gold")


def all_tables() -> dict[str, Table]:
    """Every table by its identifier `layer.name`, upstream tables before those built from them.

    Raises:
        PipelineError: an upstream table does not exist, tables depend on each other, a query does
            not give what its table declares, or the shop file is wrong.
    """
    return tables_for(current_shop())


@cache
def tables_for(shop: Shop) -> dict[str, Table]:
    """As `all_tables`, for a shop.

    Raises:
        PipelineError: as `all_tables`.
    """
    currencies = currencies_of(shop)
    found = {table.identifier: in_scale(table, currencies) for table in _declared(shop)}
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
    for table in ordered.values():
        check_query(table, ordered)
    return ordered


def _declared(shop: Shop) -> Iterator[Table]:
    for layer in LAYERS:
        package = import_module(f"{__name__}.{layer}")
        modules = sorted(iter_modules(package.__path__), key=lambda module: module.name)
        for module in [package, *[import_module(f"{package.__name__}.{m.name}") for m in modules]]:
            if hasattr(module, "tables_of_shop"):
                yield from module.tables_of_shop(shop)
            elif isinstance(table := getattr(module, "TABLE", None), Table):
                yield table


def tables_of(layer: str) -> tuple[Table, ...]:
    """The tables of one layer, in dependency order."""
    return tuple(table for table in all_tables().values() if table.layer == layer)


def contracted_tables(shop: Shop | None = None) -> tuple[Table, ...]:
    """The tables of silver that have a contract, and so a quarantine beside them.

    Args:
        shop: the current one by default.
    """
    known = tables_for(shop or current_shop())
    return tuple(table for name, table in known.items() if f"{name}_quarantine" in known)


def fed_tables() -> tuple[Table, ...]:
    """Those of `contracted_tables` that a source feeds."""
    fed = current_shop().declared.tables
    return tuple(table for table in contracted_tables() if table.name in fed)


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
