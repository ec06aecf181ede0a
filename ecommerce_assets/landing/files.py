"""The files of a delivery: `<landing>/<table>/ingestion_date=YYYY-MM-DD/*.csv` (or `.csv.gz`)."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b

from pyarrow import fs

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.landing.layout import ENDINGS, FOLDER

DIGEST_BYTES = 12
CHUNK_BYTES = 1 << 20
READERS = 8


@dataclass(frozen=True)
class LandedFile:
    """One delivered file.

    Attributes:
        path: where it is, as `open_location(landing)` addresses it.
        source_file: its path below landing.
        ingestion_date: the date of its folder.
        size: bytes.
    """

    path: str
    source_file: str
    ingestion_date: date
    size: int


def open_location(location: str) -> tuple[fs.FileSystem, str]:
    """The file system of a folder or URI, and the path of it there."""
    if "://" in location:
        return fs.FileSystem.from_uri(location)
    return fs.LocalFileSystem(), location


def landed_dates(landing: str, table: str) -> dict[date, str]:
    """Ingestion dates that have a folder, and the folder's path.

    Raises:
        PipelineError: there is no landing folder; a folder's name is no date; a delivered file
            lies outside a date's folder, where it would never be read.
    """
    system, root = open_location(landing)
    if system.get_file_info(root).type != fs.FileType.Directory:
        raise PipelineError(
            f"no landing folder at {landing}: set ECOMMERCE_LANDING, or make one with "
            "`ecommerce generate` or `ecommerce land`"
        )
    selector = fs.FileSelector(f"{root}/{table}", allow_not_found=True)
    found = {}
    for info in system.get_file_info(selector):
        name = info.base_name
        where = f"{table}/{name}"
        if name.startswith((".", "_")):
            continue
        if info.type != fs.FileType.Directory:
            if name.endswith(ENDINGS):
                raise PipelineError(
                    f"{where}: a delivery lies in a folder like {table}/{FOLDER}2024-01-31/; "
                    "move it there, or use `ecommerce land`"
                )
            continue
        found[_folder_date(name, where)] = info.path
    return found


def landed_files(landing: str, table: str, first: date, last: date) -> list[LandedFile]:
    """The files of the dates from `first` to `last`, by date and name; empty ones left out.

    Raises:
        PipelineError: as `landed_dates`.
    """
    system, root = open_location(landing)
    files = []
    for day, folder in sorted(landed_dates(landing, table).items()):
        if not first <= day <= last:
            continue
        for info in system.get_file_info(fs.FileSelector(folder)):
            if info.type == fs.FileType.File and info.base_name.endswith(ENDINGS) and info.size:
                source_file = info.path.removeprefix(root).lstrip("/")
                files.append(LandedFile(info.path, source_file, day, info.size))
    return sorted(files, key=lambda file: (file.ingestion_date, file.source_file))


def fingerprints(
    landing: str, files: Sequence[LandedFile], days: Sequence[date]
) -> dict[date, str]:
    """A digest of each day's delivery: names and contents of its files.

    Contents, not times of change: the same delivery again is the same delivery.
    """
    system, _ = open_location(landing)
    digests = {day: blake2b(digest_size=DIGEST_BYTES) for day in days}

    def content(file: LandedFile) -> bytes:
        digest = blake2b()
        with system.open_input_stream(file.path, compression=None) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
        return digest.digest()

    with ThreadPoolExecutor(READERS) as pool:
        for file, read in zip(files, pool.map(content, files), strict=True):
            digests[file.ingestion_date].update(file.source_file.encode() + b"\0" + read)
    return {day: digest.hexdigest() for day, digest in digests.items()}


def _folder_date(name: str, where: str) -> date:
    text = name.removeprefix(FOLDER)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if not name.startswith(FOLDER) or day is None or day.isoformat() != text:
        raise PipelineError(f"{where}: the folder's name is no date like {FOLDER}2024-01-31")
    return day
