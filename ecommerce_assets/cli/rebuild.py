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
    table: exit code 1 if they differ. If there is none, this brings it back; one that is broken is
    put aside first, and one that has lost data files is mended. A rebuild that was stopped is
    continued by the same command. On AWS, an environment whose databases are empty is brought back.
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

    A broken lakehouse is put aside; one that has only lost data files is mended by the run.

    Raises:
        PipelineError: there is a lakehouse already, it can't be looked at, or nothing has landed.
    """
    from ecommerce_assets.cli.dates import landed_days
    from ecommerce_assets.lakehouse.local_catalog import CATALOG_FILE
    from ecommerce_assets.lakehouse.rebuilding import is_marked, lost_files, put_aside, why_broken
    from ecommerce_assets.query.history import has_tables
    from ecommerce_assets.settings import absolute
    from ecommerce_assets.tables import all_tables

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
    if not landed_days(settings):
        raise PipelineError(f"nothing has landed in {settings.landing} to rebuild from")
    if why := why_broken(own, all_tables()):
        click.echo(f"{why}\nIt is put aside as {put_aside(own)}", err=True)
    lost = lost_files(own, all_tables())
    for line in lost:
        click.echo(f"{line}: the table is mended where it is", err=True)
    # One whose rebuild was stopped is continued.
    in_service = not lost and not is_marked(own) and has_tables(own)
    default = f"{own}-rebuilt" if in_service else own
    target = absolute(str(into)) if into else default
    is_another = (Path(target) / CATALOG_FILE).exists() and not is_marked(target)
    if is_another and (in_service or target != own):
        raise PipelineError(f"{target} is a lakehouse already: remove it, or choose another --into")
    return target, in_service
