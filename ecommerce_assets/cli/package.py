"""`ecommerce package`: builds the job code for Glue."""

from pathlib import Path

import click


@click.command()
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("dist"),
    show_default=True,
    help="Folder for the release.",
)
@click.option("--publish", is_flag=True, help="Upload it to ECOMMERCE_ARTIFACTS.")
def package(output: Path, publish: bool) -> None:
    """Build a release: the job code, the packages that Glue lacks, the entry scripts.

    Its key is a digest of its content, so a published release never changes.
    """
    from ecommerce_assets.aws import release as releases
    from ecommerce_assets.errors import PipelineError
    from ecommerce_assets.settings import Settings

    release = releases.this_release()
    settings = Settings.from_environment()
    if publish and not settings.artifacts:
        raise PipelineError("--publish needs ECOMMERCE_ARTIFACTS, like s3://bucket")
    folder = output / release.id
    for path in releases.build(release, folder):
        click.echo(f"{path.stat().st_size:>12,} bytes  {path.name}", err=True)
    if publish:
        if not releases.publish(release, folder, settings.artifacts):
            click.echo(f"Release {release.id} is published already, as built here", err=True)
        click.echo(release.location(settings.artifacts))
    else:
        click.echo(folder)
