"""The deployment, `deployment.json`: the Glue jobs, their settings, the price lists.

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
class RegionPrices:
    """The public price list of one region, in USD.

    Attributes:
        dpu_hour: of a Glue job by execution class; a DPU is 4 vCPU and 16 GB.
        scanned_terabyte: of an Athena query; a terabyte of 2^40 bytes.
        vcpu_hour, gigabyte_hour: of a Fargate task of the deployment's architecture.
        database_hour, database_gigabyte_month: of Terraform's default class, one zone, gp3.
        address_hour: of a public IPv4 address.
        nat_hour, nat_gigabyte: of a NAT gateway, and of what goes through it.
        load_balancer_hour: of an application load balancer, without its units of capacity.
        endpoint_hour: of an interface endpoint in a zone.
        log_gigabyte: taken in by CloudWatch.
        alarm_month, secret_month: of one.
        thousand_lists: of 1,000 LIST or PUT requests to S3.
    """

    dpu_hour: dict[str, float]
    scanned_terabyte: float
    vcpu_hour: float
    gigabyte_hour: float
    database_hour: float
    database_gigabyte_month: float
    address_hour: float
    nat_hour: float
    nat_gigabyte: float
    load_balancer_hour: float
    endpoint_hour: float
    log_gigabyte: float
    alarm_month: float
    secret_month: float
    thousand_lists: float

    def task(self, size: TaskSize, hours: float) -> float:
        """USD of a Fargate task."""
        by_hour = size.cpu / 1024 * self.vcpu_hour + size.memory / 1024 * self.gigabyte_hour
        return by_hour * hours

    def glue_run(self, dpu_seconds: float, execution_class: str) -> float:
        """USD of a job run."""
        return dpu_seconds / 3600 * self.dpu_hour[execution_class]


@dataclass(frozen=True)
class Prices:
    """The public price lists, and how they count.

    Attributes:
        as_of: date of the prices.
        default_region: whose prices stand for a region that is not listed.
        minimum_seconds: minimum billed duration of a job run.
        dpus_per_worker: by worker type.
        minimum_scanned_bytes: minimum billed size of a query.
        usd: by region.
    """

    as_of: str
    default_region: str
    minimum_seconds: int
    dpus_per_worker: dict[str, float]
    minimum_scanned_bytes: int
    usd: dict[str, RegionPrices]

    def listed(self, region: str) -> str:
        """The region whose prices are taken for one."""
        return region if region in self.usd else self.default_region

    def of(self, region: str) -> RegionPrices:
        """The prices of a region, or if it is not listed, of the default one."""
        return self.usd[self.listed(region)]

    def query(self, scanned_bytes: int, region: str) -> float:
        """USD of an Athena query."""
        billed = max(scanned_bytes, self.minimum_scanned_bytes)
        return billed / 2**40 * self.of(region).scanned_terabyte


@dataclass(frozen=True)
class Deployment:
    """The content of `deployment.json`.

    `provided` lists the Python packages that this version of Glue has, according to its developer
    guide, as far as the jobs use them; `dagster_architecture` is that of Dagster's tasks and image,
    in ECS's words.
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
    dagster_architecture: str
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
    usd = {region: RegionPrices(**prices) for region, prices in content["prices"]["usd"].items()}
    content["prices"] = Prices(**content["prices"] | {"usd": usd})
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
