"""Strategies: how a table is refreshed, as its declaration says it.

Each is planned by a module of `refresh/` of its name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from ecommerce_assets.landing.layout import INGESTION_DATE
from ecommerce_assets.landing.source import Source
from ecommerce_assets.model.dependency import DependencyMapping
from ecommerce_assets.model.lookup import Lookup
from ecommerce_assets.syntax_trees import Name


class Strategy:
    """How a table is refreshed.

    Attributes:
        planner: the class that plans it; part of the code version of a table.
        key: the refresh key, the column by which rows are recomputed; None if the table is always
            recomputed as a whole.
        on: by upstream table, how its changes map to refresh keys; changes of a table without a
            mapping affect all keys.
        selects_versions: whether the table holds the latest version of each key, changed by
            deliveries alone.
        keeps_sums: whether published rows are updated by adding and subtracting.
    """

    planner: ClassVar[Name]
    key: str | None
    on: Mapping[str, DependencyMapping]
    selects_versions: ClassVar[bool] = False
    keeps_sums: ClassVar[bool] = False

    def visible_columns(self, upstream: str) -> tuple[str, ...]:
        """The columns of a prepared upstream table that the transformation sees; () for all."""
        return ()


def _planner(module: str, name: str) -> Name:
    return Name(f"ecommerce_assets.refresh.{module}", name)


@dataclass(frozen=True)
class Landed(Strategy):
    """Read the landed files of those dates whose delivery differs from the one read last.

    Attributes:
        source: whose files they are.
        kinds: by column of the rows of landed files, its type in DuckDB's words.
    """

    planner = _planner("landed", "LandedPlanner")
    source: Source
    kinds: Mapping[str, str]
    key: str = field(default=INGESTION_DATE, init=False)
    on: Mapping[str, DependencyMapping] = field(default_factory=dict, init=False)


@dataclass(frozen=True)
class LatestVersion(Strategy):
    """Compare the versions in changed deliveries with the published versions of the same keys.

    If the table is small and deliveries were only added, with all published versions.

    The upstream tables hold every version of each key, partitioned by ingestion date. An added
    version can only replace a lower one. All deliveries are searched only for keys whose published
    version came from a changed delivery that no longer holds an equal or higher one.

    Attributes:
        key: the column whose values have versions.
        order: the columns by which versions are compared, most significant first; a null is lowest.
        valid: the column that is true in valid versions.
        received: by upstream table, DuckDB's SQL of the key, from a row before its preparation.
        absent: whether deliveries say what is gone by what they lack: then versions of a key are
            compared with those of others, so with all of them.
    """

    planner = _planner("latest_version", "LatestVersionPlanner")
    selects_versions = True
    key: str
    order: tuple[str, ...]
    valid: str
    received: Mapping[str, str]
    absent: bool = False
    on: Mapping[str, DependencyMapping] = field(default_factory=dict, init=False)


@dataclass(frozen=True)
class ByKey(Strategy):
    """Recompute the rows of the keys affected by upstream changes.

    Attributes:
        key: the refresh key, a column of the table.
        on: by upstream table, how its rows map to refresh keys.
    """

    planner = _planner("by_key", "ByKeyPlanner")
    key: str
    on: Mapping[str, DependencyMapping] = field(default_factory=dict)


@dataclass(frozen=True)
class LookedUp(ByKey):
    """Recompute the days whose rows changed, or look up a value that changed.

    The first upstream table holds the rows, the others what they look up. All are partitioned by
    ingestion date.

    Attributes:
        lookups: what the rows look up.
    """

    planner = _planner("looked_up", "LookedUpPlanner")
    lookups: tuple[Lookup, ...] = ()


@dataclass(frozen=True)
class RunningSums(Strategy):
    """Add the new values of changed upstream rows and subtract their old values.

    All rows of the table are then derived from the sums, since any sum may move the ranks.

    Attributes:
        of: by upstream table that its `prepare` sums: by column of the prepared table, the column
            of this table that holds it. The first one is a count: a prepared row exists only if it
            is not 0.
        key: the grouping column, in all these tables.
        on: for other upstream tables, `any_change` of the relevant columns.
    """

    planner = _planner("running_sums", "RunningSumsPlanner")
    keeps_sums = True
    of: Mapping[str, Mapping[str, str]]
    key: str
    on: Mapping[str, DependencyMapping] = field(default_factory=dict)

    def visible_columns(self, upstream: str) -> tuple[str, ...]:
        """For a summed table: only the columns that can be updated incrementally."""
        return (self.key, *self.of[upstream]) if upstream in self.of else ()


@dataclass(frozen=True)
class Full(Strategy):
    """Recompute the table whenever something that it depends on has changed.

    Attributes:
        on: by upstream table, `any_change` of the columns that it depends on.
    """

    planner = _planner("full", "FullPlanner")
    on: Mapping[str, DependencyMapping] = field(default_factory=dict)
    key: None = field(default=None, init=False)
