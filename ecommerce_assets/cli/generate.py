"""`ecommerce generate`: deliveries of a fictional shop."""

import sys
from datetime import date, timedelta
from pathlib import Path

import click

from ecommerce_assets.cli.options import DateOption, ShareOption


@click.command()
@click.option(
    "--output",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the tables and _manifest.json.",
)
@click.option("--records", required=True, type=int, help="Orders.")
@click.option(
    "--start-date", type=DateOption(), default="2024-01-01", show_default=True, help="First day."
)
@click.option("--end-date", type=DateOption(), help="Last day, instead of the first one.")
@click.option("--days", type=int, default=30, show_default=True, help="Days of deliveries.")
@click.option("--customers", type=int, help="Customers [default: a fifth of the orders].")
@click.option("--products", type=int, help="Products [default: a fiftieth, 80 to 2000].")
@click.option("--seed", type=int, default=42, show_default=True, help="Same seed, same bytes.")
@click.option("--late", type=ShareOption(), default=0.0, help="Share of rows delivered late.")
@click.option("--duplicates", type=ShareOption(), default=0.0, help="Share delivered twice.")
@click.option("--defects", type=ShareOption(), default=0.0, help="Share with a defect.")
@click.option("--flat", is_flag=True, help="One CSV file per table instead of the landing layout.")
def generate(
    output: Path,
    records: int,
    start_date: date,
    end_date: date | None,
    days: int,
    customers: int | None,
    products: int | None,
    seed: int,
    late: float,
    duplicates: float,
    defects: float,
    flat: bool,
) -> None:
    """Generate a shop's deliveries: CSV files with the defects of real sources.

    _manifest.json beside the tables counts the injected defects by table, date and kind.
    """
    from tqdm import tqdm

    from ecommerce_assets.generator import shop

    options = shop.Options(
        records=records,
        start_date=end_date - timedelta(days=days - 1) if end_date else start_date,
        days=days,
        customers=customers,
        products=products,
        seed=seed,
        late=late,
        duplicates=duplicates,
        defects=defects,
        flat=flat,
    )
    quiet = not sys.stderr.isatty()
    with tqdm(total=records, unit=" orders", unit_scale=True, disable=quiet) as bar:
        manifest = shop.generate(output, options, bar.update)
    click.echo(manifest)
