"""The planner of each strategy."""

from typing import Any

from ecommerce_assets.model.strategies import (
    ByKey,
    Full,
    Landed,
    LatestVersion,
    LookedUp,
    RunningSums,
    Strategy,
)
from ecommerce_assets.model.table import Table
from ecommerce_assets.refresh.by_key import ByKeyPlanner
from ecommerce_assets.refresh.full import FullPlanner
from ecommerce_assets.refresh.landed import LandedPlanner
from ecommerce_assets.refresh.latest_version import LatestVersionPlanner
from ecommerce_assets.refresh.looked_up import LookedUpPlanner
from ecommerce_assets.refresh.planner import Planner
from ecommerce_assets.refresh.running_sums import RunningSumsPlanner

PLANNERS: dict[type[Strategy], type[Planner[Any]]] = {
    Landed: LandedPlanner,
    LatestVersion: LatestVersionPlanner,
    ByKey: ByKeyPlanner,
    LookedUp: LookedUpPlanner,
    RunningSums: RunningSumsPlanner,
    Full: FullPlanner,
}


def planner_of(table: Table) -> Planner[Any]:
    """What plans the refresh of a table, as its strategy names it."""
    return PLANNERS[type(table.refresh)](table.refresh)
