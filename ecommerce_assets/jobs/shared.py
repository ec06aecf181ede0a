"""What several tables of a run need alike, computed once: prepared frames and figures."""

from collections import defaultdict
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def kept(frame: "DataFrame") -> "DataFrame":
    """The frame's rows as a relation without a past, computed when they are first asked for.

    What is made from it is planned as fast as from a table. Frames that are cached and made from
    each other, as those of a run's changes are, take longer and longer to plan; but their rows
    are packed, so whole tables are better cached.
    """
    return frame.localCheckpoint(eager=False)


class Shared:
    """Frames are cached in memory, on disk where they don't fit; `release` when the run is done."""

    def __init__(self) -> None:
        self._known: dict[object, Any] = {}
        self._offered: dict[object, Callable[[], Any]] = {}
        self._frames: list[DataFrame] = []
        self._locks: dict[object, Lock] = defaultdict(Lock)
        self._lock = Lock()

    def frame(self, place: object, make: "Callable[[], DataFrame]") -> "DataFrame":
        """The frame that `make` gives, made only once for a `place` and cached."""
        frame: DataFrame = self.figure(("frame", place), lambda: self._cached(make()))
        return frame

    def _cached(self, frame: "DataFrame") -> "DataFrame":
        with self._lock:
            self._frames.append(frame.persist())
        return frame

    def figure(self, place: object, compute: Callable[[], Any]) -> Any:
        """What `compute` gives, asked only once for a `place`."""
        with self._lock:
            lock = self._locks[place]
        with lock:
            if place not in self._known:
                self._known[place] = self._offered.pop(place, compute)()
            return self._known[place]

    def offer(self, place: object, compute: Callable[[], Any]) -> None:
        """A cheaper way to the figure of a `place`, taken if anyone asks for it."""
        self._offered[place] = compute

    def release(self) -> None:
        """Drop the cached frames."""
        with self._lock:
            for frame in self._frames:
                frame.unpersist()
            self._frames.clear()
            self._known.clear()
            self._offered.clear()
