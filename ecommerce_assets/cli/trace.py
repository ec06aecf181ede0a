"""`ecommerce trace`: from a figure to the records behind it."""

import click

from ecommerce_assets.cli.options import TableOption


@click.command()
@click.option(
    "--table",
    type=TableOption(),
    required=True,
    help="Table, like daily_revenue or silver.orders.",
)
@click.option(
    "--key", required=True, help="Its key, or its natural key; several columns separated by commas."
)
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True)
@click.option("--json", "json_output", is_flag=True, help="JSON instead of tables.")
@click.option("--show-personal", is_flag=True, help="Names and addresses as well, in place of •••.")
def trace(table: str, key: str, limit: int, json_output: bool, show_personal: bool) -> None:
    """Show the rows behind a row, down to the file and row of each delivered record.

    \b
    ecommerce trace --table daily_revenue --key 2026-11-24
    ecommerce trace --table customer_lifetime_value --key C0000042
    ecommerce trace --table category_performance --key books,2026-11-01
    """
    from ecommerce_assets.query.result import print_trace
    from ecommerce_assets.settings import Settings

    print_trace(
        Settings.from_environment(),
        table,
        key,
        limit,
        json_output=json_output,
        personal=show_personal,
    )
