"""What several tables of a run need alike, computed once: prepared frames and figures."""

from collections import defaultdict
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class Shared:
    """Frames are cached in memory, on disk where they don't fit; `release` when the run is done."""

    def __init__(self) -> None:
        self._known: dict[object, Any] = {}
        self._frames: list[DataFrame] = []
        self._locks: dict[object, Lock] = defaultdict(Lock)
        self._lock = Lock()

    def frame(self, place: object, make: "Callable[[], DataFrame]") -> "DataFrame":
        """The frame that `make` gives, made only once for a `place` and cached."""
        frame: DataFrame = self.figure(("frame", place), lambda: self.kept(make()))
        return frame

    def kept(self, frame: "DataFrame") -> "DataFrame":
        """The frame, cached until the run is done."""
        with self._lock:
            self._frames.append(frame.persist())
        return frame

    def figure(self, place: object, compute: Callable[[], Any]) -> Any:
        """What `compute` gives, asked only once for a `place`."""
        with self._lock:
            lock = self._locks[place]
        with lock:
            if place not in self._known:
                self._known[place] = compute()
            return self._known[place]

    def release(self) -> None:
        """Drop the cached frames."""
        with self._lock:
            for frame in self._frames:
                frame.unpersist()
            self._frames.clear()
            self._known.clear()
