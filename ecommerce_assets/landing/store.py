"""Storage of deliveries: a local folder or an S3 prefix.

A listing is complete or raises an error that names what can't be listed; it never skips anything
silently. S3 is read with boto3, which finds region, credentials and endpoints on Glue's driver and
workers as on a laptop.
"""

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from random import random
from time import sleep
from typing import Any, BinaryIO, Protocol
from urllib.parse import urlsplit

from ecommerce_assets.boto import boto_client
from ecommerce_assets.errors import PipelineError

DIGEST_BYTES = 12
CHUNK_BYTES = 1 << 20
BUFFER_BYTES = 1 << 16
LOOKS = 20
LONGEST_PAUSE_SECONDS = 0.05
HIDDEN = (".", "_")  # as in Spark: files of tools, and files still being written
# S3's errors for an object that has changed or disappeared since it was listed.
CHANGED_CODES = {"NoSuchKey", "404", "PreconditionFailed", "412"}


class DeliveryChanged(Exception):
    """A file has changed or disappeared since it was listed, so it has to be listed again."""


@dataclass(frozen=True)
class Entry:
    """A file or folder in a folder.

    Attributes:
        name: its name.
        path: its path in the store.
        is_folder: whether it is a folder.
        size: bytes of a file.
        stamp: changes when a file is rewritten; free to obtain.
        written: modification time, in seconds since 1970.
    """

    name: str
    path: str
    is_folder: bool
    size: int = 0
    stamp: str = ""
    written: float = 0.0


class Delivered(Protocol):
    """The bytes of a listed file, being read."""

    @property
    def stream(self) -> BinaryIO:
        """The bytes; the caller closes the file."""

    def verify(self) -> None:
        """Read the rest, and compare everything read with what was listed.

        Raises:
            DeliveryChanged: other bytes were read.
        """


class Store(Protocol):
    """A tree of files. Methods raise PipelineError for anything that can't be listed or read."""

    root: str

    def exists(self) -> bool:
        """Whether the tree exists."""

    def entries(self, path: str) -> list[Entry]:
        """The entries of a folder by name; empty if the folder does not exist.

        Hidden entries, with a leading dot or underscore, are left out.
        """

    def files_below(self, path: str) -> Iterator[Entry]:
        """All files below a path, except hidden ones, named by their relative path."""

    def digest(self, entry: Entry) -> str:
        """A digest of a file's content.

        Raises:
            DeliveryChanged: the file has disappeared.
        """

    def open(self, entry: Entry, digest: str) -> Delivered:
        """Open a file that had this digest when it was listed.

        Raises:
            DeliveryChanged: the file has disappeared.
        """


def store_of(location: str) -> Store:
    """The store of a folder or of an `s3://bucket/prefix`."""
    return S3Store(location) if "://" in location else FolderStore(location)


class FolderStore:
    """A local folder."""

    def __init__(self, location: str) -> None:
        self.root = location

    def exists(self) -> bool:
        """Whether the folder exists."""
        return _is_folder(self.root)

    def entries(self, path: str) -> list[Entry]:
        """A folder's entries at one moment."""
        for _ in range(LOOKS):
            listed = _listed(path)
            if listed is not None:
                return sorted(listed, key=lambda entry: entry.name)
            sleep(random() * LONGEST_PAUSE_SECONDS)
        raise PipelineError(
            f"{path}: what is in it changed at each of {LOOKS} looks; run again when it has settled"
        )

    def files_below(self, path: str) -> Iterator[Entry]:
        """All files below a folder."""
        waiting = [path]
        while waiting:
            for entry in self.entries(waiting.pop()):
                if entry.is_folder:
                    waiting.append(entry.path)
                else:
                    name = os.path.relpath(entry.path, path)
                    yield Entry(name, entry.path, False, entry.size, entry.stamp, entry.written)

    def digest(self, entry: Entry) -> str:
        """Of the content, so that a copy of the same file counts as the same delivery."""
        digest = blake2b(digest_size=DIGEST_BYTES)
        with _opened(entry.path) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    def open(self, entry: Entry, digest: str) -> "_Digested":
        """The file's bytes, digested while they are read."""
        return _Digested(_opened(entry.path), entry.path, digest)


class _Digested(io.RawIOBase):
    """A file's bytes, digested while they are read."""

    def __init__(self, raw: BinaryIO, path: str, expected: str) -> None:
        self._raw, self._path, self._expected = raw, path, expected
        self._digest = blake2b(digest_size=DIGEST_BYTES)
        self._buffered = io.BufferedReader(self, BUFFER_BYTES)

    @property
    def stream(self) -> BinaryIO:
        return self._buffered

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._raw.readinto(buffer)  # type: ignore[attr-defined]  # a FileIO
        self._digest.update(memoryview(buffer)[:count])
        return int(count)

    def verify(self) -> None:
        """Compare the digest of the bytes read."""
        buffer = bytearray(CHUNK_BYTES)
        while self.readinto(buffer):
            pass
        if self._digest.hexdigest() != self._expected:
            raise DeliveryChanged(f"{self._path} was written anew while it was read")

    def close(self) -> None:
        self._raw.close()
        super().close()


