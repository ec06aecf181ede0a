"""Arguments of a job run: which tables, which ingestion dates, which locations."""

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from uuid import uuid4

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse.data_files import DataFile
from ecommerce_assets.landing.files import delivered_bytes
from ecommerce_assets.model.table import Table
from ecommerce_assets.refresh.inputs import Request
from ecommerce_assets.refresh.limits import Limits, default_limits
from ecommerce_assets.settings import (
    ENGINES,
    Settings,
    absolute,
    is_s3,
    parse_count,
    parse_date,
    parse_share,
)
from ecommerce_assets.shop import current_shop
from ecommerce_assets.tables import tables_of
from ecommerce_assets.thresholds import Thresholds

BY_HAND = "script"  # not launched by Dagster


@dataclass(frozen=True)
class JobArguments:
    """What one job run works on; tables are in dependency order."""

    tables: tuple[Table, ...]
    first: date
    last: date
    landing: str
    lakehouse: str
    thresholds: Thresholds = field(default_factory=Thresholds)
    limits: Limits = field(default_factory=default_limits)
    full_refresh: bool = False
    run_id: str = ""
    pipes: tuple[str, ...] = ()
    environment: str = ""
    engine: str = "spark"
    landing_days: int = 0
    allow_removal: bool = False
    damaged: Mapping[str, Sequence[DataFile]] = field(default_factory=dict)

    def attempt(self) -> str:
        """A unique name for one attempt to publish: the run's id and a random suffix."""
        run = re.sub(r"\W", "", self.run_id)  # also names the branch
        return f"{run or BY_HAND}_{uuid4().hex}"

    def delivered_bytes(self) -> int:
        """Size of the deliveries to read from a local folder; 0 on S3, without listing it."""
        dates = (date.min, date.max) if self.full_refresh else (self.first, self.last)
        return delivered_bytes(self.landing, *dates)

    @property
    def days(self) -> list[date]:
        """Every ingestion date of the run."""
        return self.request.days

    @property
    def reads(self) -> list[str]:
        """The identifiers of its tables and of those that they read."""
        own = {table.identifier for table in self.tables}
        return sorted(own | {name for table in self.tables for name in table.reads})

    @property
    def request(self) -> Request:
        """What the run's tables are refreshed for."""
        return Request(
            self.first,
            self.last,
            self.landing,
            current_shop().sources,
            self.full_refresh,
            datetime.now(UTC).date(),
            self.landing_days,
            self.allow_removal,
            self.damaged,
        )


def words(options: Mapping[str, str]) -> list[str]:
    """Options and their values as the words of a command line."""
    return [word for pair in options.items() for word in pair]


def parse_arguments(layer: str, argv: Sequence[str]) -> JobArguments:
    """Parse the arguments. Defaults come from the settings; without `--tables`, all of the layer.

    Arguments that Glue adds are ignored.

    Raises:
        PipelineError: an unknown table, an invalid date, or a range that ends before it starts.
    """
    settings = Settings.from_environment()
    parser = argparse.ArgumentParser(
        description=f"Materialize {layer} tables for a range of ingestion dates.",
        allow_abbrev=False,
    )
    parser.add_argument("--tables", help="comma-separated names; default: all of the layer")
    parser.add_argument("--from", dest="first", required=True, help="first date, YYYY-MM-DD")
    parser.add_argument("--to", dest="last", required=True, help="last date, YYYY-MM-DD")
    parser.add_argument("--landing", default=settings.landing)
    parser.add_argument("--lakehouse", default=settings.lakehouse)
    parser.add_argument(
        "--landing-days",
        default=str(settings.landing_days),
        help="days that landing keeps deliveries; 0 forever",
    )
    parser.add_argument("--engine", choices=ENGINES, help="default: on S3 Spark")
    parser.add_argument("--environment", default="", help="on Glue, that of the databases")
    for name, share in asdict(settings.thresholds).items():
        parser.add_argument(option_of(name), default=str(share))
    parser.add_argument(
        "--full-refresh",
        choices=("true", "false"),
        default="false",
        help="recompute tables as a whole",
    )
    parser.add_argument(
        "--allow-removal",
        choices=("true", "false"),
        default="false",
        help="give up rows whose deliveries are gone, and many rows at once",
    )
    parser.add_argument("--run-id", default="", help="id of the Dagster run that launched this job")
    given, rest = parser.parse_known_args(argv)
    first, last = parse_date(given.first, "--from"), parse_date(given.last, "--to")
    if last < first:
        raise PipelineError(f"--to {last} is before --from {first}")
    return JobArguments(
        tables=_selected(layer, given.tables),
        first=first,
        last=last,
        landing=absolute(given.landing),
        lakehouse=absolute(given.lakehouse),
        environment=given.environment,
        engine=given.engine or ("spark" if is_s3(given.lakehouse) else settings.engine),
        landing_days=parse_count(given.landing_days, "--landing-days", least=0),
        thresholds=Thresholds(
            **{
                name: parse_share(getattr(given, name), option_of(name))
                for name in asdict(settings.thresholds)
            }
        ),
        full_refresh=given.full_refresh == "true",
        allow_removal=given.allow_removal == "true",
        run_id=given.run_id,
        pipes=tuple(rest),
    )


def option_of(threshold: str) -> str:
    """The option that passes a threshold to a job."""
    return f"--{threshold.replace('_', '-')}"


def _selected(layer: str, names: str | None) -> tuple[Table, ...]:
    tables = tables_of(layer)
    if names is None:
        return tables
    wanted = {name.strip() for name in names.split(",") if name.strip()}
    unknown = wanted - {table.name for table in tables}
    if unknown or not wanted:
        raise PipelineError(
            f"--tables names {', '.join(sorted(unknown)) or 'no table'}; {layer} has "
            + ", ".join(sorted(table.name for table in tables))
        )
    return tuple(table for table in tables if table.name in wanted)
