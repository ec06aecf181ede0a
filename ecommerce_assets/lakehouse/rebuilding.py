"""A local lakehouse that is being rebuilt, and one that has to be."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from ecommerce_assets.errors import PipelineError
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


def why_broken(lakehouse: str, tables: Iterable[str]) -> str:
    """Why a lakehouse can't be read; empty if it can, or if there is none.

    Raises:
        PipelineError: it can't be looked at.
    """
    try:
        lost_files(lakehouse, tables)
    except Broken as error:
        return str(error)
    return ""


def lost_files(lakehouse: str, tables: Iterable[str]) -> list[str]:
    """A line about each of these tables that has lost data files, which a run mends.

    Raises:
        PipelineError, Broken: it can't be looked at.
    """
    return [described(bad) for bad in damaged(metadata_files(lakehouse), tables).values()]


def put_aside(lakehouse: str) -> Path:
    """Rename a lakehouse, so that nothing of it is lost; returns where it is.

    Raises:
        PipelineError: it can't be renamed.
    """
    folder = Path(lakehouse)
    aside = folder.with_name(f"{folder.name}-broken-{datetime.now(UTC):%Y%m%dT%H%M%S}")
    try:
        return folder.rename(aside)
    except OSError as error:
        raise PipelineError(f"{folder} can't be put aside as {aside}: {error.strerror}") from error
