"""The base of all strategies: a value, declared by a table, that plans its refresh."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from ecommerce_assets.refresh.decision import Decision, Nothing, Rows
from ecommerce_assets.refresh.dependency import DependencyMapping
from ecommerce_assets.refresh.inputs import Inputs, Known
from ecommerce_assets.refresh.upstream import Changes, upstream_changes


class Strategy(ABC):
    """How a table is refreshed.

    Attributes:
        key: the refresh key, the column by which rows are recomputed; None if the table is always
            recomputed as a whole.
        on: by upstream table, how its changes map to refresh keys; changes of a table without a
            mapping affect all keys.
    """

    key: str | None
    on: Mapping[str, DependencyMapping]

    @abstractmethod
    def plan(self, inputs: Inputs, changes: Changes) -> Decision:
        """Decide what to recompute.

        Args:
            changes: the changed partitions by upstream table; at least one.
        """

    def nothing(self, known: Known) -> Nothing | None:
        """Why no row of the table can differ from the published one, if that is known without an
        engine.

        Raises:
            DeliveryChanged, PipelineError: as `plan`.
        """
        changes = upstream_changes(known)
        return changes if isinstance(changes, Nothing) else None

    @property
    def selects_versions(self) -> bool:
        """Whether the table holds the latest version of each key, changed by deliveries alone."""
        return False

    def judged(self, inputs: Inputs, changes: Changes, rows: Rows) -> Rows:
        """The rows of a whole table, with what an increment's checks would look at."""
        return rows

    @property
    def keeps_sums(self) -> bool:
        """Whether published rows are updated by adding and subtracting."""
        return False

    def visible_columns(self, upstream: str) -> tuple[str, ...]:
        """The columns of a prepared upstream table that the transformation sees; () for all."""
        return ()
