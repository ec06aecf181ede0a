"""Members that a dimension loses."""

from typing import TYPE_CHECKING

from ecommerce_assets.jobs.scope import Written

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def members_that_leave(written: Written) -> "DataFrame | None":
    """The published rows of a dimension whose key is gone from its new snapshot; None if all stay.

    They are published once more, until the facts that named them are replaced. None, too, if files
    of the published rows are lost.
    """
    inputs = written.inputs
    if inputs.published.current is None or inputs.table.identifier in inputs.request.damaged:
        return None
    now, before = written.decision.rewritten or (written.branch.frame, inputs.published_rows())
    key = list(inputs.table.key)
    # A broadcast would be another Spark job.
    members = now.select(*key).hint("shuffle_hash")
    left = before.join(members, key, "left_anti").select(*before.columns)
    return left if left.count() else None
