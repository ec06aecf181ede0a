"""Uploading deliveries to the landing prefix: concurrent and resumable."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import BotoCoreError, ClientError

from ecommerce_assets.aws.clients import bucket_and_prefix, client, code_of, explain
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.landing.land import (
    flat_deliveries,
    flat_name,
    landed_name,
    must_be_apart,
)
from ecommerce_assets.landing.layout import FOLDER, date_folder
from ecommerce_assets.landing.source import Source

SIDE_BY_SIDE = 16
CHECKSUM = "sha256"  # the content's checksum, in the object's metadata
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Upload:
    """A file and its target.

    Attributes:
        file: the local file.
        key: its key in the bucket.
    """

    file: Path
    key: str


@dataclass(frozen=True)
class Uploaded:
    """What became of a file: `uploaded`, `unchanged`, `would upload` or `failed`, and why."""

    upload: Upload
    outcome: str
    reason: str = ""


def find_uploads(
    folder: Path, location: str, day: date | None, sources: Sequence[Source]
) -> list[Upload]:
    """The files of a landing layout, or of a flat folder with its date `day`.

    Raises:
        PipelineError: no folder, no deliveries, or flat files without a date.
    """
    flat = flat_deliveries(folder, sources)
    must_be_apart(flat)
    _, prefix = bucket_and_prefix(location)
    root = f"{prefix}/" if prefix else ""
    laid_out = {
        file: Upload(file, f"{root}{source.folder}/{file.parent.name}/{file.name}")
        for source in sources
        for file in sorted((folder / source.folder).glob(f"{FOLDER}*/*"))
        if file.is_file() and source.reads(file.name)
    }
    if flat and day is None:
        raise PipelineError(f"{folder} holds flat files: give the date of the delivery by --date")
    found = [
        Upload(file, f"{root}{source.folder}/{date_folder(day)}/{landed_name(source, file.name)}")
        for source, file in flat
        if day is not None
    ] + list(laid_out.values())
    if not found:
        expected = f"{sources[0].folder}/{FOLDER}2024-01-31/*.csv"
        raise PipelineError(
            f"{folder} holds no delivery like {expected} or {flat_name(sources[0])}"
        )
    return found


def upload_all(
    uploads: list[Upload], location: str, *, dry_run: bool, s3: Any = None
) -> Iterator[Uploaded]:
    """Upload files that are missing or differ by checksum; yields each one when done.

    Objects appear completely or not at all, so an interrupted upload is simply repeated.
    """
    bucket, _ = bucket_and_prefix(location)
    s3 = s3 or client("s3")

    def work(upload: Upload) -> Uploaded:
        try:
            return _upload(upload, bucket, s3, dry_run=dry_run)
        except S3UploadFailedError as error:
            cause = error.__context__
            return Uploaded(
                upload, "failed", explain(cause if isinstance(cause, Exception) else error)
            )
        except (BotoCoreError, ClientError, OSError) as error:
            return Uploaded(upload, "failed", explain(error))

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        try:
            for done in as_completed([pool.submit(work, upload) for upload in uploads]):
                yield done.result()
        finally:
            pool.shutdown(cancel_futures=True)  # interrupted: cancel what has not started


def _upload(upload: Upload, bucket: str, s3: Any, *, dry_run: bool) -> Uploaded:
    digest = _checksum(upload.file)
    try:
        there = s3.head_object(Bucket=bucket, Key=upload.key)["Metadata"].get(CHECKSUM)
    except ClientError as error:
        if code_of(error) not in {"404", "NoSuchKey"}:
            raise
        there = None
    if there == digest:
        return Uploaded(upload, "unchanged")
    if dry_run:
        return Uploaded(upload, "would upload")
    s3.upload_file(str(upload.file), bucket, upload.key, ExtraArgs={"Metadata": {CHECKSUM: digest}})
    return Uploaded(upload, "uploaded")


def _checksum(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
