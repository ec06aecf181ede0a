"""`ecommerce land`: puts flat CSV files into the landing layout."""

import sys
from datetime import date
from functools import partial
from pathlib import Path

import click

from ecommerce_assets.cli.options import DateOption


@click.command()
@click.option(
    "--source",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder with the files of the sources, like customers.csv or orders.csv.gz.",
)
@click.option("--date", "day", type=DateOption(), help="Ingestion date.")
@click.option(
    "--split-by",
    metavar="COLUMN",
    help="A column of times: each row gets the ingestion date of its day, as for a shop's first "
    "load of its whole history.",
)
@click.option("--landing", help="Landing folder [default: ECOMMERCE_LANDING].")
def land(source: Path, day: date | None, split_by: str | None, landing: str | None) -> None:
    """Put flat CSV files into the landing layout, under a date or under the days of their rows.

    An existing file of the same name is replaced: a corrected delivery. Files that no source reads
    are named on standard error, and why.
    """
    from ecommerce_assets.landing.land import land_files, land_split
    from ecommerce_assets.landing.layout import day_of_folder
    from ecommerce_assets.settings import Settings, absolute
    from ecommerce_assets.shop import current_shop

    settings, shop = Settings.from_environment(), current_shop()
    folder = absolute(landing) if landing else settings.landing
    if (day is None) == (split_by is None):
        raise click.UsageError("give either --date or --split-by")
    if day is not None:
        landed, left_out = land_files(source, day, folder, shop.sources)
    else:
        from ecommerce_assets.trial.days import days_of

        landed, left_out = land_split(
            source, str(split_by), folder, shop.sources, partial(days_of, shop)
        )
    for path in landed:
        click.echo(path)
    for other in left_out:
        print(other, file=sys.stderr)
    earliest = min((day_of_folder(path.parent.name) for path in landed), default=None)
    if earliest and earliest < settings.start_date:
        print(
            f"{earliest} is before the first partition, {settings.start_date}: set "
            f"ECOMMERCE_START_DATE={earliest}",
            file=sys.stderr,
        )
