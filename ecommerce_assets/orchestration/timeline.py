"""Runs of `ecommerce run` in the lists of Dagster's UI, as those that a server has launched.

For a run in this process, Dagster records neither the code location, by which the first page shows
runs, nor the selected assets.
"""

from collections.abc import Set

import dagster as dg
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

MODULE, LOCATION = "ecommerce_assets.definitions", "ecommerce_assets"  # as in workspace.yaml
REPOSITORY = "__repository__"  # Dagster's name of a code location's only one


def show_in_lists(
    instance: dg.DagsterInstance, run: dg.DagsterRun, assets: Set[dg.AssetKey] | None
) -> None:
    """Record that a run is one of this code location's.

    Args:
        assets: those that it selected; None for all of its job.
    """
    location = ManagedGrpcPythonEnvCodeLocationOrigin(
        LoadableTargetOrigin(module_name=MODULE), LOCATION
    )
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(location, REPOSITORY), run.job_name)
    selection = frozenset(assets) if assets is not None else None
    instance.run_storage.replace_job_origin(run._replace(asset_selection=selection), origin)
