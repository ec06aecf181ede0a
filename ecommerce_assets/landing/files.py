"""The files of a delivery: `<landing>/<folder>/ingestion_date=YYYY-MM-DD/*.csv` (or `.csv.gz`)."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from hashlib import blake2b
from pathlib import Path

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.landing.layout import FOLDER, date_folder, day_of_folder
from ecommerce_assets.landing.records import line_of
from ecommerce_assets.landing.source import Source
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
    """The files of a source for some dates.

    Attributes:
        files: the delivered files by date and name, without empty ones.
        unread: paths below landing that are ignored: files that no source reads, folders inside a
            date's folder, anything beside the date folders or the sources' folders.
        has_dates: whether the source has a folder of any date.
    """

    files: list[LandedFile]
    unread: list[str]
    has_dates: bool


def landed_dates(landing: str, source: Source) -> dict[date, str]:
    """The folder's path by ingestion date.

    Raises:
        PipelineError: there is no landing folder, or it can't be listed; a folder's name is not a
            date; a file is outside the date folders, where it would never be read.
    """
    return _looked_at(must_exist(landing), source)[0]


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


def _looked_at(store: Store, source: Source) -> tuple[dict[date, str], list[str]]:
    """A source's folders by date, and what else its folder contains."""
    found, unread = {}, []
    for entry in store.entries(below(store, source.folder)):
        name = f"{entry.name}/" if entry.is_folder else entry.name
        day = landed_date(source, name)
        if day is None:
            unread.append(f"{source.folder}/{name}")
        else:
            found[day] = entry.path
    return found, unread


def landed_date(source: Source, name: str) -> date | None:
    """The ingestion date of a path below a source's folder; None for ignored paths.

    Args:
        name: a file, or a folder with a trailing slash.

    Raises:
        PipelineError: as `landed_dates`.
    """
    folder, slash, _ = name.partition("/")
    where = f"{source.folder}/{folder}"
    if folder.startswith(HIDDEN):
        return None
    if slash:
        return _folder_date(folder, where)
    if source.reads(folder):
        raise PipelineError(
            f"{where}: a delivery lies in a folder like {source.folder}/{FOLDER}2024-01-31/; "
            "move it there, or use `ecommerce land`"
        )
    return None


def landed(
    landing: str, source: Source, sources: Sequence[Source], first: date, last: date
) -> Landed:
    """The files for the dates from `first` to `last`.

    Args:
        sources: all sources of the shop, to tell apart those that share a folder.

    Raises:
        PipelineError: as `landed_dates`; or a file that two sources read.
    """
    store = must_exist(landing)
    dates, unread = _looked_at(store, source)
    folders = [(day, folder) for day, folder in sorted(dates.items()) if first <= day <= last]
    # On S3, each listing is a request, and a backfill lists every date.
    with ThreadPoolExecutor(READERS) as pool:
        listed = list(pool.map(lambda folder: store.entries(folder[1]), folders))
    beside = [other for other in sources if other.folder == source.folder]
    files = []
    for (day, _), entries in zip(folders, listed, strict=True):
        for entry in entries:
            path = f"{source.folder}/{FOLDER}{day}/{entry.name}"
            readers = [] if entry.is_folder else [s.name for s in beside if s.reads(entry.name)]
            if len(readers) > 1:
                raise PipelineError(
                    f"{path}: the sources {' and '.join(readers)} both read it; make their `files` "
                    "in the shop file tell apart their names"
                )
            if source.name in readers:
                if entry.size:
                    files.append(LandedFile(entry, path, day))
            elif not readers:
                unread.append(f"{path}/" if entry.is_folder else path)
    beside_folders = _beside_folders(store, source, sources)
    return Landed(files, [*beside_folders, *unread], bool(dates))


def _beside_folders(store: Store, source: Source, sources: Sequence[Source]) -> list[str]:
    """Paths beside the sources' folders that may have been meant for this source."""
    folders = {other.folder for other in sources}
    return [
        f"{entry.name}/" if entry.is_folder else entry.name
        for entry in store.entries(store.root)
        if not (entry.is_folder and entry.name in folders)
        and _meant_for(source.folder, folders, entry.name)
    ]


def _meant_for(folder: str, folders: Iterable[str], name: str) -> bool:
    """Whether a name starts with the folder's, ignoring case, or with no folder's at all."""
    known = [other for other in folders if name.lower().startswith(other.lower())]
    return folder in known or not known


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


def line_in(
    landing: str, sources: Sequence[Source], source_file: str, row_number: int
) -> int | None:
    """The line on which a record begins; None if it can't be determined any more.

    Bronze stores record numbers; people look for lines.
    """
    store = store_of(landing)
    folder, _, name = source_file.rpartition("/")
    readers = [s for s in sources if s.folder == folder.split("/")[0] and s.reads(name)]
    if not readers:
        return None
    try:
        for entry in store.entries(below(store, folder)):
            if entry.name == name:
                with store.open(entry, "").stream as stream:
                    return line_of(source_file, stream, row_number, readers[0].dialect)
    except (PipelineError, DeliveryChanged):
        return None
    return None


def below(store: Store, folder: str) -> str:
    """The path of a folder below landing."""
    return f"{store.root}/{folder}" if store.root else folder


def _folder_date(name: str, where: str) -> date:
    try:
        day = day_of_folder(name)
    except ValueError:
        day = None
    if day is None or date_folder(day) != name:
        raise PipelineError(f"{where}: the folder's name is no date like {FOLDER}2024-01-31")
    return day
