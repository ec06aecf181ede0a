"""The data dictionary as Markdown: every table with its grain, columns, rules, checks, lineage."""

from collections.abc import Iterator

from ecommerce_assets.jobs.audit import checks_of
from ecommerce_assets.tables import LAYERS, all_tables, tables_of
from ecommerce_assets.tables.bronze import LANDING
from ecommerce_assets.tables.declaration import Table
from ecommerce_assets.tables.rules import NULLABILITY

TITLES = {
    "bronze": "Bronze: as received",
    "silver": "Silver: clean and current",
    "gold": "Gold: star schema and KPIs",
}
FACT = "gold.fact_sales"
PERSONAL = {"email", "first_name", "last_name", "phone", "address"}


def dictionary() -> str:
    """The page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Data dictionary"
    yield ""
    yield "Written by `make docs` from the declarations in this folder; change those instead."
    yield "Columns marked with 👤 hold personal data."
    yield ""
    for layer in LAYERS:
        names = [f"[{table.name}](#{_anchor(table)})" for table in tables_of(layer)]
        yield f"- **{layer}**: {', '.join(names)}"
    yield ""
    yield "## The star schema"
    yield ""
    yield from _star()
    yield ""
    yield "## What is made from what"
    yield ""
    yield from _flow()
    for layer in LAYERS:
        yield ""
        yield f"## {TITLES[layer]}"
        for table in tables_of(layer):
            yield ""
            yield from _table(table)


def _star() -> Iterator[str]:
    fact = all_tables()[FACT]
    joins = [
        (table, next(name for name in table.columns if name in fact.columns))
        for table in tables_of("gold")
        if table.name.startswith("dim_")
    ]
    yield "```mermaid"
    yield "erDiagram"
    for table, key in joins:
        yield f"  {table.name} ||--o{{ {fact.name} : {key}"
    for table in (fact, *(table for table, _ in joins)):
        yield f"  {table.name} {{"
        for name, column in table.columns.items():
            mark = " PK" if table.key == (name,) else ""
            yield f"    {column.dtype.type.simpleString().split('(')[0]} {name}{mark}"
        yield "  }"
    yield "```"


def _flow() -> Iterator[str]:
    yield "```mermaid"
    yield "flowchart LR"
    for table in all_tables().values():
        for upstream in table.upstream or (f"{LANDING}.{table.name}",):
            yield f"  {upstream} --> {table.identifier}"
    yield "```"


def _table(table: Table) -> Iterator[str]:
    yield f"### {table.identifier}"
    yield ""
    yield table.description
    yield ""
    upstream = table.upstream or (f"{LANDING}.{table.name}",)
    yield f"- Key: {', '.join(f'`{name}`' for name in table.key)}"
    yield f"- {_partitioning(table)}"
    yield f"- Made from: {', '.join(upstream)}"
    yield f"- Recomputed by: {f'`{table.refresh.key}`' if table.refresh.key else 'the whole table'}"
    yield f"- Owner: {table.owner}"
    yield f"- Query: `{_query(table)}`"
    yield ""
    yield "| column | type | may be empty | description | must be |"
    yield "|---|---|---|---|---|"
    for name, column in table.columns.items():
        rules = [
            rule.requirement
            for rule in table.rules
            if rule.column == name and rule.kind != NULLABILITY
        ]
        cells = [
            f"`{name}`{' 👤' if name in PERSONAL else ''}",
            column.dtype.type.simpleString(),
            "yes" if column.nullable else "",
            column.description or "",
            "; ".join(rules),
        ]
        yield f"| {' | '.join(map(_cell, cells))} |"
    yield ""
    yield "| check | blocks | what must hold |"
    yield "|---|---|---|"
    for check in checks_of(table):
        blocks = "yes" if check.blocking else "warns"
        yield f"| `{check.name}` | {blocks} | {_cell(check.description)} |"


def _partitioning(table: Table) -> str:
    if not table.partitioned_by:
        return "Not partitioned"
    return f"Partitioned by: {', '.join(f'`{by}`' for by in table.partitioned_by)}"


def _query(table: Table) -> str:
    """A command to copy: the table's first rows, those that count."""
    sales = " where is_sale" if "is_sale" in table.columns else ""
    order = "" if sales else f" order by {table.key[0]}"
    return f'ecommerce query "select * from {table.identifier}{sales}{order} limit 10"'


def _anchor(table: Table) -> str:
    return table.identifier.replace(".", "")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
