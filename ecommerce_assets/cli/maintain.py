"""`ecommerce maintain`: compaction, expiry and lost files, table by table."""

import click


@click.command()
def maintain() -> None:
    """Compact small files, expire old snapshots, remove lost files. No row changes.

    Snapshots of the last 7 days stay for time travel, and those that another table was built from
    stay for 90 days. Runs may continue meanwhile.
    """
    from ecommerce_assets.settings import Settings

    settings = Settings.from_environment()
    if settings.on_aws:
        click.echo("Starting the maintenance job ...", err=True)
    from ecommerce_assets.cli.execution import execute_maintenance

    for table, done in execute_maintenance(settings).items():
        figures = [f"{name.replace('_', ' ')} {n:,}" for name, n in done.items()]
        click.echo(f"{table:<32} {', '.join(figures)}")
