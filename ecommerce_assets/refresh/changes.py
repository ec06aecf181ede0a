"""The rows of the keys that differ between two snapshots of a table."""

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from ecommerce_assets.refresh.run_cache import checkpointed

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

SIGN = "_sign"


def changed_rows(
    after: "DataFrame", before: "DataFrame | None", key: Sequence[str], most: int
) -> "DataFrame | None":
    """All rows of the keys that differ: the later ones with `_sign` 1, the earlier ones with -1.

    A key counts as unchanged if both snapshots have the same number of rows for it and the sums of
    their 64-bit hashes are equal; one change in 2^64 would be missed.

    Args:
        before: the earlier rows; None for an empty table.
        key: the columns of the key.
        most: limit of changed keys.

    Returns:
        None if more keys differ, or if the columns differ.
    """
    if before is not None and before.columns != after.columns:
        return None
    both = after.select("*", F.lit(1).alias(SIGN))
    if before is not None:
        both = both.unionByName(before.select("*", F.lit(-1).alias(SIGN)))
    sums = [
        F.sum(F.col(SIGN)).alias("_rows"),
        F.sum(F.col(SIGN) * _hash(after.columns)).alias("_hash"),
    ]
    differs = "_rows != 0 or _hash != 0"
    keys = checkpointed(both.groupBy(*key).agg(*sums).where(differs).select(*key))
    if keys.count() > most:
        return None
    joined = [both[name].eqNullSafe(keys[name]) for name in key]
    condition = reduce(lambda a, b: a & b, joined)
    return checkpointed(both.join(F.broadcast(keys), condition, "left_semi"))


def _hash(columns: Sequence[str]) -> "Column":
    """A hash of all columns. Spark's hash skips nulls, so the null flags are hashed as well."""
    nulls = [F.col(name).isNull() for name in columns]
    return F.xxhash64(*[F.col(name) for name in columns], *nulls)


def differing(rows: "DataFrame", columns: Sequence[str]) -> "DataFrame":
    """The values of `columns` whose row counts differ between the two snapshots."""
    counted = rows.groupBy(*columns).agg(F.sum(SIGN).alias(SIGN))
    return counted.where(f"{SIGN} != 0").select(*columns)
