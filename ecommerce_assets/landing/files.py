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
        entry: where it is, as `store_of(landing)` addresses it, and its size.
        source_file: its path below landing.
        ingestion_date: the date of its folder.
        digest: of its content, once that was looked at.
    """

    entry: Entry
    source_file: str
    ingestion_date: date
    digest: str = ""


@dataclass(frozen=True)
class Landed:
    """What there is for a table and some dates.

    Attributes:
        files: the delivered files, by date and name; empty ones left out.
        unread: paths below landing of what is there and will not be read: other endings, folders
            in a date's folder, whatever stands beside the date folders or the tables' folders.
    """

    files: list[LandedFile]
    unread: list[str]


def landed_dates(landing: str, table: str) -> dict[date, str]:
    """Ingestion dates that have a folder, and the folder's path.

    Raises:
        PipelineError: there is no landing folder, or it can't be looked at; a folder's name is no
            date; a delivered file lies outside a date's folder, where it would never be read.
    """
    return _looked_at(must_exist(landing), table)[0]


def must_exist(landing: str) -> Store:
    """The store of a landing place where something has landed.

    Raises:
        PipelineError: there is no landing folder, or it can't be looked at.
    """
    store = store_of(landing)
    if not store.exists():
        raise PipelineError(
            f"no landing folder at {landing}: set ECOMMERCE_LANDING, or make one with "
            "`ecommerce generate` or `ecommerce land`"
        )
    return store


def _looked_at(store: Store, table: str) -> tuple[dict[date, str], list[str]]:
    """The folders of a table by date, and what else is in the table's folder."""
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
    """The ingestion date of a path below a table's folder; None of what is not looked at.

    Args:
        name: a file, or a folder with a slash at its end.

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
    """What there is for the dates from `first` to `last`.

    Raises:
        PipelineError: as `landed_dates`.
    """
    store = must_exist(landing)
    dates, unread = _looked_at(store, table)
    folders = [(day, folder) for day, folder in sorted(dates.items()) if first <= day <= last]
    # On S3 a listing is a request; a backfill has one for every date.
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
    """What lies beside the tables' folders and may have been meant for this table."""
    return [
        f"{entry.name}/" if entry.is_folder else entry.name
        for entry in store.entries(store.root)
        if not (entry.is_folder and entry.name in SOURCES) and _meant_for(table, entry.name)
    ]


def _meant_for(table: str, name: str) -> bool:
    """Whether a name begins with the table's, in any case; one with no table's is for all."""
    known = [source for source in SOURCES if name.lower().startswith(source)]
    return table in known or not known


def delivered_bytes(landing: str, first: date, last: date) -> int:
    """Size of the files in a local landing folder's date folders, as far as it is easily known.

    An estimate, by which a JVM is set up: what can't be looked at is left to those who read it.
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
    """The files with the digests of their contents.

    Raises:
        DeliveryChanged: a file is gone since it was listed.
        PipelineError: a file can't be read.
    """
    store = store_of(landing)
    with ThreadPoolExecutor(READERS) as pool:
        read = pool.map(lambda file: store.digest(file.entry), files)
        return [replace(file, digest=digest) for file, digest in zip(files, read, strict=True)]


def fingerprints(files: Sequence[LandedFile], days: Sequence[date]) -> dict[date, str]:
    """A digest of each day's delivery: names and contents of its files, which are digested.

    Contents, not times of change: the same delivery again is the same delivery.
    """
    digests = {day: blake2b(digest_size=DIGEST_BYTES) for day in days}
    for file in files:
        digests[file.ingestion_date].update(f"{file.source_file}\0{file.digest}".encode())
    return {day: digest.hexdigest() for day, digest in digests.items()}


def line_in(landing: str, source_file: str, row_number: int) -> int | None:
    """The line on which a record begins; None where the file can't tell it any more.

    For messages: the record's number is what bronze keeps.
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
