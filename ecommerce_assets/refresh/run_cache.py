"""The run cache: what several tables of a run need, computed once."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any

from ecommerce_assets.engine.relation import Relation

Prepare = Callable[[Relation], Relation]


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
        where: an SQL condition, or the column by which affected keys select rows.
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
        self._offered: dict[Change, Callable[[], Relation | None]] = {}
        self._cached: list[Relation] = []
        self._locks: dict[object, Lock] = defaultdict(Lock)
        self._lock = Lock()

    def whole(self, key: Prepared, compute: Callable[[], Relation]) -> Relation:
        """A whole prepared table."""
        rows: Relation = self._once(key, lambda: self._cached_until_end(compute()))
        return rows

    def part(self, key: Prepared, compute: Callable[[], Any]) -> Any:
        """A part of a prepared table."""
        return self._once(key, compute)

    def figure(self, key: Figure, compute: Callable[[], Any]) -> Any:
        """A figure of a table."""
        return self._once(key, compute)

    def change(self, key: Change, compute: Callable[[], Relation | None]) -> Relation | None:
        """The changed rows; from an offer if there is one, else from `compute`."""
        found: Relation | None = self._once(key, lambda: self._offered.pop(key, compute)())
        return found

    def offer(self, key: Change, compute: Callable[[], Relation | None]) -> None:
        """Offer a cheaper way to compute a change, from the rows known to be replaced."""
        self._offered[key] = compute

    def release(self) -> None:
        """Free what is cached."""
        with self._lock:
            for rows in self._cached:
                rows.release()
            self._cached.clear()
            self._known.clear()
            self._offered.clear()

    def _cached_until_end(self, rows: Relation) -> Relation:
        cached = rows.cached()
        with self._lock:
            self._cached.append(cached)
        return cached

    def _once(self, key: object, compute: Callable[[], Any]) -> Any:
        with self._lock:
            lock = self._locks[key]
        with lock:
            if key not in self._known:
                self._known[key] = compute()
            return self._known[key]
