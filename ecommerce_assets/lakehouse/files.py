"""Files of the lakehouse: list and delete them, in a folder or on S3."""

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ecommerce_assets.boto import boto_client
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse.local_catalog import local_path

S3 = "s3://"
MOST_KEYS = 1000  # of one DeleteObjects request


@dataclass(frozen=True)
class File:
    """A file: its size in bytes, and when it was written."""

    size: int
    written: datetime


def files_below(location: str) -> dict[str, File]:
    """The files below a folder or an `s3://` location, by path or URI.

    Raises:
        PipelineError: a folder can't be listed.
    """
    if location.startswith(S3):
        return {
            f"{S3}{bucket_of(location)[0]}/{item['Key']}": File(item["Size"], item["LastModified"])
            for item in _listed(location)
        }
    found = {}

    def refused(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):  # removed meanwhile
            raise PipelineError(f"{error.filename} can't be listed: {error.strerror}") from error

    for parent, _, names in os.walk(local_path(location), onerror=refused):
        for name in names:
            path = Path(parent) / name
            with suppress(FileNotFoundError):
                status = path.stat()
                found[str(path)] = File(
                    status.st_size, datetime.fromtimestamp(status.st_mtime, UTC)
                )
    return found


def delete_files(paths: Iterable[str]) -> None:
    """Delete files that may be gone already, by path or URI.

    Raises:
        PipelineError: S3 refuses to delete one.
    """
    paths = list(paths)
    for path in paths:
        if not path.startswith(S3):
            local_path(path).unlink(missing_ok=True)
    remote = [path for path in paths if path.startswith(S3)]
    for bucket in {bucket_of(path)[0] for path in remote}:
        keys = [{"Key": key} for own, key in map(bucket_of, remote) if own == bucket]
        for start in range(0, len(keys), MOST_KEYS):
            answer = boto_client("s3").delete_objects(
                Bucket=bucket,
                Delete={"Objects": keys[start : start + MOST_KEYS], "Quiet": True},
            )
            for refused in answer.get("Errors", ()):
                raise PipelineError(f"s3://{bucket}/{refused['Key']}: {refused['Message']}")


def spelled(location: str) -> str:
    """A file's location in the spelling of `files_below`."""
    return location if location.startswith(S3) else str(local_path(location))


def bucket_of(uri: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`."""
    bucket, _, key = uri.removeprefix(S3).partition("/")
    return bucket, key


def _listed(location: str) -> Iterable[dict[str, Any]]:
    bucket, prefix = bucket_of(location)
    pages = boto_client("s3").get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=bucket, Prefix=f"{prefix.rstrip('/')}/"):
        yield from page.get("Contents", ())
