"""What every strategy is: a value that a table declares, and that plans the table's refresh."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from ecommerce_assets.refresh.decision import Decision
from ecommerce_assets.refresh.dependency import DependencyMapping
from ecommerce_assets.refresh.inputs import Inputs
from ecommerce_assets.refresh.upstream import Changes


class Strategy(ABC):
    """How a table is refreshed.

    Attributes:
        key: the refresh key, the column by whose values rows are recomputed; None where the table
            is recomputed as a whole.
        on: by upstream table, how its changes map to refresh keys; any change in a table left out
            affects all of them.
    """

    key: str | None
    on: Mapping[str, DependencyMapping]

    @abstractmethod
    def plan(self, inputs: Inputs, changes: Changes) -> Decision:
        """What to recompute.

        Args:
            changes: the changed partitions by upstream table; some of them changed.
        """

    @property
    def selects_versions(self) -> bool:
        """Whether rows are the latest versions of their keys: only deliveries change them."""
        return False

    @property
    def keeps_sums(self) -> bool:
        """Whether published rows are brought up to date by adding and subtracting."""
        return False

    def visible_columns(self, upstream: str) -> tuple[str, ...]:
        """The only columns of a prepared upstream table that the transformation sees; () is all."""
        return ()
