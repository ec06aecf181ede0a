"""`ecommerce`: the command group, with exit codes and error messages for all commands.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted. Results go to standard output,
everything else to standard error. Commands are imported lazily, so that `--help` answers at once.
"""

import os
import sys
from importlib import import_module
from pathlib import Path

import click

from ecommerce_assets.errors import SHOWN_AS, PipelineError, did_you_mean, machine_fault
from ecommerce_assets.garbage import collect_seldom

INTERRUPTED = 130

COMMANDS = {
    "generate": "Generate a shop's deliveries: CSV files with the defects of real sources.",
    "shop": "Draft a shop file from samples, and see what it makes of deliveries.",
    "land": "Put flat CSV files into the landing layout, under a date or by their days.",
    "run": "Materialize tables through Dagster, without a server.",
    "query": "Query the tables with SQL.",
    "sql": "Print the query that computes a table.",
    "trace": "Show the rows behind a figure, down to each record's file and row.",
    "history": "List the published snapshots of a table.",
    "dashboard": "Build the dashboard, and open it.",
    "maintain": "Compact small files, expire old snapshots, remove lost files.",
    "rebuild": "Rebuild the lakehouse from its deliveries, after a disaster or as a drill.",
    "upload": "Upload deliveries to S3.",
    "package": "Build the job code for Glue, and publish it.",
    "docs": "Write the data dictionary.",
    "report": "Summarize what became of the landed deliveries.",
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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"No such command {args[0]!r}.{did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ecommerce_assets")
def ecommerce() -> None:
    """Turn a shop's daily CSV deliveries into trusted bronze, silver and gold tables."""


def main() -> None:
    """The console script: errors that a user can mend are one line and exit code 1.

    So are faults of the machine, like a full disk; faults of the code keep their traceback. As in
    Dagster's commands, a file `.env` in this folder sets variables missing in the environment.
    """
    collect_seldom()
    if Path(".env").is_file():
        from dotenv import load_dotenv

        load_dotenv(".env")
    try:
        ecommerce.main(standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted. Published tables stay; run it again to continue.", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader has closed the pipe, like `head`. Keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except PipelineError as error:
        click.echo(f"{SHOWN_AS}{error}", err=True)
        sys.exit(1)
    except Exception as error:
        fault = machine_fault(error)
        if fault is None:
            raise
        click.echo(f"{SHOWN_AS}{fault}", err=True)
        sys.exit(1)
