"""Option types that several commands share."""

from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from typing import Any

import click
from click.shell_completion import CompletionItem

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.settings import parse_date, parse_share

# As in ecommerce_assets.tables, which would load Spark and delay help and completion.
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
    """A time, UTC unless it has an offset, or the id of a snapshot."""

    name = "time or snapshot"

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
            self.fail(
                f"{value!r} is neither a time like 2024-01-31T12:00 nor the id of a snapshot",
                param,
                ctx,
            )
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class TableOption(click.ParamType[str]):
    """A table, like gold.daily_revenue or daily_revenue, with shell completion.

    May be a comma-separated list. The command checks that tables exist.
    """

    name = "table"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Completions of the text after the last comma, with or without layer."""
        *before, typed = incomplete.split(",")
        from ecommerce_assets.shop import current_shop

        # Modules are listed, not imported.
        modules = files("ecommerce_assets").joinpath("tables")
        by_layer = {
            layer: [
                module.name.removesuffix(".py")
                for module in modules.joinpath(layer).iterdir()
                if module.name.endswith(".py") and not module.name.startswith("_")
            ]
            for layer in LAYERS
        }
        by_layer["bronze"] += [source.name for source in current_shop().sources]
        by_layer["silver"] += [f"{name}_quarantine" for name in by_layer["silver"]]
        names = sorted(f"{layer}.{name}" for layer in LAYERS for name in by_layer[layer])
        fitting = [name for name in names if name.startswith(typed)]
        fitting = fitting or [
            name.split(".")[1] for name in names if name.split(".")[1].startswith(typed)
        ]
        return [CompletionItem(",".join([*before, name])) for name in fitting]
