"""Putting flat files, like those of the classic data/raw folder, into the landing layout."""

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ecommerce_assets.errors import PipelineError, did_you_mean
from ecommerce_assets.landing.layout import date_folder
from ecommerce_assets.landing.source import ENDINGS, Source
from ecommerce_assets.landing.split import Split
from ecommerce_assets.landing.store import HIDDEN

NAMED = 10


@dataclass(frozen=True)
class LeftOut:
    """A flat file that is not landed.

    Attributes:
        file: its name.
        why: the reason, and the remedy.
    """

    file: str
    why: str

    def __str__(self) -> str:
        return f"{self.file} is left out: {self.why}"


def land_files(
    folder: Path, day: date, landing: str, sources: Sequence[Source]
) -> tuple[list[Path], list[LeftOut]]:
    """Copy the sources' flat files in `folder` to their folders for `day`.

    Each file is copied under a hidden name and then renamed, so readers never see half a file.

    Returns:
        The copies, and what is left out.

    Raises:
        PipelineError: `folder` is none or has no source's file; `landing` is not local.
    """
    found, left_out = _found(folder, landing, sources)
    landed = []
    for source, file in found:
        target = Path(landing) / source.folder / date_folder(day)
        target.mkdir(parents=True, exist_ok=True)
        name = landed_name(source, file.name)
        part = target / f".{name}.part"
        shutil.copyfile(file, part)
        landed.append(part.replace(target / name))
    return landed, left_out


def land_split(
    folder: Path,
    column: str,
    landing: str,
    sources: Sequence[Source],
    days: Callable[[Source, Sequence[str]], Sequence[date | None]],
) -> tuple[list[Path], list[LeftOut]]:
    """Split the flat files that have a column by its day, each day's rows to the day's folder.

    Args:
        folder: where the files are.
        column: a name in the header.
        landing: a local folder.
        sources: those of the shop.
        days: returns the days of texts of a source; None for what is no time.

    Returns:
        The files written, and what is left out.

    Raises:
        PipelineError: as `land_files`; or no file has the column, a row has no day, or landing has
            the file under other days; then nothing is landed.
    """
    found, left_out = _found(folder, landing, sources)
    with_column = [(source, file) for source, file in found if column in source.columns]
    left_out += [
        LeftOut(file.name, f"{source.name} has no column {column!r}; land it with --date")
        for source, file in found
        if column not in source.columns
    ]
    if not with_column:
        known = [name for source, _ in found for name in source.columns]
        raise PipelineError(f"no file has the column {column!r}.{did_you_mean(column, known)}")
    plans = [
        Split.plan(source, file, landed_name(source, file.name), column, landing, days)
        for source, file in with_column
    ]
    left_out += [LeftOut(plan.file.name, "it has no record") for plan in plans if not plan.days]
    return [path for plan in plans for path in plan.write()], left_out


def _found(
    folder: Path, landing: str, sources: Sequence[Source]
) -> tuple[list[tuple[Source, Path]], list[LeftOut]]:
    if "://" in landing:
        raise PipelineError(
            f"{landing} is not a local folder: `ecommerce land` copies files locally"
        )
    found = flat_deliveries(folder, sources)
    must_be_apart(found)
    taken = {file for _, file in found}
    others = sorted(file.name for file in folder.iterdir() if file.is_file() and file not in taken)
    if not found:
        raise PipelineError(
            f"{folder} has none of {', '.join(map(flat_name, sources))}; it has "
            f"{', '.join(others[:NAMED]) or 'no file'}. Rename them, or say in the shop file how "
            "they are called (`files` of the source)"
        )
    shown = [name for name in others if not name.startswith(HIDDEN)]
    return found, [LeftOut(name, _why_left_out(name, sources)) for name in shown]


def must_be_apart(found: Sequence[tuple[Source, Path]]) -> None:
    """Check that no two files would be one in landing.

    Raises:
        PipelineError: two would.
    """
    targets: dict[tuple[str, str], Path] = {}
    for source, file in found:
        target = source.folder, landed_name(source, file.name)
        other = targets.setdefault(target, file)
        if other != file:
            raise PipelineError(
                f"{other.name} and {file.name} would both be {'/'.join(target)}: rename one"
            )


def _why_left_out(name: str, sources: Sequence[Source]) -> str:
    if not name.lower().endswith(ENDINGS) and not any(source.pattern for source in sources):
        return f"its name does not end in {' or '.join(ENDINGS)}"
    names = [flat_name(source) for source in sources]
    return f"no source is called like it.{did_you_mean(name, names)}"


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


def landed_name(source: Source, file: str) -> str:
    """The name of a flat file in landing: its own, the ending in the letter case that is read."""
    ending = _ending(file)
    return file if source.reads(file) else file[: -len(ending)] + ending.lower()


def _ending(file: str) -> str:
    """The part of a name that says that it is a CSV file; empty if nothing does."""
    known = sorted(ENDINGS, key=len, reverse=True)
    ending = next((ending for ending in known if file.lower().endswith(ending)), "")
    return file[len(file) - len(ending) :]


def _is_flat(source: Source, file: str) -> bool:
    """Whether a file is called like a source: `Order-Details.CSV` is one of `order_details`."""
    if source.pattern:
        return source.reads(file)
    ending = _ending(file)
    return bool(ending) and _plain(file[: -len(ending)]) == _plain(source.name)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
