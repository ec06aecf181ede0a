"""`ecommerce history`: the published states of a table."""

import click


@click.command()
@click.argument("table")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True)
def history(table: str, limit: int) -> None:
    """List the published states of TABLE, like gold.daily_revenue, the newest first.

    The time or the state of a row goes to `ecommerce query --as-of`.
    """
    import pyarrow as pa

    from ecommerce_assets.query.history import published_states
    from ecommerce_assets.query.result import arrow_as_table
    from ecommerce_assets.settings import Settings

    states = published_states(Settings.from_environment().lakehouse, table)
    click.echo(arrow_as_table(pa.Table.from_pylist(states[:limit])))
