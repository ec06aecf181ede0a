"""The ingestion dates of a run: those that were asked for, or all that have landed."""

import sys
from collections.abc import Collection
from datetime import UTC, date, datetime

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.landing.files import landed_dates
from ecommerce_assets.settings import Settings
from ecommerce_assets.shop import current_shop


def dates_of_run(
    settings: Settings,
    layers: Collection[str],
    first: date | None,
    last: date | None,
    *,
    allow_empty: bool,
) -> tuple[date, date]:
    """The first and the last date of the run.

    Raises:
        PipelineError: nothing has landed, or a date is before the first partition or in the future,
            or all are before the first date that has landed, or after the last.
    """
    if first is None:
        first, last = _range_of(settings, landed_days(settings))
        _must_be_possible(settings, first, last, asked=False)
        return first, last
    last = last or first
    _must_be_possible(settings, first, last, asked=True)
    if "bronze" in layers and not settings.on_aws and not allow_empty:
        _say_what_is_missing(first, last, landed_days(settings))
    return first, last


def landed_days(settings: Settings) -> list[date]:
    """The ingestion dates landed for any source, in order.

    Raises:
        PipelineError: there is no landing location, or it can't be listed; a folder's name is not
            a date.
    """
    sources = current_shop().sources
    try:
        return sorted({day for source in sources for day in landed_dates(settings.landing, source)})
    except PipelineError as error:
        if not settings.on_aws or error.__cause__ is None:
            raise
        # Load boto3 only on AWS.
        from ecommerce_assets.aws.clients import explained

        with explained(f"looking at {settings.landing}"):
            raise error.__cause__ from None


def _range_of(settings: Settings, days: list[date]) -> tuple[date, date]:
    if not days:
        raise PipelineError(
            f"nothing has landed in {settings.landing}: see `ecommerce land --help`"
        )
    return days[0], days[-1]


def _must_be_possible(settings: Settings, first: date, last: date, *, asked: bool) -> None:
    today = datetime.now(UTC).date()
    if first < settings.start_date:
        raise PipelineError(
            f"{first} is before the first partition {settings.start_date}: set "
            "ECOMMERCE_START_DATE to an earlier date"
        )
    if last > today:
        what, remedy = f"--to {last}", "choose an earlier date"
        if not asked:
            what = f"ingestion_date={last}, a folder in {settings.landing},"
            remedy = f"rename it, or run the others: ecommerce run --from {first} --to {today}"
        raise PipelineError(
            f"{what} is in the future (today is {today} UTC), so nothing was run: {remedy}"
        )


def _say_what_is_missing(first: date, last: date, there: list[date]) -> None:
    """Warn of requested dates without a folder, probably a typing error.

    Raises:
        PipelineError: all of them are before the first date that has landed, or after the last.
    """
    wanted = (last - first).days + 1
    found = sum(first <= day <= last for day in there)
    if there and (last < there[0] or first > there[-1]):
        raise PipelineError(
            f"nothing has landed for {described(first, last)}: deliveries are from {there[0]} to "
            f"{there[-1]}. Nothing was run; to record such dates as empty, add --allow-empty"
        )
    if found < wanted:
        dates = f"{first}" if wanted == 1 else f"{wanted - found:,} of these {wanted:,} dates"
        landed = f"; dates from {there[0]} to {there[-1]} have" if there else ""
        print(f"Note: nothing has landed for {dates}{landed}", file=sys.stderr)


def described(first: date, last: date) -> str:
    """A date, or a range of them, for people."""
    return f"{first}" if first == last else f"{first} to {last}"
