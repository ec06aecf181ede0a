"""Putting flat files, like the classic data/raw folder, into the landing layout."""

import shutil
from datetime import date
from pathlib import Path

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.landing.layout import ENDINGS, SOURCES, date_folder


def land_files(source: Path, day: date, landing: str) -> list[Path]:
    """Copy each `<table>.csv` or `.csv.gz` of `source` to its folder for `day`; returns the copies.

    A reader never sees half a file: each is copied beside its place under a name that is not
    read, and then renamed.

    Raises:
        PipelineError: `source` is no folder or holds none of the tables; `landing` is not local.
    """
    if "://" in landing:
        raise PipelineError(
            f"{landing} is not a local folder: `ecommerce land` copies files locally"
        )
    found = flat_deliveries(source)
    if not found:
        expected = ", ".join(f"{table}.csv" for table in SOURCES)
        raise PipelineError(f"{source} has none of {expected}")
    landed = []
    for table, file in found:
        folder = Path(landing) / table / date_folder(day)
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{file.name}.part"
        shutil.copyfile(file, part)
        landed.append(part.replace(folder / file.name))
    return landed


def flat_deliveries(source: Path) -> list[tuple[str, Path]]:
    """The flat files of a folder, like `orders.csv`, with their tables.

    Raises:
        PipelineError: there is no such folder.
    """
    if not source.is_dir():
        raise PipelineError(f"no folder {source}: --source is where the CSV files are")
    return [
        (table, source / f"{table}{ending}")
        for table in SOURCES
        for ending in ENDINGS
        if (source / f"{table}{ending}").is_file()
    ]
