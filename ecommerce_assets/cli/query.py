"""`ecommerce query`: SQL over the tables."""

from datetime import datetime
from pathlib import Path

import click

from ecommerce_assets.cli.options import AsOfOption

FORMATS = ("table", "csv", "json", "parquet")


@click.command()
@click.argument("sql")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write instead of standard output.",
)
@click.option(
    "--as-of",
    type=AsOfOption(),
    help="Query the tables as of a time (UTC) or a snapshot of `ecommerce history`.",
)
def query(sql: str, form: str, output: Path | None, as_of: datetime | int | None) -> None:
    """Query the tables, named layer.table, with SQL: DuckDB's locally, Athena's on AWS.

    \b
    ecommerce query "select * from gold.daily_revenue order by order_date"
    ecommerce query "select * from silver.orders_quarantine" --format csv --output bad.csv
    """
    if form == "parquet" and output is None:
        raise click.UsageError("--format parquet needs --output")
    from ecommerce_assets.query.result import write_result
    from ecommerce_assets.settings import Settings

    write_result(Settings.from_environment(), sql, form, output, as_of)
