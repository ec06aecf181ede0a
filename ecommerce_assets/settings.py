"""Settings of the pipeline: every environment variable, its default and its error, in one place."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path

from ecommerce_assets.deployment import deployment
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.thresholds import Thresholds

DEPLOYMENTS = ("local", "aws")
NEEDED_ON_AWS = ("landing", "lakehouse", "artifacts")
PLACES = (*NEEDED_ON_AWS, "dashboard")
START_DATE = date.fromisoformat(deployment().pipeline["start_date"])
WORKGROUP: str = deployment().athena["workgroup"]


@dataclass(frozen=True)
class Settings:
    """What a deployment may choose.

    Attributes:
        deployment: where compute steps run: `local` is this process, `aws` are Glue jobs.
        landing: folder, on AWS `s3://bucket/prefix`, below which deliveries land.
        lakehouse: folder that holds the catalog and the tables; on AWS the tables' `s3://bucket`.
        start_date: first ingestion date; the first daily partition.
        thresholds: from what share on the checks warn or block.
        artifacts: on AWS: `s3://bucket` of releases and of messages between Dagster and a job.
        workgroup: on AWS: Athena's workgroup.
        dashboard: file of the dashboard; on AWS `s3://bucket/key`, empty if none is to be made.
        dashboard_lines: order lines that the dashboard holds at most, those of the latest days.
        alert_webhook: URL of the chat's webhook for failures; empty for none.
        alert_secret: name of the secret in Secrets Manager that holds it instead.
        ui_url: where people open Dagster, for links.
    """

    deployment: str = "local"
    landing: str = "data/landing"
    lakehouse: str = "data/lakehouse"
    start_date: date = START_DATE
    thresholds: Thresholds = field(default_factory=Thresholds)
    artifacts: str = ""
    workgroup: str = WORKGROUP
    dashboard: str = "data/dashboard.html"
    dashboard_lines: int = 225_000
    alert_webhook: str = ""
    alert_secret: str = ""
    ui_url: str = "http://localhost:3000"

    @property
    def on_aws(self) -> bool:
        """Whether compute steps are Glue jobs."""
        return self.deployment == "aws"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read `ECOMMERCE_*`; empty variables count as unset.

        Raises:
            PipelineError: a variable holds a value that can't be used; the message names it.
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
        places = {name: value(name.upper(), "") for name in PLACES}
        _must_fit(chosen, places)
        _must_be_a_plain_path(absolute(places["lakehouse"] or default.lakehouse))
        return cls(
            deployment=chosen,
            landing=absolute(places["landing"] or default.landing),
            lakehouse=absolute(places["lakehouse"] or default.lakehouse),
            artifacts=absolute(places["artifacts"]),
            dashboard=absolute(
                places["dashboard"] or ("" if chosen == "aws" else default.dashboard)
            ),
            dashboard_lines=parse_count(
                value("DASHBOARD_LINES", str(default.dashboard_lines)), "ECOMMERCE_DASHBOARD_LINES"
            ),
            workgroup=value("WORKGROUP", default.workgroup),
            alert_webhook=value("ALERT_WEBHOOK", default.alert_webhook),
            alert_secret=value("ALERT_SECRET", default.alert_secret),
            ui_url=value("UI_URL", default.ui_url),
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


def _must_fit(chosen: str, places: Mapping[str, str]) -> None:
    """Half a configuration, or that of the other deployment, would read and write elsewhere."""
    aws = chosen == "aws"
    wrong = [
        f"ECOMMERCE_{name.upper()} is {repr(place) if place else 'not set'}"
        for name, place in places.items()
        if is_s3(place) != aws and (place or (aws and name in NEEDED_ON_AWS))
    ]
    if wrong:
        raise PipelineError(
            f"ECOMMERCE_DEPLOYMENT is {chosen!r}, so these must be "
            f"{'like s3://bucket/prefix' if aws else 'local folders'}: {', '.join(wrong)}. "
            "`terraform -chdir=terraform output -raw environment` prints what AWS needs"
        )


def _must_be_a_plain_path(lakehouse: str) -> None:
    """Iceberg's JDBC catalog and pyiceberg take these characters for parts of an address."""
    if not is_s3(lakehouse) and any(sign in lakehouse for sign in "%?#"):
        raise PipelineError(
            f"ECOMMERCE_LAKEHOUSE is {lakehouse!r}: its path may hold no %, ? or #, which the "
            "catalog would take for parts of an address; choose another folder"
        )


def is_s3(location: str) -> bool:
    """Whether a location is an `s3://bucket`, with or without a prefix."""
    return location.startswith("s3://") and len(location) > len("s3://")


def absolute(location: str) -> str:
    """A folder as an absolute path; a URI without a slash at its end; nothing as nothing."""
    if not location or "://" in location:
        return location.rstrip("/")
    return str(Path(location).expanduser().absolute())


def parse_date(text: str, name: str) -> date:
    """A date from `YYYY-MM-DD`.

    Raises:
        PipelineError: the text is no such date; the message says which setting `name` it was for.
    """
    try:
        parsed = date.fromisoformat(text)
    except ValueError:
        parsed = None
    if parsed is None or parsed.isoformat() != text:
        raise PipelineError(f"{name} is {text!r}; it must be a date like 2024-01-31")
    return parsed


def parse_count(text: str, name: str) -> int:
    """A whole number from 1 on.

    Raises:
        PipelineError: it is none; the message begins with `name`.
    """
    if not text.isdecimal() or int(text) < 1:
        raise PipelineError(f"{name} is {text!r}; it must be a whole number from 1 on")
    return int(text)


def parse_share(text: str, name: str) -> float:
    """A share from 0 to 1.

    Raises:
        PipelineError: the text is no number from 0 to 1.
    """
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise PipelineError(f"{name} is {text!r}; it must be a number from 0 to 1, like 0.05")
    return share
