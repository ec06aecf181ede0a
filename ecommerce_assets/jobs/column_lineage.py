"""Column lineage of a table, for Dagster's pages."""

from ecommerce_assets.lakehouse.lineage import Lineage, column_lineage, lineage_of_code
from ecommerce_assets.refresh.decision import Nothing, Rows
from ecommerce_assets.refresh.inputs import Inputs
from ecommerce_assets.tables.declaration import Table


def lineage_of(table: Table, inputs: Inputs, decision: Nothing | Rows) -> Lineage:
    """Column lineage of the transformation, as applied to whole upstream tables."""
    found: Lineage = {name: [] for name in table.columns}
    if inputs.upstream:

        def analyzed() -> Lineage:
            if isinstance(decision, Rows) and decision.is_whole:
                return column_lineage(decision.written)
            frames = {name: inputs.taken(name) for name in table.upstream}
            return column_lineage(inputs.transformed(frames))

        found = lineage_of_code(inputs.published, table.code_version, analyzed)
    if table.copies:
        found |= {name: [(table.copies, name)] for name in table.copied_columns}
    return found
