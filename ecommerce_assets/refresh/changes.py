"""The rows of the keys that differ between two snapshots of a table."""

from collections.abc import Sequence

from ecommerce_assets.engine.queries import query
from ecommerce_assets.engine.relation import Relation
from ecommerce_assets.sql import quoted

SIGN = "_sign"


def changed_rows(
    after: Relation, before: Relation | None, key: Sequence[str], most: int
) -> Relation | None:
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
    columns, by = ", ".join(map(quoted, after.columns)), ", ".join(key)
    later = f"SELECT {columns}, 1 AS {SIGN} FROM later"
    if before is None:
        both = query(later, later=after)
    else:
        earlier = f"SELECT {columns}, -1 AS {SIGN} FROM earlier"
        both = query(f"{later} UNION ALL {earlier}", later=after, earlier=before)
    keys = query(
        f"""
        SELECT {by} FROM (
            SELECT {by}, sum({SIGN}) AS _rows, sum({SIGN} * hash({columns})) AS _hash
            FROM signed GROUP BY {by}
        ) AS sums
        WHERE _rows <> 0 OR _hash <> 0""",
        signed=both,
    ).checkpointed()
    if keys.count() > most:
        return None
    same = " AND ".join(f"signed.{name} IS NOT DISTINCT FROM changed.{name}" for name in key)
    return query(
        f"SELECT signed.* FROM signed SEMI JOIN changed ON {same}",
        signed=both,
        changed=keys.joined_by("broadcast"),
    ).checkpointed()


def differing(rows: Relation, columns: Sequence[str]) -> Relation:
    """The values of `columns` whose row counts differ between the two snapshots."""
    by = ", ".join(columns)
    return query(
        f"""
        SELECT {by} FROM (SELECT {by}, sum({SIGN}) AS _rows FROM signed GROUP BY {by}) AS sums
        WHERE _rows <> 0""",
        signed=rows,
    )
