"""`ecommerce generate`: deliveries of a fictional shop."""

import sys
from datetime import date, timedelta
from pathlib import Path

import click
from click.core import ParameterSource

from ecommerce_assets.cli.options import DateOption, ShareOption


@click.command()
@click.option(
    "--output",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the tables and _manifest.json.",
)
@click.option("--records", type=int, help="Orders.")
@click.option(
    "--more-days", type=int, help="Add so many days to what is there, with the options of before."
)
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
@click.option(
    "--shop",
    default="default",
    show_default=True,
    help="Shipped shop file in whose form to deliver, like shopify.",
)
@click.option("--flat", is_flag=True, help="One CSV file per table instead of the landing layout.")
def generate(
    output: Path,
    records: int | None,
    more_days: int | None,
    start_date: date,
    end_date: date | None,
    days: int,
    customers: int | None,
    products: int | None,
    seed: int,
    late: float,
    duplicates: float,
    defects: float,
    shop: str,
    flat: bool,
) -> None:
    """Generate a shop's deliveries: CSV files with the defects of real sources.

    _manifest.json beside the tables counts the injected defects by table, date and kind.
    """
    from tqdm import tqdm

    from ecommerce_assets.generator.shop import Options, continued
    from ecommerce_assets.generator.shop import generate as write

    quiet = not sys.stderr.isatty()
    if more_days is not None:
        _must_be_alone()
        with tqdm(unit=" orders", unit_scale=True, disable=quiet) as bar:
            click.echo(continued(output, more_days, bar.update))
        return
    if records is None:
        raise click.UsageError("Missing option '--records', or '--more-days' to go on.")
    options = Options(
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
        shop=shop,
    )
    with tqdm(total=records, unit=" orders", unit_scale=True, disable=quiet) as bar:
        manifest = write(output, options, bar.update)
    click.echo(manifest)


def _must_be_alone() -> None:
    """Refuse options beside --more-days, which takes those of before."""
    context = click.get_current_context()
    beside = [
        f"--{name.replace('_', '-')}"
        for name in context.params
        if name not in ("output", "more_days")
        and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    if beside:
        raise click.UsageError(
            f"--more-days takes the options of before, not {', '.join(sorted(beside))}"
        )
