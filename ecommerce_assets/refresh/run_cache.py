"""The run cache: what several tables of a run need, computed once."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Prepare = Callable[["DataFrame"], "DataFrame"]


def checkpointed(frame: "DataFrame") -> "DataFrame":
    """The frame with its lineage cut; its rows are computed once, on first use.

    Planning on top of it is as fast as on a table, whereas frames cached on top of each other take
    longer and longer to plan. The rows are not compressed, so whole tables are better cached.
    """
    return frame.localCheckpoint(eager=False)


@dataclass(frozen=True)
class Change:
    """The rows of a table that differ between two of its snapshots."""

    table: str
    before: int | None
    after: int | None


@dataclass(frozen=True)
class Prepared:
    """A prepared upstream table at a snapshot.

    Attributes:
        where: a Spark SQL condition, or the column by which affected keys select rows.
    """

    table: str
    snapshot: int | None
    prepare: Prepare
    where: str | None = None


@dataclass(frozen=True)
class Figure:
    """A figure of a table at a snapshot."""

    table: str
    snapshot: int | None
    name: str


class RunCache:
    """Computes each entry once for all tables of a run; `release` frees them at the end."""

    def __init__(self) -> None:
        self._known: dict[object, Any] = {}
        self._offered: dict[Change, Callable[[], DataFrame | None]] = {}
        self._cached: list[DataFrame] = []
        self._locks: dict[object, Lock] = defaultdict(Lock)
        self._lock = Lock()

    def whole(self, key: Prepared, compute: "Callable[[], DataFrame]") -> "DataFrame":
        """A whole prepared table, cached in memory or, beyond that, on disk."""
        frame: DataFrame = self._once(key, lambda: self._persisted(compute()))
        return frame

    def part(self, key: Prepared, compute: Callable[[], Any]) -> Any:
        """A part of a prepared table."""
        return self._once(key, compute)

    def figure(self, key: Figure, compute: Callable[[], Any]) -> Any:
        """A figure of a table."""
        return self._once(key, compute)

    def change(self, key: Change, compute: "Callable[[], DataFrame | None]") -> "DataFrame | None":
        """The changed rows; from an offer if there is one, else from `compute`."""
        found: DataFrame | None = self._once(key, lambda: self._offered.pop(key, compute)())
        return found

    def offer(self, key: Change, compute: "Callable[[], DataFrame | None]") -> None:
        """Offer a cheaper way to compute a change, from the rows known to be replaced."""
        self._offered[key] = compute

    def release(self) -> None:
        """Free the cached frames."""
        with self._lock:
            for frame in self._cached:
                frame.unpersist()
            self._cached.clear()
            self._known.clear()
            self._offered.clear()

    def _persisted(self, frame: "DataFrame") -> "DataFrame":
        with self._lock:
            self._cached.append(frame.persist())
        return frame

    def _once(self, key: object, compute: Callable[[], Any]) -> Any:
        with self._lock:
            lock = self._locks[key]
        with lock:
            if key not in self._known:
                self._known[key] = compute()
            return self._known[key]
