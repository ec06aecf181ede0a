"""`ecommerce shop`: drafting and trying a shop file."""

import sys
from pathlib import Path
from typing import Any

import click


@click.group()
def shop() -> None:
    """Draft a shop file from samples, and see what it makes of deliveries."""


@shop.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
def propose(files: tuple[Path, ...]) -> None:
    """Draft a shop file from samples of a shop's exports.

    The draft goes to standard output. What could not be decided is a comment that begins with
    `# ?`.

    \b
    ecommerce shop propose exports/*.csv > shop.toml
    """
    from ecommerce_assets.settings import Settings
    from ecommerce_assets.trial.propose import propose as draft

    click.echo(draft(files, Settings.from_environment().start_date), nl=False)


@shop.command()
@click.option("--landing", help="Landing folder [default: ECOMMERCE_LANDING].")
@click.option("--limit", type=click.IntRange(1), help="Read at most so many rows of each source.")
@click.option("--json", "json_output", is_flag=True, help="JSON instead of tables.")
def check(landing: str | None, limit: int | None, json_output: bool) -> None:
    """Show what the shop file makes of what has landed, without writing a table.

    How many rows each table gets, which go to quarantine and why, values that the vocabulary does
    not know, items whose order no table has, revenue and returns by month. The exit code is 1 if a
    run would not publish a table, or if something is doubtful that the shop file does not answer.
    """
    from ecommerce_assets.query.result import as_json, print_table
    from ecommerce_assets.settings import Settings, absolute
    from ecommerce_assets.trial.check import check as trial

    settings = Settings.from_environment()
    place = absolute(landing) if landing else settings.landing
    found = trial(place, limit, settings.thresholds)
    if json_output:
        click.echo(as_json(vars(found)))
        sys.exit(bool(found.blocked or found.doubtful))
    shown: list[tuple[str, list[dict[str, Any]]]] = [
        ("Rows by table", [{"table": name, **fates} for name, fates in found.tables.items()]),
        ("Reasons for quarantine",
         [{**row, "examples": "\n".join(row["examples"])} for row in found.reasons]),
        ("Values that the vocabulary or a map does not know", found.unknown),
        ("Files by source",
         [{"source": name, "files": files} for name, files in found.files.items()]),
        ("Rows that a condition leaves out", found.not_selected),
        ("Items and orders that do not meet", [found.apart] if any(found.apart.values()) else []),
        ("Revenue and returns by month", found.months),
    ]  # fmt: skip
    for title, rows in shown:
        print_table(title, rows)
    for line in found.doubtful:
        print(f"Doubtful: {line}")
    for line in found.blocked:
        print(f"A run would not publish {line}")
    sys.exit(bool(found.blocked or found.doubtful))


@shop.command()
def schema() -> None:
    """Print the JSON schema of shop files, for editors."""
    from ecommerce_assets.query.result import as_json
    from ecommerce_assets.trial.schema import schema as shop_schema

    click.echo(as_json(shop_schema()))
