"""Replacement of the published rows of affected keys."""

from ecommerce_assets.engine.queries import all_rows, query
from ecommerce_assets.engine.relation import Relation
from ecommerce_assets.intervals import end_of_day, end_of_month, lies_in
from ecommerce_assets.refresh.decision import Rows
from ecommerce_assets.refresh.inputs import Inputs
from ecommerce_assets.refresh.keys import AffectedKeys


def replacement(
    inputs: Inputs,
    affected: AffectedKeys,
    recomputed: Relation,
    published: Relation | None = None,
) -> Rows:
    """Replace the published rows of the affected keys by the recomputed ones.

    Iceberg replaces whole files, so the other rows of the replaced partitions are written again.

    Args:
        published: the published rows of the affected keys, if already read.
    """
    table, key = inputs.table, str(inputs.table.refresh.key)
    count = "many" if affected.values is None else f"{len(affected.values):,}"
    why = f"{count} affected by what changed upstream, by {key}"
    if table.partitioned_by == (key,):
        return Rows(why, recomputed, lies_in(key, affected.values or ()), affected)
    old = inputs.published_rows()
    recomputed = recomputed.checkpointed()
    replaced = affected.within(old, key) if published is None else published
    replaced = replaced.select(*recomputed.columns)
    replace = "true"
    if table.partitioned_by:
        replace = _partitions_of(table.partitioned_by, replaced, recomputed)
    stays = affected.without(old.where(replace), key)
    written = all_rows([stays.select(*recomputed.columns), recomputed])
    return Rows(why, written, replace, affected, rewritten=(recomputed, replaced))


def _partitions_of(partitioned_by: tuple[str, ...], *parts: Relation) -> str:
    """SQL condition of the partitions, days or months, that hold the rows."""
    (transform,) = partitioned_by
    column = transform.removeprefix("months(").removesuffix(")")
    monthly = column != transform
    first = f"CAST(date_trunc('month', {column}) AS DATE)" if monthly else column
    starts = query(
        f"SELECT DISTINCT {first} AS first FROM rewritten",
        rewritten=all_rows(rows.select(column) for rows in parts),
    )
    firsts = [row["first"] for row in starts.rows()]
    return lies_in(column, firsts, end_of_month if monthly else end_of_day)
