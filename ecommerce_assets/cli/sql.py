"""`ecommerce sql`: the query of a table, as an engine runs it."""

import click

from ecommerce_assets.cli.options import TableOption


@click.command()
@click.argument("table", type=TableOption())
@click.option(
    "--engine",
    type=click.Choice(["duckdb", "spark"]),
    default="duckdb",
    show_default=True,
    help="In whose SQL; what looks at single rows is computed by DuckDB in any case.",
)
def sql(table: str, engine: str) -> None:
    """Print the query that computes a table.

    \b
    ecommerce sql gold.daily_revenue
    ecommerce sql fact_sales --engine spark
    """
    from ecommerce_assets.tables import table_named
    from ecommerce_assets.tables.queries import shown

    click.echo(shown(table_named(table), engine))
