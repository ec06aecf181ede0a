"""`ecommerce docs`: the data dictionary."""

from pathlib import Path

import click


@click.command()
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write instead of standard output.",
)
def docs(output: Path | None) -> None:
    """Write the data dictionary, one Markdown page built from the tables' declarations.

    \b
    ecommerce docs --output ecommerce_assets/tables/README.md
    """
    from ecommerce_assets.docs.dictionary import dictionary

    if output is None:
        click.echo(dictionary(), nl=False)
    else:
        output.write_text(dictionary(), encoding="utf-8")
