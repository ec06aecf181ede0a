"""Copying flat files, like the classic data/raw folder, to the landing layout."""

import shutil
from datetime import date
from pathlib import Path

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.landing.layout import ENDINGS, SOURCES, date_folder


def land_files(source: Path, day: date, landing: str) -> list[Path]:
    """Copy each `<table>.csv` or `.csv.gz` of `source` to its folder for `day`; returns the copies.

    Each file is copied under a hidden name and then renamed, so readers never see half a file.

    Raises:
        PipelineError: `source` is not a folder or has no table's file; `landing` is not local.
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
    """A folder's flat files, like `orders.csv`, by table.

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
