"""Settings of the pipeline: every environment variable, its default and its error, in one place."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ecommerce_assets.errors import PipelineError

DEPLOYMENTS = ("local",)


@dataclass(frozen=True)
class Settings:
    """What a deployment may choose.

    Attributes:
        deployment: where compute steps run; `local` is this process.
        landing: folder (or URI) below which deliveries land.
        lakehouse: folder that holds the catalog and the tables.
        start_date: first ingestion date; the first daily partition.
        quarantine_limit: share (0 to 1) of a run's rows of a table above which the table
            is not published; 1 never blocks.
    """

    deployment: str = "local"
    landing: str = "data/landing"
    lakehouse: str = "data/lakehouse"
    start_date: date = date(2024, 1, 1)
    quarantine_limit: float = 0.05

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

        deployment = value("DEPLOYMENT", default.deployment)
        if deployment not in DEPLOYMENTS:
            raise PipelineError(
                f"ECOMMERCE_DEPLOYMENT is {deployment!r}; it must be {' or '.join(DEPLOYMENTS)}"
            )
        return cls(
            deployment=deployment,
            landing=absolute(value("LANDING", default.landing)),
            lakehouse=absolute(value("LAKEHOUSE", default.lakehouse)),
            start_date=parse_date(
                value("START_DATE", default.start_date.isoformat()), "ECOMMERCE_START_DATE"
            ),
            quarantine_limit=parse_share(
                value("QUARANTINE_LIMIT", str(default.quarantine_limit)),
                "ECOMMERCE_QUARANTINE_LIMIT",
            ),
        )


def absolute(location: str) -> str:
    """A folder as an absolute path; a URI (`s3://...`) as it is."""
    return location if "://" in location else str(Path(location).expanduser().absolute())


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
