"""`ecommerce report`: what the pipeline made of the deliveries."""

import click


@click.command()
def report() -> None:
    """Account for what the pipeline made of the landed deliveries.

    Rows by layer; what was quarantined and why, beside what _manifest.json says was injected
    where the deliveries are generated ones; and the first rows of each KPI.
    """
    from ecommerce_assets.query.account import print_account
    from ecommerce_assets.settings import Settings

    print_account(Settings.from_environment())
