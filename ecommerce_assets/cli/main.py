"""`ecommerce`: the command group, and what every command shares: exit codes and error lines.

Exit codes: 0 done, 1 failed, 2 wrong usage. Results go to standard output, all else to standard
error. A command's module is imported when it is called, so that `--help` answers at once.
"""

import sys
from importlib import import_module
from pathlib import Path

import click

from ecommerce_assets.errors import PipelineError

COMMANDS = {
    "generate": "Write a shop's deliveries: CSV files with what real sources get wrong.",
    "land": "Put flat CSV files into the landing layout, under a date.",
    "run": "Materialize tables through Dagster, without a server.",
    "query": "Query the tables with SQL.",
    "trace": "Show the rows behind a figure, down to each record's file and row.",
    "history": "List the published states of a table.",
    "dashboard": "Make the dashboard, and open it.",
    "maintain": "Compact small files, expire old states, remove lost files.",
    "upload": "Upload deliveries to S3.",
    "package": "Build the job code for Glue, and publish it.",
    "docs": "Write the data dictionary.",
    "report": "Account for what the pipeline made of the landed deliveries.",
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"ecommerce_assets.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ecommerce_assets")
def ecommerce() -> None:
    """From a shop's daily CSV deliveries to trusted bronze, silver and gold tables."""


def main() -> None:
    """The console script: an error for the user is one line and exit code 1.

    Settings in a file `.env` of this folder count, as for Dagster's own commands, where the
    environment has none.
    """
    if Path(".env").is_file():
        from dotenv import load_dotenv

        load_dotenv(".env")
    try:
        ecommerce()
    except PipelineError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
