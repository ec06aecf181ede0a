"""A local lakehouse that is being rebuilt, and one that has to be."""

from datetime import UTC, datetime
from pathlib import Path

from ecommerce_assets.lakehouse.data_files import damaged, described
from ecommerce_assets.lakehouse.local_catalog import Broken, metadata_files

MARK = ".rebuilding"


def mark(lakehouse: str) -> None:
    """Mark a lakehouse as not yet rebuilt, until `unmark`."""
    Path(lakehouse).mkdir(parents=True, exist_ok=True)
    (Path(lakehouse) / MARK).touch()


def unmark(lakehouse: str) -> None:
    """Mark a lakehouse as rebuilt."""
    (Path(lakehouse) / MARK).unlink(missing_ok=True)


def is_marked(lakehouse: str) -> bool:
    """Whether a rebuild of it was begun, and has not ended."""
    return (Path(lakehouse) / MARK).exists()


def why_broken(lakehouse: str) -> str:
    """Why a lakehouse can't stay as it is; empty if it can, or if there is none.

    Raises:
        PipelineError: it can't be looked at.
    """
    try:
        files = metadata_files(lakehouse)
        bad = damaged(files, files)
    except Broken as error:
        return str(error)
    return "\n".join(map(described, bad.values()))


def put_aside(lakehouse: str) -> Path:
    """Rename a lakehouse, so that nothing of it is lost; returns where it is."""
    folder = Path(lakehouse)
    aside = folder.with_name(f"{folder.name}-broken-{datetime.now(UTC):%Y%m%dT%H%M%S}")
    return folder.rename(aside)
