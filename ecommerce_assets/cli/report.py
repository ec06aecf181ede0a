"""`ecommerce report`: what became of the deliveries."""

import click


@click.command()
@click.option("--json", "json_output", is_flag=True, help="JSON instead of tables.")
def report(json_output: bool) -> None:
    """Summarize what became of the landed deliveries.

    What became of each source's rows (for generated deliveries, beside the injected defects), the
    most common reasons for quarantine, and the latest KPIs.
    """
    from ecommerce_assets.query.result import as_json
    from ecommerce_assets.query.summary import print_summary, summary
    from ecommerce_assets.settings import Settings

    settings = Settings.from_environment()
    if json_output:
        click.echo(as_json(summary(settings)))
    else:
        print_summary(settings)
