"""The files of a delivery: `<landing>/<table>/ingestion_date=YYYY-MM-DD/*.csv` (or `.csv.gz`)."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from hashlib import blake2b
from pathlib import Path

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.landing.layout import ENDINGS, FOLDER, SOURCES
from ecommerce_assets.landing.records import line_of
from ecommerce_assets.landing.store import (
    DIGEST_BYTES,
    HIDDEN,
    DeliveryChanged,
    Entry,
    Store,
    store_of,
)

READERS = 8


@dataclass(frozen=True)
class LandedFile:
    """One delivered file.

    Attributes:
        entry: its address in `store_of(landing)` and its size.
        source_file: its path below landing.
        ingestion_date: the date of its folder.
        digest: of its content, once computed.
    """

    entry: Entry
    source_file: str
    ingestion_date: date
    digest: str = ""


@dataclass(frozen=True)
class Landed:
    """The files of a table for some dates.

    Attributes:
        files: the delivered files by date and name, without empty ones.
        unread: paths below landing that are ignored: other suffixes, folders inside a date's
            folder, anything beside the date folders or the tables' folders.
    """

    files: list[LandedFile]
    unread: list[str]


def landed_dates(landing: str, table: str) -> dict[date, str]:
    """The folder's path by ingestion date.

    Raises:
        PipelineError: there is no landing folder, or it can't be listed; a folder's name is not a
            date; a file is outside the date folders, where it would never be read.
    """
    return _looked_at(must_exist(landing), table)[0]


def must_exist(landing: str) -> Store:
    """The store of an existing landing location.

    Raises:
        PipelineError: there is no landing folder, or it can't be listed.
    """
    store = store_of(landing)
    if not store.exists():
        raise PipelineError(
            f"no landing folder at {landing}: set ECOMMERCE_LANDING, or make one with "
            "`ecommerce generate` or `ecommerce land`"
        )
    return store


def _looked_at(store: Store, table: str) -> tuple[dict[date, str], list[str]]:
    """A table's folders by date, and what else its folder contains."""
    found, unread = {}, []
    for entry in store.entries(below(store, table)):
        name = f"{entry.name}/" if entry.is_folder else entry.name
        day = landed_date(table, name)
        if day is None:
            unread.append(f"{table}/{name}")
        else:
            found[day] = entry.path
    return found, unread


def landed_date(table: str, name: str) -> date | None:
    """The ingestion date of a path below a table's folder; None for ignored paths.

    Args:
        name: a file, or a folder with a trailing slash.

    Raises:
        PipelineError: as `landed_dates`.
    """
    folder, slash, _ = name.partition("/")
    where = f"{table}/{folder}"
    if folder.startswith(HIDDEN):
        return None
    if slash:
        return _folder_date(folder, where)
    if folder.endswith(ENDINGS):
        raise PipelineError(
            f"{where}: a delivery lies in a folder like {table}/{FOLDER}2024-01-31/; "
            "move it there, or use `ecommerce land`"
        )
    return None


def landed(landing: str, table: str, first: date, last: date) -> Landed:
    """The files for the dates from `first` to `last`.

    Raises:
        PipelineError: as `landed_dates`.
    """
    store = must_exist(landing)
    dates, unread = _looked_at(store, table)
    folders = [(day, folder) for day, folder in sorted(dates.items()) if first <= day <= last]
    # On S3, each listing is a request, and a backfill lists every date.
    with ThreadPoolExecutor(READERS) as pool:
        listed = list(pool.map(lambda folder: store.entries(folder[1]), folders))
    files = []
    for (day, _), entries in zip(folders, listed, strict=True):
        for entry in entries:
            path = f"{table}/{FOLDER}{day}/{entry.name}"
            if entry.is_folder or not entry.name.endswith(ENDINGS):
                unread.append(f"{path}/" if entry.is_folder else path)
            elif entry.size:
                files.append(LandedFile(entry, path, day))
    return Landed(files, [*_beside_tables(store, table), *unread])


def _beside_tables(store: Store, table: str) -> list[str]:
    """Paths beside the tables' folders that may have been meant for this table."""
    return [
        f"{entry.name}/" if entry.is_folder else entry.name
        for entry in store.entries(store.root)
        if not (entry.is_folder and entry.name in SOURCES) and _meant_for(table, entry.name)
    ]


def _meant_for(table: str, name: str) -> bool:
    """Whether a name starts with the table's, ignoring case, or with no table's at all."""
    known = [source for source in SOURCES if name.lower().startswith(source)]
    return table in known or not known


def delivered_bytes(landing: str, first: date, last: date) -> int:
    """Approximate size of the deliveries in a local landing folder.

    Used to configure the JVM; errors are left to the code that reads the files.
    """
    size = 0
    for folder in Path(landing).glob(f"*/{FOLDER}*"):
        if first.isoformat() <= folder.name.removeprefix(FOLDER) <= last.isoformat():
            with suppress(OSError):
                for file in folder.iterdir():
                    with suppress(OSError):
                        size += file.stat().st_size
    return size


def digested(landing: str, files: Sequence[LandedFile]) -> list[LandedFile]:
    """The files with their digests.

    Raises:
        DeliveryChanged: a listed file has disappeared.
        PipelineError: a file can't be read.
    """
    store = store_of(landing)
    with ThreadPoolExecutor(READERS) as pool:
        read = pool.map(lambda file: store.digest(file.entry), files)
        return [replace(file, digest=digest) for file, digest in zip(files, read, strict=True)]


def fingerprints(files: Sequence[LandedFile], days: Sequence[date]) -> dict[date, str]:
    """By date, a digest of the delivery: the names and contents of its files.

    Modification times don't count, so repeating a delivery does not change it.
    """
    digests = {day: blake2b(digest_size=DIGEST_BYTES) for day in days}
    for file in files:
        digests[file.ingestion_date].update(f"{file.source_file}\0{file.digest}".encode())
    return {day: digest.hexdigest() for day, digest in digests.items()}


def line_in(landing: str, source_file: str, row_number: int) -> int | None:
    """The line on which a record begins; None if it can't be determined any more.

    Bronze stores record numbers; people look for lines.
    """
    store = store_of(landing)
    folder, _, name = source_file.rpartition("/")
    try:
        for entry in store.entries(below(store, folder)):
            if entry.name == name:
                with store.open(entry, "").stream as stream:
                    return line_of(source_file, stream, row_number)
    except (PipelineError, DeliveryChanged):
        return None
    return None


def below(store: Store, table: str) -> str:
    """A table's folder."""
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
