"""`ecommerce history`: the published snapshots of a table."""

import click

from ecommerce_assets.cli.options import TableOption


@click.command()
@click.argument("table", type=TableOption())
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True)
@click.option("--json", "json_output", is_flag=True, help="JSON instead of a table.")
def history(table: str, limit: int, json_output: bool) -> None:
    """List the published snapshots of TABLE, like gold.daily_revenue, newest first.

    Pass the time or the snapshot of a row to `ecommerce query --as-of`.
    """
    from ecommerce_assets.query.history import published_snapshots
    from ecommerce_assets.query.result import as_json, print_table
    from ecommerce_assets.settings import Settings

    settings = Settings.from_environment()
    snapshots = published_snapshots(settings.lakehouse, table, settings.environment)[:limit]
    if json_output:
        click.echo(as_json(snapshots))
    else:
        print_table(f"Published snapshots of {table}, the newest first", snapshots)
