"""Copying flat files, like the classic data/raw folder, to the landing layout."""

import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.landing.layout import date_folder
from ecommerce_assets.landing.source import ENDINGS, Source

NAMED = 10


def land_files(folder: Path, day: date, landing: str, sources: Sequence[Source]) -> list[Path]:
    """Copy the sources' flat files in `folder` to their folders for `day`; returns the copies.

    Each file is copied under a hidden name and then renamed, so readers never see half a file.

    Raises:
        PipelineError: `folder` is none or has no source's file; `landing` is not local.
    """
    if "://" in landing:
        raise PipelineError(
            f"{landing} is not a local folder: `ecommerce land` copies files locally"
        )
    found = flat_deliveries(folder, sources)
    if not found:
        there = sorted(file.name for file in folder.iterdir() if file.is_file())
        raise PipelineError(
            f"{folder} has none of {', '.join(map(flat_name, sources))}; it has "
            f"{', '.join(there[:NAMED]) or 'no file'}. Rename them, or say in the shop file how "
            "they are called (`files` of the source)"
        )
    landed = []
    for source, file in found:
        target = Path(landing) / source.folder / date_folder(day)
        target.mkdir(parents=True, exist_ok=True)
        part = target / f".{file.name}.part"
        shutil.copyfile(file, part)
        landed.append(part.replace(target / file.name))
    return landed


def flat_deliveries(folder: Path, sources: Sequence[Source]) -> list[tuple[Source, Path]]:
    """A folder's flat files by source: `orders.csv`, or what the source's pattern says.

    Raises:
        PipelineError: there is no such folder.
    """
    if not folder.is_dir():
        raise PipelineError(f"no folder {folder}: --source is where the CSV files are")
    files = sorted(file for file in folder.iterdir() if file.is_file())
    return [(source, file) for source in sources for file in files if _is_flat(source, file.name)]


def flat_name(source: Source) -> str:
    """The name of a source's flat file, for people."""
    return source.pattern or f"{source.name}{ENDINGS[0]}"


def _is_flat(source: Source, file: str) -> bool:
    if source.pattern:
        return source.reads(file)
    return file in {f"{source.name}{ending}" for ending in ENDINGS}
