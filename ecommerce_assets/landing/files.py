"""The files of a delivery: `<landing>/<table>/ingestion_date=YYYY-MM-DD/*.csv` (or `.csv.gz`)."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from pathlib import Path

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.landing.layout import ENDINGS, FOLDER
from ecommerce_assets.landing.store import DIGEST_BYTES, Entry, Store, store_of

READERS = 8


@dataclass(frozen=True)
class LandedFile:
    """One delivered file.

    Attributes:
        entry: where it is, as `store_of(landing)` addresses it, and its size.
        source_file: its path below landing.
        ingestion_date: the date of its folder.
    """

    entry: Entry
    source_file: str
    ingestion_date: date


def landed_dates(landing: str, table: str) -> dict[date, str]:
    """Ingestion dates that have a folder, and the folder's path.

    Raises:
        PipelineError: there is no landing folder; a folder's name is no date; a delivered file
            lies outside a date's folder, where it would never be read.
    """
    store = store_of(landing)
    if not store.exists():
        raise PipelineError(
            f"no landing folder at {landing}: set ECOMMERCE_LANDING, or make one with "
            "`ecommerce generate` or `ecommerce land`"
        )
    found = {}
    for entry in store.entries(below(store, table)):
        name = f"{entry.name}/" if entry.is_folder else entry.name
        day = landed_date(table, name)
        if day is not None:
            found[day] = entry.path
    return found


def landed_date(table: str, name: str) -> date | None:
    """The ingestion date of a path below a table's folder; None of what is not looked at.

    Args:
        name: a file, or a folder with a slash at its end.

    Raises:
        PipelineError: as `landed_dates`.
    """
    folder, slash, _ = name.partition("/")
    where = f"{table}/{folder}"
    if folder.startswith((".", "_")):
        return None
    if slash:
        return _folder_date(folder, where)
    if folder.endswith(ENDINGS):
        raise PipelineError(
            f"{where}: a delivery lies in a folder like {table}/{FOLDER}2024-01-31/; "
            "move it there, or use `ecommerce land`"
        )
    return None


def landed_files(landing: str, table: str, first: date, last: date) -> list[LandedFile]:
    """The files of the dates from `first` to `last`, by date and name; empty ones left out.

    Raises:
        PipelineError: as `landed_dates`.
    """
    store = store_of(landing)
    folders = [
        (day, folder)
        for day, folder in sorted(landed_dates(landing, table).items())
        if first <= day <= last
    ]
    # On S3 a listing is a request; a backfill has one for every date.
    with ThreadPoolExecutor(READERS) as pool:
        listed = list(pool.map(lambda folder: store.entries(folder[1]), folders))
    return [
        LandedFile(entry, f"{table}/{FOLDER}{day}/{entry.name}", day)
        for (day, _), entries in zip(folders, listed, strict=True)
        for entry in entries
        if not entry.is_folder and entry.name.endswith(ENDINGS) and entry.size
    ]


def delivered_bytes(landing: str, first: date, last: date) -> int:
    """Size of the files in a local landing folder's date folders; whatever they hold."""
    size = 0
    for folder in Path(landing).glob(f"*/{FOLDER}*"):
        if first.isoformat() <= folder.name.removeprefix(FOLDER) <= last.isoformat():
            size += sum(file.stat().st_size for file in folder.iterdir())
    return size


def fingerprints(
    landing: str, files: Sequence[LandedFile], days: Sequence[date]
) -> dict[date, str]:
    """A digest of each day's delivery: names and contents of its files.

    Contents, not times of change: the same delivery again is the same delivery.
    """
    store = store_of(landing)
    digests = {day: blake2b(digest_size=DIGEST_BYTES) for day in days}
    with ThreadPoolExecutor(READERS) as pool:
        read = pool.map(lambda file: store.digest(file.entry), files)
        for file, content in zip(files, read, strict=True):
            digests[file.ingestion_date].update(f"{file.source_file}\0{content}".encode())
    return {day: digest.hexdigest() for day, digest in digests.items()}


def below(store: Store, table: str) -> str:
    """The path of a table's folder in a store."""
    return f"{store.root}/{table}" if store.root else table


def _folder_date(name: str, where: str) -> date:
    text = name.removeprefix(FOLDER)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if not name.startswith(FOLDER) or day is None or day.isoformat() != text:
        raise PipelineError(f"{where}: the folder's name is no date like {FOLDER}2024-01-31")
    return day
