"""`ecommerce dashboard`: the dashboard, built and opened."""

import click


@click.command()
@click.option(
    "--open/--no-open", "opened", default=True, show_default=True, help="Open it in the browser."
)
@click.option(
    "--link", "only_link", is_flag=True, help="Link to the last dashboard, without building one."
)
def dashboard(opened: bool, only_link: bool) -> None:
    """Build the dashboard from the published tables, and open it.

    One HTML file that needs no network; its address is printed to standard output. On AWS, a link
    that is valid for at most seven days, and no longer than the credentials that you have now.
    """
    from ecommerce_assets.dashboard.build import build_dashboard, link_to
    from ecommerce_assets.settings import Settings

    settings = Settings.from_environment()
    if not only_link:
        built = build_dashboard(settings)
        days = "unchanged" if built.days is None else f"{built.days:,} days of sales"
        summary = f"{days}, {built.size / 1e6:.1f} MB, {built.seconds:.1f} s"
        click.echo(f"{built.location}: {summary}", err=True)
    link = link_to(settings.dashboard)
    click.echo(link)
    if opened:
        click.launch(link)
