"""Option types that several commands share."""

from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from typing import Any

import click
from click.shell_completion import CompletionItem

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.settings import parse_date, parse_share

# As in ecommerce_assets.tables, which loads Spark: help and completion do not wait for that.
LAYERS = ("bronze", "silver", "gold")
DAYS_AGO = {"today": 0, "yesterday": 1}


class DateOption(click.ParamType[date]):
    """A date `YYYY-MM-DD`, or `today` or `yesterday` (UTC)."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The date; wrong usage otherwise."""
        if isinstance(value, date):
            return value
        if value in DAYS_AGO:
            return datetime.now(UTC).date() - timedelta(days=DAYS_AGO[value])
        try:
            return parse_date(value, "the value")
        except PipelineError as error:
            self.fail(str(error), param, ctx)


class ShareOption(click.ParamType[float]):
    """A share from 0 to 1."""

    name = "share"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The share; wrong usage otherwise."""
        try:
            return parse_share(str(value), "the value")
        except PipelineError as error:
            self.fail(str(error), param, ctx)


class AsOfOption(click.ParamType[datetime | int]):
    """A time, in UTC unless it says otherwise, or the id of a state."""

    name = "time or state"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime | int:
        """The time or the id; wrong usage otherwise."""
        if isinstance(value, datetime | int):
            return value
        if value.isdigit() and len(value) > len("20240131"):
            return int(value)
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time like 2024-01-31T12:00 and no state", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class TableOption(click.ParamType[str]):
    """A table, like gold.daily_revenue or daily_revenue; the shell completes its name.

    Several may be parted by commas. Whether it is one is for the command to say.
    """

    name = "table"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The tables that go on like what is typed after the last comma, with or without layer."""
        *before, typed = incomplete.split(",")
        # The names of the modules are read, not the modules.
        layers = files("ecommerce_assets").joinpath("tables")
        names = sorted(
            f"{layer}.{module.name.removesuffix('.py')}"
            for layer in LAYERS
            for module in layers.joinpath(layer).iterdir()
            if module.name.endswith(".py") and not module.name.startswith("_")
        )
        fitting = [name for name in names if name.startswith(typed)]
        fitting = fitting or [
            name.split(".")[1] for name in names if name.split(".")[1].startswith(typed)
        ]
        return [CompletionItem(",".join([*before, name])) for name in fitting]
