"""Settings of the pipeline: all environment variables, with defaults and errors."""

import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path

from ecommerce_assets.deployment import deployment
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.thresholds import Thresholds

DEPLOYMENTS = ("local", "aws")
ENGINES = ("duckdb", "spark")
NEEDED_ON_AWS = ("landing", "lakehouse", "artifacts")
LOCATIONS = (*NEEDED_ON_AWS, "dashboard")
START_DATE = date.fromisoformat(deployment().pipeline["start_date"])
WORKGROUP: str = deployment().athena["workgroup"]
ENVIRONMENT_NAME = re.compile(r"[a-z][a-z0-9]{0,9}")


@dataclass(frozen=True)
class Settings:
    """The settings.

    Attributes:
        deployment: where the tables are: `local` in folders, `aws` in an account.
        engine: what computes rows: `duckdb` in the run's process, or `spark`; in an account, that
            is Glue's.
        environment: name of one of several environments, which live side by side in one account or
            on one laptop; empty for the only one.
        landing: folder or, on AWS, `s3://bucket/prefix` of the deliveries.
        lakehouse: folder of catalog and tables or, on AWS, the tables' `s3://bucket`.
        landing_days: days that landing keeps deliveries; 0 forever. What was read from older ones
            stays.
        snapshot_days: days that maintenance keeps snapshots for time travel.
        start_date: first ingestion date; the first daily partition.
        thresholds: shares from which checks warn or block.
        artifacts: on AWS, `s3://bucket` of releases and of messages between Dagster and jobs.
        workgroup: on AWS, Athena's workgroup for queries.
        dashboard_workgroup: on AWS, Athena's workgroup for the dashboard's queries; by default,
            that of the others.
        dashboard: file of the dashboard; on AWS `s3://bucket/key`, empty for none.
        dashboard_lines: the most order lines that the dashboard holds; the latest days win.
        alert_webhook: URL of the chat's webhook for failures; empty for none.
        alert_secret: name of a secret in Secrets Manager that holds the URL instead.
        ui_url: URL of Dagster's UI, for links.
    """

    deployment: str = "local"
    engine: str = "duckdb"
    environment: str = ""
    landing: str = "data/landing"
    lakehouse: str = "data/lakehouse"
    landing_days: int = 0
    snapshot_days: int = 7
    start_date: date = START_DATE
    thresholds: Thresholds = field(default_factory=Thresholds)
    artifacts: str = ""
    workgroup: str = WORKGROUP
    dashboard_workgroup: str = ""
    dashboard: str = "data/dashboard.html"
    dashboard_lines: int = 225_000
    alert_webhook: str = ""
    alert_secret: str = ""
    ui_url: str = "http://localhost:3000"

    @property
    def on_aws(self) -> bool:
        """Whether the tables are in an account."""
        return self.deployment == "aws"

    @property
    def on_glue(self) -> bool:
        """Whether compute steps are Glue jobs."""
        return self.on_aws and self.engine == "spark"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read `ECOMMERCE_*`; empty variables count as unset.

        Raises:
            PipelineError: a variable has an invalid value; the message names it.
        """
        given = os.environ if environment is None else environment
        default = cls()

        def value(name: str, fallback: str) -> str:
            return given.get(f"ECOMMERCE_{name}", "").strip() or fallback

        chosen = value("DEPLOYMENT", default.deployment)
        if chosen not in DEPLOYMENTS:
            raise PipelineError(
                f"ECOMMERCE_DEPLOYMENT is {chosen!r}; it must be {' or '.join(DEPLOYMENTS)}"
            )
        engine = value("ENGINE", "spark" if chosen == "aws" else default.engine)
        _must_be_an_engine(engine)
        named = value("ENVIRONMENT", "")
        _must_be_an_environment(named)
        locations = {name: value(name.upper(), "") for name in LOCATIONS}
        _must_fit(chosen, locations)
        if chosen == "local":
            for name in ("landing", "lakehouse", "dashboard"):
                locations[name] = locations[name] or _of(named, getattr(default, name))
        _must_be_a_plain_path(absolute(locations["lakehouse"]))
        return cls(
            deployment=chosen,
            engine=engine,
            environment=named,
            **{name: absolute(location) for name, location in locations.items()},
            dashboard_lines=parse_count(
                value("DASHBOARD_LINES", str(default.dashboard_lines)), "ECOMMERCE_DASHBOARD_LINES"
            ),
            workgroup=value("WORKGROUP", deployment(named).athena["workgroup"]),
            dashboard_workgroup=value("DASHBOARD_WORKGROUP", ""),
            alert_webhook=value("ALERT_WEBHOOK", default.alert_webhook),
            alert_secret=value("ALERT_SECRET", default.alert_secret),
            ui_url=value("UI_URL", default.ui_url),
            landing_days=parse_count(value("LANDING_DAYS", "0"), "ECOMMERCE_LANDING_DAYS", least=0),
            snapshot_days=parse_count(
                value("SNAPSHOT_DAYS", str(default.snapshot_days)), "ECOMMERCE_SNAPSHOT_DAYS"
            ),
            start_date=parse_date(
                value("START_DATE", default.start_date.isoformat()), "ECOMMERCE_START_DATE"
            ),
            thresholds=Thresholds(
                **{
                    name: parse_share(value(name.upper(), str(share)), f"ECOMMERCE_{name.upper()}")
                    for name, share in asdict(default.thresholds).items()
                }
            ),
        )


def _must_be_an_engine(name: str) -> None:
    """Refuse an engine that there is not."""
    if name not in ENGINES:
        raise PipelineError(f"ECOMMERCE_ENGINE is {name!r}; it must be {' or '.join(ENGINES)}")


def _must_be_an_environment(name: str) -> None:
    """Refuse what can't be part of the names of databases, jobs, buckets and folders."""
    if name and not ENVIRONMENT_NAME.fullmatch(name):
        raise PipelineError(
            f"ECOMMERCE_ENVIRONMENT is {name!r}; it must be a letter and up to nine more letters "
            "or digits, all of them small, like prod"
        )


