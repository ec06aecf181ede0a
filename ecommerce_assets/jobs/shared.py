"""What several tables of a run need alike, computed once: prepared frames and figures."""

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class Shared:
    """Frames are cached in memory, on disk where they don't fit; `release` when the run is done."""

    def __init__(self) -> None:
        self._frames: dict[object, DataFrame] = {}
        self._figures: dict[object, Any] = {}
        self._lock = Lock()

    def frame(self, place: object, make: "Callable[[], DataFrame]") -> "DataFrame":
        """The frame that `make` gives, made only once for a `place` and cached."""
        with self._lock:
            if place not in self._frames:
                self._frames[place] = make().persist()
            return self._frames[place]

    def figure(self, place: object, compute: Callable[[], Any]) -> Any:
        """What `compute` gives, asked only once for a `place`."""
        with self._lock:
            if place not in self._figures:
                self._figures[place] = compute()
            return self._figures[place]

    def release(self) -> None:
        """Drop the cached frames."""
        with self._lock:
            for frame in self._frames.values():
                frame.unpersist()
            self._frames.clear()
