"""`ecommerce report`: what the pipeline made of the deliveries."""

import click


@click.command()
@click.option("--json", "json_output", is_flag=True, help="JSON instead of tables.")
def report(json_output: bool) -> None:
    """Account for what the pipeline made of the landed deliveries.

    What became of each source's rows, beside what _manifest.json says was injected where the
    deliveries are generated ones; the most common reasons for quarantine; and the latest KPIs.
    """
    from ecommerce_assets.query.account import account, print_account
    from ecommerce_assets.query.result import as_json
    from ecommerce_assets.settings import Settings

    settings = Settings.from_environment()
    if json_output:
        click.echo(as_json(account(settings)))
    else:
        print_account(settings)
