"""`ecommerce run`: materializes tables through Dagster, without a server."""

from contextlib import nullcontext
from datetime import date

import click

from ecommerce_assets.cli.options import LAYERS, DateOption, TableOption


@click.command()
@click.option(
    "--layer",
    type=click.Choice(LAYERS),
    help="Only the tables of this layer.",
)
@click.option(
    "--select",
    type=TableOption(),
    help="Tables, like gold.daily_revenue,silver.orders, or a Dagster selection.",
)
@click.option(
    "--from",
    "first",
    type=DateOption(),
    help="First ingestion date [default: the first one landed].",
)
@click.option(
    "--to",
    "last",
    type=DateOption(),
    help="Last ingestion date [default: --from, else the last one landed].",
)
@click.option(
    "--full-refresh",
    is_flag=True,
    help="Recompute the tables as a whole instead of updating them.",
)
@click.option(
    "--allow-removal",
    is_flag=True,
    help="Give up rows whose deliveries are gone from landing, and many rows at once.",
)
@click.option(
    "--allow-empty",
    is_flag=True,
    help="Run dates before the first delivery, or after the last, as empty ones.",
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("-v", "--verbose", is_flag=True, help="Show Dagster's log of the run, too.")
@click.option(
    "--json",
    "json_output",
    is_flag=True,
    help="Print the outcome as JSON.",
)
def run(
    layer: str | None,
    select: str | None,
    first: date | None,
    last: date | None,
    full_refresh: bool,
    allow_removal: bool,
    allow_empty: bool,
    quiet: bool,
    verbose: bool,
    json_output: bool,
) -> None:
    """Materialize tables through Dagster, without a server.

    Without options: every table, for every date that has landed, in one run. Dagster's history has
    the run in DAGSTER_HOME; without that, in `.dagster` of a folder with a dagster.yaml, where
    `dagster dev` shows it.

    \b
    ecommerce run --from yesterday
    ecommerce run --select silver.orders,gold.fact_sales --from 2026-11-01 --to 2026-11-07
    """
    if layer and select:
        raise click.UsageError("--layer and --select exclude each other")
    if quiet and verbose:
        raise click.UsageError("-q and -v exclude each other")
    if last and not first:
        raise click.UsageError("--to needs --from")
    if first and last and last < first:
        raise click.UsageError(f"--to {last} is before --from {first}")
    from ecommerce_assets.cli.progress import waiting
    from ecommerce_assets.lakehouse.rebuilding import unmark
    from ecommerce_assets.settings import Settings

    settings = Settings.from_environment()
    with nullcontext() if quiet else waiting("Loading the tables"):
        from ecommerce_assets.cli.execution import execute
        from ecommerce_assets.query.result import as_json

    selection = f"group:{layer}" if layer else select
    execute(
        settings,
        selection,
        first,
        last,
        full_refresh=full_refresh,
        allow_removal=allow_removal,
        allow_empty=allow_empty,
        quiet=quiet,
        verbose=verbose,
        finished=lambda tables: click.echo(as_json(tables)) if json_output else None,
    )
    if not settings.on_aws and selection is None and first is None:
        unmark(settings.lakehouse)  # All is there now, even if its rebuild was stopped.
