"""Where deliveries lie: a local folder or an S3 prefix, listed and read in the same way.

S3 is read with boto3, which finds region, credentials and private endpoints on Glue's driver and
workers as it does on a laptop.
"""

import io
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import urlsplit

DIGEST_BYTES = 12
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Entry:
    """A file or folder directly below another.

    Attributes:
        name: its name there.
        path: where it is, as its store addresses it.
        is_folder: whether it is a folder.
        size: bytes of a file.
        stamp: differs when a file was written anew; costs nothing to find.
        written: when it was written last, in seconds since 1970.
    """

    name: str
    path: str
    is_folder: bool
    size: int = 0
    stamp: str = ""
    written: float = 0.0


class Store(Protocol):
    """A tree of files."""

    root: str

    def exists(self) -> bool:
        """Whether there is anything."""

    def entries(self, path: str) -> list[Entry]:
        """What is directly below a path, by name; nothing where there is no such folder."""

    def files_below(self, path: str) -> Iterator[Entry]:
        """Every file below a path, at any depth; its name is its path from there."""

    def open(self, path: str) -> BinaryIO:
        """The bytes of a file, from its beginning."""

    def digest(self, entry: Entry) -> str:
        """A digest of a file's content: the same delivery again has the same."""


def store_of(location: str) -> Store:
    """The store of a folder or of an `s3://bucket/prefix`."""
    return S3Store(location) if "://" in location else FolderStore(location)


class FolderStore:
    """A local folder."""

    def __init__(self, location: str) -> None:
        self.root = location

    def exists(self) -> bool:
        """Whether the folder is there."""
        return Path(self.root).is_dir()

    def entries(self, path: str) -> list[Entry]:
        """Files and folders in a folder."""
        try:
            found = [_local_entry(item, item.name) for item in os.scandir(path)]
        except FileNotFoundError:
            return []
        return sorted(found, key=lambda entry: entry.name)

    def files_below(self, path: str) -> Iterator[Entry]:
        """Files of a folder and of the folders in it."""
        waiting = [path]
        while waiting:
            try:
                listed = list(os.scandir(waiting.pop()))
            except FileNotFoundError:
                continue  # another process has just removed it
            for item in listed:
                if item.is_dir():
                    waiting.append(item.path)
                else:
                    with suppress(FileNotFoundError):
                        yield _local_entry(item, os.path.relpath(item.path, path))

    def open(self, path: str) -> BinaryIO:
        """The file's bytes."""
        return Path(path).open("rb")

    def digest(self, entry: Entry) -> str:
        """Of the content, so that a copy of the same file counts as the same delivery."""
        digest = blake2b(digest_size=DIGEST_BYTES)
        with self.open(entry.path) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()


class S3Store:
    """A prefix of an S3 bucket."""

    def __init__(self, location: str) -> None:
        parts = urlsplit(location)
        self.bucket = parts.netloc
        self.root = parts.path.strip("/")
        self._client: Any = None

    @property
    def client(self) -> Any:
        """A boto3 S3 client; made where it is used, as it can't be sent to a worker."""
        if self._client is None:
            self._client = _client()
        return self._client

    def exists(self) -> bool:
        """Whether any object lies below the prefix."""
        found = self.client.list_objects_v2(Bucket=self.bucket, Prefix=self._folder(""), MaxKeys=1)
        return bool(found.get("KeyCount"))

    def entries(self, path: str) -> list[Entry]:
        """Objects and common prefixes directly below a prefix."""
        prefix = self._folder(path)
        found = []
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix, Delimiter="/"
        )
        for page in pages:
            for folder in page.get("CommonPrefixes", ()):
                key = folder["Prefix"].rstrip("/")
                found.append(Entry(key.rsplit("/", 1)[-1], key, is_folder=True))
            for item in page.get("Contents", ()):
                name = item["Key"].removeprefix(prefix)
                if name:  # a console's folder marker is an object of its folder's own name
                    found.append(_object_entry(item, name))
        return sorted(found, key=lambda entry: entry.name)

    def files_below(self, path: str) -> Iterator[Entry]:
        """Objects below a prefix; a thousand a request."""
        prefix = self._folder(path)
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        for page in pages:
            for item in page.get("Contents", ()):
                if not item["Key"].endswith("/"):
                    yield _object_entry(item, item["Key"].removeprefix(prefix))

    def open(self, path: str) -> BinaryIO:
        """The object's bytes."""
        body = self.client.get_object(Bucket=self.bucket, Key=path)["Body"]
        return io.BufferedReader(body, CHUNK_BYTES)

    def digest(self, entry: Entry) -> str:
        """Of S3's own entity tag, which follows the content: nothing is read."""
        return blake2b(entry.stamp.encode(), digest_size=DIGEST_BYTES).hexdigest()

    def _folder(self, path: str) -> str:
        key = path or self.root
        return f"{key}/" if key else ""


def _local_entry(item: "os.DirEntry[str]", name: str) -> Entry:
    status = item.stat()
    stamp = f"{status.st_size}-{status.st_mtime_ns}"
    return Entry(name, item.path, item.is_dir(), status.st_size, stamp, status.st_mtime)


def _object_entry(item: dict[str, Any], name: str) -> Entry:
    stamp, written = f"{item['Size']}-{item['ETag']}", item["LastModified"].timestamp()
    return Entry(name, item["Key"], False, item["Size"], stamp, written)


def _client() -> Any:
    import boto3
    from botocore.config import Config

    # A session of its own: the default one may not be used by several threads.
    retries = Config(retries={"mode": "standard", "max_attempts": 8})
    region = os.environ.get("AWS_REGION")
    return boto3.session.Session(region_name=region).client("s3", config=retries)
