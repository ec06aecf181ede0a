"""Members that a dimension loses."""

from ecommerce_assets.engine.queries import query
from ecommerce_assets.engine.relation import Relation
from ecommerce_assets.jobs.scope import Written


def members_that_leave(written: Written) -> Relation | None:
    """The published rows of a dimension whose key is gone from its new snapshot; None if all stay.

    They are published once more, until the facts that named them are replaced. None, too, if files
    of the published rows are lost.
    """
    inputs = written.inputs
    if inputs.published.current is None or inputs.table.identifier in inputs.request.damaged:
        return None
    snapshot = inputs.at(inputs.table.identifier, written.branch.snapshot)
    now, before = written.decision.rewritten or (snapshot, inputs.published_rows())
    same = " AND ".join(f"published.{name} = members.{name}" for name in inputs.table.key)
    left = query(
        f"SELECT published.* FROM published ANTI JOIN members ON {same}",
        published=before,
        # A broadcast would be another Spark job.
        members=now.select(*inputs.table.key).joined_by("shuffle_hash"),
    )
    return None if left.is_empty else left
