"""`ecommerce dashboard`: the dashboard, built and opened."""

import click


@click.command()
@click.option(
    "--open/--no-open", "opened", default=True, show_default=True, help="Open it in the browser."
)
def dashboard(opened: bool) -> None:
    """Build the dashboard from the published tables, and open it.

    One HTML file that needs no network; its address is printed to standard output. On AWS, a link
    that is valid for at most seven days.
    """
    from ecommerce_assets.dashboard.build import build_dashboard
    from ecommerce_assets.settings import Settings

    built = build_dashboard(Settings.from_environment())
    days = "unchanged" if built.days is None else f"{built.days:,} days of sales"
    summary = f"{days}, {built.size / 1e6:.1f} MB, {built.seconds:.1f} s"
    click.echo(f"{built.location}: {summary}", err=True)
    click.echo(built.link)
    if opened:
        click.launch(built.link)
