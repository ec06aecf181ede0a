"""Building the dashboard: figures of the published tables as a page, written or uploaded."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from uuid import uuid4

from ecommerce_assets.dashboard.figures import figures, reads
from ecommerce_assets.dashboard.page import page
from ecommerce_assets.dashboard.sales import days_of
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.query.engine import open_engine
from ecommerce_assets.query.history import last_snapshots
from ecommerce_assets.settings import Settings


@dataclass(frozen=True)
class Built:
    """A dashboard that was built.

    Attributes:
        link: URL for the browser: `file:`, or on AWS a presigned link.
        location: a file, or on AWS an `s3://` location.
        size: bytes.
        days: days of sales shown.
        seconds: how long it took.
    """

    link: str
    location: str
    size: int
    days: int
    seconds: float


def build_dashboard(settings: Settings) -> Built:
    """Build the page from the published tables, replacing the last one.

    Raises:
        PipelineError: a table does not exist yet, no location is set, or the page can't be written.
    """
    started = perf_counter()
    if not settings.dashboard:
        raise PipelineError(
            "ECOMMERCE_DASHBOARD is not set: `terraform -chdir=terraform output -raw environment` "
            "says where the dashboard goes on AWS"
        )
    snapshots = last_snapshots(settings.lakehouse)
    missing = [name for name in reads() if name not in snapshots]
    if missing:
        raise PipelineError(f"not there yet: {', '.join(missing)}; run `ecommerce run` first")
    with open_engine(settings) as query:
        found = figures(query, snapshots, datetime.now(UTC), settings.dashboard_lines)
    content = page(found).encode()
    link = _put(settings.dashboard, content)
    days = days_of(found["sales"]) if found["sales"] else 0
    return Built(link, settings.dashboard, len(content), days, perf_counter() - started)


def _put(location: str, content: bytes) -> str:
    if "://" in location:
        # Load boto3 only on AWS.
        from ecommerce_assets.aws.publish import publish

        return publish(location, content, "text/html; charset=utf-8")
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
    return file.as_uri()
