"""`ecommerce maintain`: compaction, expiry and lost files, table by table."""

import click


@click.command()
def maintain() -> None:
    """Compact small files, expire old states, remove lost files. No row changes.

    States of the last 7 days stay for time travel, and those that another table was made from stay
    for 90 days. Runs may go on meanwhile.
    """
    click.echo("Starting Spark ...", err=True)
    from ecommerce_assets.jobs.maintenance import maintain_lakehouse
    from ecommerce_assets.settings import Settings

    settings = Settings.from_environment()
    for table, done in maintain_lakehouse(settings.lakehouse, settings.landing):
        figures = [f"{name.replace('_', ' ')} {n:,}" for name, n in done.metadata().items()]
        click.echo(f"{table.identifier:<32} {', '.join(figures)}")
