"""Replacement of the published rows of affected keys."""

from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from ecommerce_assets.intervals import end_of_day, end_of_month, lies_in
from ecommerce_assets.refresh.decision import Rows
from ecommerce_assets.refresh.inputs import Inputs
from ecommerce_assets.refresh.keys import AffectedKeys
from ecommerce_assets.refresh.run_cache import checkpointed

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def replacement(
    inputs: Inputs,
    affected: AffectedKeys,
    recomputed: "DataFrame",
    published: "DataFrame | None" = None,
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
    recomputed = checkpointed(recomputed)
    replaced = affected.within(old, key) if published is None else published
    replaced = replaced.select(*recomputed.columns)
    replace = "true"
    if table.partitioned_by:
        replace = _partitions_of(table.partitioned_by, replaced, recomputed)
    stays = affected.without(old.where(replace), key)
    written = stays.select(*recomputed.columns).unionAll(recomputed)
    return Rows(why, written, replace, affected, rewritten=(recomputed, replaced))


def _partitions_of(partitioned_by: tuple[str, ...], *frames: "DataFrame") -> str:
    """Spark SQL condition of the partitions, days or months, that hold the rows."""
    (transform,) = partitioned_by
    column = transform.removeprefix("months(").removesuffix(")")
    monthly = column != transform
    first = (F.trunc(column, "month") if monthly else F.col(column)).alias("first")
    starts = reduce(lambda a, b: a.unionAll(b), [frame.select(first) for frame in frames])
    firsts = [row["first"] for row in starts.distinct().collect()]
    return lies_in(column, firsts, end_of_month if monthly else end_of_day)