class S3Store:
    """A prefix of an S3 bucket."""

    def __init__(self, location: str) -> None:
        parts = urlsplit(location)
        self.bucket = parts.netloc
        self.root = parts.path.strip("/")
        self._client: Any = None

    @property
    def client(self) -> Any:
        """A boto3 S3 client; created lazily, since it can't be pickled."""
        if self._client is None:
            self._client = boto_client("s3")
        return self._client

    def exists(self) -> bool:
        """Whether any object exists below the prefix."""
        prefix = self._folder("")
        with self._explained(prefix):
            found = self.client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, MaxKeys=1)
        return bool(found.get("KeyCount"))

    def entries(self, path: str) -> list[Entry]:
        """Objects and common prefixes directly below a prefix."""
        prefix = self._folder(path)
        found = []
        for page in self._pages(prefix, Delimiter="/"):
            for folder in page.get("CommonPrefixes", ()):
                key = folder["Prefix"].rstrip("/")
                found.append(Entry(key.rsplit("/", 1)[-1], key, is_folder=True))
            for item in page.get("Contents", ()):
                name = item["Key"].removeprefix(prefix)
                if name:  # the folder marker of the S3 console
                    found.append(_object_entry(item, name))
        shown = [entry for entry in found if not entry.name.startswith(HIDDEN)]
        return sorted(shown, key=lambda entry: entry.name)

    def files_below(self, path: str) -> Iterator[Entry]:
        """Objects below a prefix, a thousand per request."""
        prefix = self._folder(path)
        for page in self._pages(prefix):
            for item in page.get("Contents", ()):
                name = item["Key"].removeprefix(prefix)
                hidden = any(part.startswith(HIDDEN) for part in name.split("/"))
                if not hidden and not name.endswith("/"):
                    yield _object_entry(item, name)

    def digest(self, entry: Entry) -> str:
        """From S3's entity tag, which depends on the content, so nothing is read."""
        return blake2b(entry.stamp.encode(), digest_size=DIGEST_BYTES).hexdigest()

    def open(self, entry: Entry, digest: str) -> "_Object":
        """The object's bytes, if it still has the listed entity tag."""
        from botocore.exceptions import ClientError

        tag = entry.stamp.partition("-")[2]
        with self._explained(entry.path):
            try:
                answer = self.client.get_object(Bucket=self.bucket, Key=entry.path, IfMatch=tag)
            except ClientError as error:
                code = error.response["Error"]["Code"]
                # Where a role may list only certain prefixes, S3 forbids what is not there.
                forbidden = code in ("AccessDenied", "403")
                if code in CHANGED_CODES or (forbidden and not self._is_listed(entry.path)):
                    where = f"s3://{self.bucket}/{entry.path}"
                    raise DeliveryChanged(f"{where} was written anew, or removed") from error
                raise
        return _Object(io.BufferedReader(answer["Body"], CHUNK_BYTES))

    def _is_listed(self, key: str) -> bool:
        found = self.client.list_objects_v2(Bucket=self.bucket, Prefix=key, MaxKeys=1)
        return any(item["Key"] == key for item in found.get("Contents", ()))

    def _pages(self, prefix: str, **how: str) -> Iterator[dict[str, Any]]:
        with self._explained(prefix):
            yield from self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=prefix, **how
            )

    def _folder(self, path: str) -> str:
        key = path or self.root
        return f"{key}/" if key else ""

    @contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise PipelineError(
                f"s3://{self.bucket}/{key} can't be looked at, so nothing was read: {error}"
            ) from error


@dataclass(frozen=True)
class _Object:
    """An S3 object's bytes, which S3 has checked against the entity tag."""

    stream: BinaryIO

    def verify(self) -> None:
        """Nothing to do."""


def _is_text(name: str) -> bool:
    """Whether a name of the file system is UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_folder(path: str) -> bool:
    """Whether the path is a folder."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _unseen(path, error) from error


def _listed(path: str) -> list[Entry] | None:
    """The entries of a folder; None if it changed meanwhile."""
    if not _is_folder(path):
        if os.path.islink(path):
            raise PipelineError(f"{path} is a broken link: mend it or remove it")
        if os.path.lexists(path):
            raise PipelineError(f"{path} is a file, and a folder was expected")
        return []
    found = []
    try:
        before = os.stat(path)
        for item in os.scandir(path):
            if item.name.startswith(HIDDEN):
                continue
            if not _is_text(item.name):
                shown = item.path.encode("utf-8", "replace").decode()
                raise PipelineError(f"{shown}: the name is not UTF-8, so rename it")
            try:
                found.append(_local_entry(item))
            except FileNotFoundError:
                if item.is_symlink():
                    raise PipelineError(
                        f"{item.path} is a broken link: mend it or remove it"
                    ) from None
                return None
            except OSError as error:
                raise _unseen(item.path, error) from error
        after = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unseen(path, error) from error
    same = (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    return found if same else None


def _local_entry(item: "os.DirEntry[str]") -> Entry:
    status = item.stat()
    stamp = f"{status.st_size}-{status.st_mtime_ns}"
    folder = stat.S_ISDIR(status.st_mode)
    return Entry(item.name, item.path, folder, status.st_size, stamp, status.st_mtime)


def _opened(path: str) -> BinaryIO:
    try:
        return Path(path).open("rb", buffering=0)
    except FileNotFoundError as error:
        raise DeliveryChanged(f"{path} was there when it was listed, and is gone") from error
    except OSError as error:
        raise _unseen(path, error) from error


def _unseen(path: str, error: OSError) -> PipelineError:
    return PipelineError(f"{path} can't be looked at: {error.strerror or error}")


def _object_entry(item: dict[str, Any], name: str) -> Entry:
    stamp, written = f"{item['Size']}-{item['ETag']}", item["LastModified"].timestamp()
    return Entry(name, item["Key"], False, item["Size"], stamp, written)