def _of(environment: str, location: str) -> str:
    """The folder or file of an environment on a laptop: `data/dev/lakehouse`."""
    path = Path(location)
    return str(path.parent / environment / path.name)


def _must_fit(chosen: str, locations: Mapping[str, str]) -> None:
    """Refuse incomplete settings, or those of the other deployment."""
    aws = chosen == "aws"
    wrong = [
        f"ECOMMERCE_{name.upper()} is {repr(location) if location else 'not set'}"
        for name, location in locations.items()
        if is_s3(location) != aws and (location or (aws and name in NEEDED_ON_AWS))
    ]
    if wrong:
        raise PipelineError(
            f"ECOMMERCE_DEPLOYMENT is {chosen!r}, so these must be "
            f"{'like s3://bucket/prefix' if aws else 'local folders'}: {', '.join(wrong)}. "
            "`terraform -chdir=terraform output -raw environment` prints what AWS needs"
        )


def _must_be_a_plain_path(lakehouse: str) -> None:
    """Refuse characters that Iceberg's JDBC catalog and pyiceberg would parse as parts of a URI."""
    if not is_s3(lakehouse) and any(sign in lakehouse for sign in "%?#"):
        raise PipelineError(
            f"ECOMMERCE_LAKEHOUSE is {lakehouse!r}: its path must not contain %, ? or #, which "
            "the catalog would parse as parts of a URI; choose another folder"
        )


def is_s3(location: str) -> bool:
    """Whether a location is an `s3://bucket`, with or without a prefix."""
    return location.startswith("s3://") and len(location) > len("s3://")


def absolute(location: str) -> str:
    """A folder as an absolute path; a URI without a trailing slash; an empty text unchanged."""
    if not location or "://" in location:
        return location.rstrip("/")
    return os.path.abspath(Path(location).expanduser())  # without `..`, as Hadoop writes it


def parse_date(text: str, name: str) -> date:
    """A date from `YYYY-MM-DD`.

    Raises:
        PipelineError: the text is not such a date; the message starts with `name`.
    """
    try:
        parsed = date.fromisoformat(text)
    except ValueError:
        parsed = None
    if parsed is None or parsed.isoformat() != text:
        raise PipelineError(f"{name} is {text!r}; it must be a date like 2024-01-31")
    return parsed


def parse_count(text: str, name: str, least: int = 1) -> int:
    """A whole number from `least` on.

    Raises:
        PipelineError: it is not; the message starts with `name`.
    """
    if not text.isdecimal() or int(text) < least:
        raise PipelineError(f"{name} is {text!r}; it must be a whole number from {least} on")
    return int(text)


def parse_share(text: str, name: str) -> float:
    """A share from 0 to 1.

    Raises:
        PipelineError: the text is not a number from 0 to 1.
    """
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise PipelineError(f"{name} is {text!r}; it must be a number from 0 to 1, like 0.05")
    return share
