"""Where DuckDB finds and leaves data files: in place, or by copies of files on S3.

It reads and writes S3 only by an extension, which would have to be downloaded.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4

from pyiceberg.table import Table

from ecommerce_assets.boto import boto_client
from ecommerce_assets.lakehouse.data_files import data_files
from ecommerce_assets.lakehouse.files import bucket_of
from ecommerce_assets.lakehouse.local_catalog import local_path
from ecommerce_assets.lakehouse.manifests import files_of

SIDE_BY_SIDE = 8


class Storage(ABC):
    """The data files of tables."""

    @abstractmethod
    def files(self, identifier: str, table: Table, snapshot: int) -> Sequence[Path]:
        """The data files of a snapshot.

        Raises:
            LookupError: there is no such snapshot any more.
        """

    @abstractmethod
    def folder(self, location: str) -> Path:
        """A folder to write the files of the table at a location below."""

    @abstractmethod
    def stored(self, location: str, folder: Path, files: Iterable[Path]) -> list[str]:
        """Where files written below a folder are, in the location's spelling."""


class InPlace(Storage):
    """A folder."""

    def files(self, identifier: str, table: Table, snapshot: int) -> list[Path]:
        """See `Storage`."""
        return [file.path for file in data_files(identifier, table, snapshot)]

    def folder(self, location: str) -> Path:
        """See `Storage`; where they stay."""
        folder = local_path(f"{location}/data")
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def stored(self, location: str, folder: Path, files: Iterable[Path]) -> list[str]:
        """See `Storage`."""
        return [f"{location}/data/{file.relative_to(folder)}" for file in files]


class OnS3(Storage):
    """S3, with copies on disk for the time of a run.

    Args:
        copies: folder of the copies.
    """

    def __init__(self, copies: Path) -> None:
        self._copies = copies
        self._there: dict[str, Path] = {}
        self._lock = Lock()  # of two tables that read a third one, the second waits
        self._client: Any = boto_client("s3")

    def files(self, identifier: str, table: Table, snapshot: int) -> list[Path]:
        """See `Storage`; each file is fetched once."""
        wanted = [file.file_path for file in files_of(table, snapshot)]
        with self._lock, ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            lacking = [uri for uri in wanted if uri not in self._there]
            self._there |= zip(lacking, pool.map(self._fetched, lacking), strict=True)
        return [self._there[uri] for uri in wanted]

    def _fetched(self, uri: str) -> Path:
        copy = self._copies / f"{uuid4()}.parquet"
        self._client.download_file(*bucket_of(uri), str(copy))
        return copy

    def folder(self, location: str) -> Path:
        """See `Storage`."""
        folder = self._copies / str(uuid4())
        folder.mkdir()
        return folder

    def stored(self, location: str, folder: Path, files: Iterable[Path]) -> list[str]:
        """See `Storage`; uploads them."""
        found = {f"{location}/data/{file.relative_to(folder)}": file for file in files}
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            list(pool.map(self._put, found, found.values()))
        with self._lock:
            self._there |= found
        return list(found)

    def _put(self, uri: str, file: Path) -> None:
        self._client.upload_file(str(file), *bucket_of(uri))
