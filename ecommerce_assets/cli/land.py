"""`ecommerce land`: copies flat CSV files to the landing layout."""

from datetime import date
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
@click.option("--date", "day", required=True, type=DateOption(), help="Ingestion date.")
@click.option("--landing", help="Landing folder [default: ECOMMERCE_LANDING].")
def land(source: Path, day: date, landing: str | None) -> None:
    """Copy flat CSV files to the landing layout, under a date.

    An existing file of the same name is replaced: a corrected delivery.
    """
    from ecommerce_assets.landing.land import land_files
    from ecommerce_assets.settings import Settings, absolute
    from ecommerce_assets.shop import current_shop

    folder = absolute(landing) if landing else Settings.from_environment().landing
    for path in land_files(source, day, folder, current_shop().sources):
        click.echo(path)
