"""The deployment, `deployment.json`: the Glue jobs, their settings, the price list.

Terraform reads the same file, so the deployed and the launched jobs cannot differ.
"""

import json
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class GlueJob:
    """One Glue job as it is deployed.

    Attributes:
        name: its name in Glue.
        script: file name of its entry script in a release.
        reads, writes: the layers that its role may read and write.
        worker_type: Glue's worker type, like `G.1X`.
        workers: number of workers, including the driver.
        execution_class: `STANDARD`, or `FLEX`: cheaper, on spare capacity, may have to wait.
        timeout_minutes: Glue stops a run after this time.
    """

    name: str
    script: str
    reads: list[str]
    writes: list[str]
    worker_type: str
    workers: int
    execution_class: str
    timeout_minutes: int


@dataclass(frozen=True)
class TaskSize:
    """A task of Dagster on AWS: CPU in 1/1024 vCPU, memory in MB."""

    cpu: int
    memory: int


@dataclass(frozen=True)
class Prices:
    """The public price list of what a run uses.

    Attributes:
        region, as_of: region and date of the prices.
        usd_per_dpu_hour: by execution class; a DPU is 4 vCPU and 16 GB.
        minimum_seconds: minimum billed duration of a run.
        dpus_per_worker: by worker type.
        usd_per_scanned_terabyte: of an Athena query; a terabyte of 2^40 bytes.
        minimum_scanned_bytes: minimum billed size of a query.
        usd_per_vcpu_hour, usd_per_gigabyte_hour: of a Fargate task.
        usd_per_month: of what Dagster on AWS has beside its tasks.
    """

    region: str
    as_of: str
    usd_per_dpu_hour: dict[str, float]
    minimum_seconds: int
    dpus_per_worker: dict[str, float]
    usd_per_scanned_terabyte: float
    minimum_scanned_bytes: int
    usd_per_vcpu_hour: float
    usd_per_gigabyte_hour: float
    usd_per_month: dict[str, float]

    def task(self, size: "TaskSize", hours: float) -> float:
        """USD of a Fargate task."""
        by_hour = (
            size.cpu / 1024 * self.usd_per_vcpu_hour
            + size.memory / 1024 * self.usd_per_gigabyte_hour
        )
        return by_hour * hours

    def glue_run(self, dpu_seconds: float, execution_class: str) -> float:
        """USD of a job run."""
        return dpu_seconds / 3600 * self.usd_per_dpu_hour[execution_class]

    def query(self, scanned_bytes: int) -> float:
        """USD of an Athena query."""
        billed = max(scanned_bytes, self.minimum_scanned_bytes)
        return billed / 2**40 * self.usd_per_scanned_terabyte


@dataclass(frozen=True)
class Deployment:
    """The content of `deployment.json`.

    `provided` lists the Python packages that this version of Glue has, according to its developer
    guide, as far as the jobs use them.
    """

    glue_version: str
    python_version: str
    provided: dict[str, str]
    jobs: dict[str, GlueJob]
    arguments: dict[str, str]
    spark: dict[str, str]
    pipeline: dict[str, Any]
    storage: dict[str, str]
    athena: dict[str, Any]
    dagster: dict[str, TaskSize]
    prices: Prices

    def conf(self, lakehouse: str) -> str:
        """The value of a Glue job's `--conf` argument: all static Spark settings."""
        pairs = [f"{name}={value}" for name, value in sorted(self.spark.items())]
        return " --conf ".join(pairs).replace("{lakehouse}", lakehouse)


@cache
def deployment(environment: str = "") -> Deployment:
    """The deployment; its jobs, workgroup and log group have the names of an environment's."""
    text = files("ecommerce_assets").joinpath("deployment.json").read_text("utf-8")
    content = json.loads(text)
    content["jobs"] = {key: GlueJob(**job) for key, job in content["jobs"].items()}
    content["dagster"] = {key: TaskSize(**size) for key, size in content["dagster"].items()}
    content["prices"] = Prices(**content["prices"])
    plain = Deployment(**content)
    return _named(plain, environment) if environment else plain


def _named(plain: Deployment, environment: str) -> Deployment:
    """The deployment with an environment's names, as Terraform gives them."""

    def named(name: str) -> str:
        return f"{environment}-{name}"

    return replace(
        plain,
        jobs={key: replace(job, name=named(job.name)) for key, job in plain.jobs.items()},
        athena={**plain.athena, "workgroup": named(plain.athena["workgroup"])},
        storage={**plain.storage, "log_group": f"/{environment}{plain.storage['log_group']}"},
    )
