"""The launcher's interface: runs a layer's Glue job and yields its results."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg

from ecommerce_assets.deployment import deployment
from ecommerce_assets.jobs.arguments import option_of

Result = dg.MaterializeResult[Any] | dg.AssetCheckResult


@dataclass(frozen=True)
class JobRequest:
    """One job run: the selected tables of a layer, for a range of ingestion dates."""

    layer: str
    tables: tuple[str, ...]
    first: date
    last: date
    full_refresh: bool = False
    allow_removal: bool = False

    def job_name(self, environment: str) -> str:
        """Name of the Glue job."""
        return deployment(environment).jobs[self.layer].name

    def arguments(self) -> Mapping[str, str]:
        """The job's options and values."""
        return {
            "--tables": ",".join(self.tables),
            "--from": self.first.isoformat(),
            "--to": self.last.isoformat(),
            "--full-refresh": str(self.full_refresh).lower(),
            "--allow-removal": str(self.allow_removal).lower(),
        }


class GlueJobs(dg.ConfigurableResource["GlueJobs"]):
    """Launches a layer's job, locally or on AWS.

    Attributes:
        landing: folder or, on AWS, `s3://` prefix of the deliveries.
        lakehouse: folder of catalog and tables or, on AWS, the tables' `s3://` location.
        environment: name of one of several environments; empty for the only one.
        landing_days: days that landing keeps deliveries; 0 forever.
        snapshot_days: days that maintenance keeps snapshots.
        thresholds: by name as in `Thresholds`, shares from which checks warn or block.
    """

    landing: str
    lakehouse: str
    environment: str = ""
    landing_days: int = 0
    snapshot_days: int = 7
    thresholds: dict[str, float]

    def arguments_for(self, request: JobRequest) -> dict[str, str]:
        """The job's options and values for this request."""
        return {
            **request.arguments(),
            "--landing": self.landing,
            "--lakehouse": self.lakehouse,
            "--landing-days": str(self.landing_days),
            **{option_of(name): str(share) for name, share in self.thresholds.items()},
        }

    @abstractmethod
    def run(self, context: dg.AssetExecutionContext, request: JobRequest) -> Iterator[Result]:
        """Run the job; yields each result as soon as the job reports it.

        Raises:
            dagster.Failure: the job failed; its message says why, table by table.
        """

    @abstractmethod
    def maintain(self, context: dg.OpExecutionContext) -> Iterator[tuple[str, dict[str, int]]]:
        """Maintain every table; yields its identifier and what was done.

        Raises:
            dagster.Failure: the job failed.
        """
