"""Option types that several commands share."""

from datetime import date
from typing import Any

import click

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.settings import parse_date, parse_share


class DateOption(click.ParamType[date]):
    """A date `YYYY-MM-DD`."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The date; wrong usage otherwise."""
        if isinstance(value, date):
            return value
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
