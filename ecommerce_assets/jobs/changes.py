"""What changed in a table between two of its states: the rows of the units that differ."""

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from ecommerce_assets.jobs.shared import kept

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

SIGN = "_sign"
TOO_MANY = 500_000  # units, from which a rebuild of what follows is no dearer


def changed_rows(
    now: "DataFrame", then: "DataFrame | None", unit: Sequence[str]
) -> "DataFrame | None":
    """All rows of the units that differ: those of now with `_sign` 1, those of then with -1.

    Two states of a unit count as equal where they have as many rows, and the 64-bit hashes of
    these, summed up, are equal: of 2^64 units that differ, one would be missed.

    Args:
        unit: the columns that name the unit a row belongs to.

    Returns:
        None where too many units differ, or the columns do.
    """
    if then is not None and then.columns != now.columns:
        return None
    both = now.select("*", F.lit(1).alias(SIGN))
    if then is not None:
        both = both.unionByName(then.select("*", F.lit(-1).alias(SIGN)))
    sums = [
        F.sum(F.col(SIGN)).alias("_rows"),
        F.sum(F.col(SIGN) * _hash(now.columns)).alias("_hash"),
    ]
    differs = "_rows != 0 or _hash != 0"
    units = kept(both.groupBy(*unit).agg(*sums).where(differs).select(*unit))
    if units.count() > TOO_MANY:
        return None
    joined = [both[name].eqNullSafe(units[name]) for name in unit]
    condition = reduce(lambda a, b: a & b, joined)
    return kept(both.join(F.broadcast(units), condition, "left_semi"))


def _hash(columns: Sequence[str]) -> "Column":
    """Spark's hash passes over nulls, so that which columns are null is hashed with the rest."""
    nulls = [F.col(name).isNull() for name in columns]
    return F.xxhash64(*[F.col(name) for name in columns], *nulls)


def differing(rows: "DataFrame", columns: Sequence[str]) -> "DataFrame":
    """The values of `columns` that stand in more, or in fewer, of the changed rows than before."""
    counted = rows.groupBy(*columns).agg(F.sum(SIGN).alias(SIGN))
    return counted.where(f"{SIGN} != 0").select(*columns)
