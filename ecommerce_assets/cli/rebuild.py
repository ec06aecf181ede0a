"""`ecommerce rebuild`: the lakehouse from its deliveries alone, after a disaster or as a drill."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ecommerce_assets.errors import PipelineError


@click.command()
@click.option(
    "--from",
    "source",
    type=click.Choice(["landing"]),
    required=True,
    help="What to rebuild from: the deliveries in landing.",
)
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the rebuilt lakehouse [default: the lakehouse if it is empty, else beside it].",
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but the comparison and errors.")
@click.option("--json", "json_output", is_flag=True, help="Print the comparison as JSON.")
def rebuild(source: str, into: Path | None, quiet: bool, json_output: bool) -> None:
    """Rebuild every table from all that has landed, in an empty lakehouse.

    If there is a lakehouse in service, the rebuilt one is beside it, and compared with it table by
    table: exit code 1 if they differ. If there is none, this brings it back; if it is broken, or
    has lost files, it is put aside first. A rebuild that was stopped is continued by the same
    command. On AWS, an environment whose databases are empty is brought back.
    """
    from ecommerce_assets.cli.execution import execute
    from ecommerce_assets.lakehouse.rebuilding import mark, unmark
    from ecommerce_assets.query.result import as_json, print_table
    from ecommerce_assets.settings import Settings

    settings = Settings.from_environment()
    target, in_service = _target(settings, into)
    beside = target != settings.lakehouse
    if not quiet:
        click.echo(f"Rebuilding {target} from {settings.landing} ...", err=True)
    if not settings.on_aws:
        mark(target)
    execute(
        replace(settings, lakehouse=target),
        "group:bronze or group:silver or group:gold",
        None,
        None,
        full_refresh=False,
        quiet=quiet,
        recorded=not beside,  # Dagster's history is that of the lakehouse in service
    )
    if not settings.on_aws:
        unmark(target)
    if not (beside and in_service):
        return
    from ecommerce_assets.query.compare import compare

    compared = compare(settings.lakehouse, target)
    rows: list[dict[str, Any]] = [
        {
            "table": one.table,
            "in_service": one.rows,
            "rebuilt": one.other_rows,
            "only_in_service": one.only_here,
            "only_rebuilt": one.only_there,
        }
        for one in compared
    ]
    if json_output:
        click.echo(as_json(rows))
    else:
        print_table("The lakehouse in service, and the rebuilt one", rows)
    different = [one.table for one in compared if not one.equal]
    if different:
        raise PipelineError(
            f"{len(different)} of {len(compared)} tables differ: {', '.join(different)}. A table "
            "that has not been run since something landed or the code changed differs rightly: "
            f"`ecommerce run`, then rebuild again. The rebuilt lakehouse is {target}"
        )
    if not quiet:
        click.echo(f"All {len(compared)} tables are equal. Remove {target} if you like.", err=True)


def _target(settings: Any, into: Path | None) -> tuple[str, bool]:
    """Where to rebuild, and whether there is a lakehouse in service to compare with.

    A broken lakehouse is put aside.

    Raises:
        PipelineError: there is a lakehouse already, or it can't be looked at.
    """
    from ecommerce_assets.lakehouse.local_catalog import CATALOG_FILE
    from ecommerce_assets.lakehouse.rebuilding import is_marked, put_aside, why_broken
    from ecommerce_assets.query.history import has_tables
    from ecommerce_assets.settings import absolute

    own = str(settings.lakehouse)
    if settings.on_aws:
        in_service = has_tables(own, settings.environment)
        if into or in_service:
            raise PipelineError(
                f"there are tables in {own}, and on AWS only an empty environment "
                "is rebuilt: see `Bring it back` in the documentation"
                if in_service
                else "--into is for a local lakehouse; on AWS the environment of the settings is "
                "rebuilt"
            )
        return own, False
    if is_marked(own):
        in_service = False  # A rebuild of it was stopped.
    elif why := why_broken(own):
        click.echo(f"{why}\nIt is put aside as {put_aside(own)}", err=True)
        in_service = False
    else:
        in_service = has_tables(own)
    default = f"{own}-rebuilt" if in_service else own
    target = absolute(str(into)) if into else default
    is_another = (Path(target) / CATALOG_FILE).exists() and not is_marked(target)
    if is_another and (in_service or target != own):
        raise PipelineError(f"{target} is a lakehouse already: remove it, or choose another --into")
    return target, in_service
