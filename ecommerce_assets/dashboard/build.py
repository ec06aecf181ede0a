"""Building the dashboard: figures of the published tables as a page, written or uploaded."""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import uuid4

from ecommerce_assets import package_files
from ecommerce_assets.dashboard.figures import figures, reads
from ecommerce_assets.dashboard.page import page
from ecommerce_assets.dashboard.sales import days_of
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.query.engine import open_engine
from ecommerce_assets.query.history import last_snapshots
from ecommerce_assets.settings import Settings
from ecommerce_assets.shop import current_shop


@dataclass(frozen=True)
class Built:
    """A dashboard that was built.

    Attributes:
        location: a file, or on AWS an `s3://` location.
        size: bytes.
        days: days of sales shown; None if unchanged.
        seconds: how long it took.
    """

    location: str
    size: int
    days: int | None
    seconds: float

    @property
    def unchanged(self) -> bool:
        """Whether the page already showed what is published, so that it was left alone."""
        return self.days is None


def build_dashboard(settings: Settings) -> Built:
    """Build the page from the published tables, replacing the last one unless nothing has changed.

    The page ends with a fingerprint of the snapshots that it shows and of the code that built it.

    Raises:
        PipelineError: a table does not exist yet, no location is set, or the page can't be written.
    """
    started, location = perf_counter(), _set(settings.dashboard)
    snapshots = last_snapshots(settings.lakehouse, settings.environment)
    missing = [name for name in reads() if name not in snapshots]
    if missing:
        raise PipelineError(f"not there yet: {', '.join(missing)}; run `ecommerce run` first")
    now = datetime.now(UTC)
    shows = _fingerprint(snapshots, settings, now)
    if size := _size_if_it(location, shows):
        return Built(location, size, None, perf_counter() - started)
    with open_engine(settings, settings.dashboard_workgroup) as query:
        found = figures(query, snapshots, now, settings.dashboard_lines, on_aws=settings.on_aws)
    content = f"{page(found)}{_comment(shows)}".encode()
    _put(location, content, shows)
    days = days_of(found["sales"]) if found["sales"] else 0
    return Built(location, len(content), days, perf_counter() - started)


def link_to(location: str) -> str:
    """URL of a built page for the browser: `file:`, or on AWS a presigned link.

    That is valid for at most seven days, and no longer than the credentials of whoever asks.

    Raises:
        PipelineError: there is no page, or no location is set.
    """
    if "://" in _set(location):
        from ecommerce_assets.aws.publish import link_to as presigned

        return presigned(location)
    if not Path(location).exists():
        raise PipelineError(f"no dashboard at {location}: run `ecommerce dashboard` first")
    return Path(location).absolute().as_uri()


def _set(location: str) -> str:
    if not location:
        raise PipelineError(
            "ECOMMERCE_DASHBOARD is not set: `terraform -chdir=terraform output -raw environment` "
            "says where the dashboard goes on AWS"
        )
    return location


def _fingerprint(snapshots: Mapping[str, Any], settings: Settings, now: datetime) -> str:
    """Of everything that decides the page; of the time, the day: later sales are left out."""
    decides = [
        package_files.digest(),
        current_shop().text,
        settings.dashboard_lines,
        f"{now:%Y-%m-%d}",
        snapshots,
    ]
    return hashlib.sha256(json.dumps(decides, default=str).encode()).hexdigest()


def _comment(shows: str) -> str:
    return f"<!-- shows {shows} -->\n"


def _size_if_it(location: str, shows: str) -> int | None:
    """The size of the page that is there, if it has this fingerprint."""
    if "://" in location:
        from ecommerce_assets.aws.publish import size_if_it

        return size_if_it(location, shows)
    end = _comment(shows).encode()
    try:
        with Path(location).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - len(end), 0))
            return size if file.read() == end else None
    except OSError:  # not there, or not to be read: it is built
        return None


def _put(location: str, content: bytes, shows: str) -> None:
    if "://" in location:
        # Load boto3 only on AWS.
        from ecommerce_assets.aws.publish import publish

        publish(location, content, "text/html; charset=utf-8", shows)
        return
    file = Path(location).absolute()
    beside = file.with_name(f".{file.name}.{uuid4().hex}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        beside.replace(file)  # Atomic, so that a browser never reads half a page.
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise PipelineError(f"can't write the dashboard to {location}: {error}") from error
