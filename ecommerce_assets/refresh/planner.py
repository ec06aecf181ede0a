"""The base of all planners: each plans the refresh of tables of one strategy."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, TypeVar

from ecommerce_assets.model.strategies import Strategy
from ecommerce_assets.refresh.decision import Decision, Nothing, Rows
from ecommerce_assets.refresh.inputs import Inputs, Known
from ecommerce_assets.refresh.upstream import Changes, upstream_changes

Declared = TypeVar("Declared", bound=Strategy)


@dataclass(frozen=True)
class Planner(ABC, Generic[Declared]):
    """Decides what a run of a table recomputes.

    Attributes:
        strategy: the table's.
    """

    strategy: Declared

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

    def judged(self, inputs: Inputs, changes: Changes, rows: Rows) -> Rows:
        """The rows of a whole table, with what an increment's checks would look at."""
        return rows
