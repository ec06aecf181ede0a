"""`ecommerce upload`: deliveries to S3."""

from collections import Counter
from datetime import date
from pathlib import Path

import click

from ecommerce_assets.cli.options import DateOption


@click.command()
@click.option("--bucket", help="Bucket [default: that of ECOMMERCE_LANDING].")
@click.option(
    "--source",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder in the landing layout, or with flat files like orders.csv.",
)
@click.option("--date", "day", type=DateOption(), help="Ingestion date of flat files.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
def upload(bucket: str | None, source: Path, day: date | None, dry_run: bool) -> None:
    """Upload deliveries to S3.

    Unchanged files are skipped, so after an error just run it again.
    """
    from tqdm import tqdm

    from ecommerce_assets.aws.upload import find_uploads, upload_all
    from ecommerce_assets.deployment import deployment
    from ecommerce_assets.errors import PipelineError
    from ecommerce_assets.settings import Settings, is_s3
    from ecommerce_assets.shop import current_shop

    location = Settings.from_environment().landing
    if bucket:
        location = f"s3://{bucket}/{deployment().storage['landing']}"
    if not is_s3(location):
        raise PipelineError("--bucket is missing, and ECOMMERCE_LANDING is no s3:// location")
    uploads = find_uploads(source, location, day, current_shop().sources)
    counts: Counter[str] = Counter()
    failed = []
    with tqdm(total=len(uploads), unit="file", disable=None) as bar:
        for done in upload_all(uploads, location, dry_run=dry_run):
            counts[done.outcome] += 1
            bar.update()
            if done.outcome == "failed":
                failed.append(f"{done.upload.file}: {done.reason}")
            elif dry_run and done.outcome != "unchanged":
                click.echo(f"{done.outcome} {done.upload.file} to {done.upload.key}")
    summary = ", ".join(f"{outcome} {number:,}" for outcome, number in sorted(counts.items()))
    click.echo(f"{location}: {summary}", err=True)
    if failed:
        shown = "\n".join(failed[:5])
        raise PipelineError(
            f"{len(failed):,} of {len(uploads):,} files were not uploaded; run it again for these:"
            f"\n{shown}"
        )
