"""A release: the job code and the packages that Glue lacks, under a key that is their digest.

A release never changes, so a running job keeps its code. Jobs are started with the release of the
code that launches them, so the code versions that Dagster shows are those that run.
"""

import base64
import hashlib
import json
import platform
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from ecommerce_assets.aws.clients import bucket_and_prefix, client, code_of, explained
from ecommerce_assets.aws.wheels import Wheels, pinned, reproducible_zip
from ecommerce_assets.deployment import deployment
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.shop import current_shop
from ecommerce_assets.shop.read import RELEASED

PACKAGE = "ecommerce_assets"
# The entry script of a job.
SCRIPT = """\
import sys

from ecommerce_assets.jobs.__main__ import main

main("{name}", sys.argv[1:])
"""
# The packages that jobs import; the rest is only needed by the orchestrator.
ROOMS = ("jobs", "tables", "refresh", "model", "engine", "lakehouse", "landing", "shop")
MODULES = (
    "__init__.py", "boto.py", "code_version.py", "deployment.json", "deployment.py", "derived.py",
    "errors.py", "intervals.py", "package_files.py", "settings.py", "sql.py", "syntax_trees.py",
    "thresholds.py",
)  # fmt: skip
CODE = "ecommerce_assets.zip"
WHEELS = "dependencies.gluewheels.zip"
MANIFEST = "manifest.json"
DIGEST_LENGTH = 16


@dataclass(frozen=True)
class Release:
    """The release of the installed code.

    Attributes:
        sources: bytes by path, as in the zip of the code.
        scripts: bytes of the entry scripts by name.
        wheels: the packages that Glue lacks.
    """

    sources: dict[str, bytes]
    scripts: dict[str, bytes]
    wheels: Wheels

    @property
    def id(self) -> str:
        """Digest of everything."""
        digest = hashlib.sha256()
        for name, content in sorted({**self.sources, **self.scripts}.items()):
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        digest.update(self.wheels.archive.encode())
        return digest.hexdigest()[:DIGEST_LENGTH]

    @property
    def code(self) -> dict[str, bytes]:
        """What Glue runs, by file name: the zip of the code, and the entry scripts."""
        return {CODE: reproducible_zip(self.sources), **self.scripts}

    def location(self, artifacts: str) -> str:
        """Its location below the artifacts' `s3://bucket`."""
        return f"{artifacts}/{deployment().storage['releases']}/{self.id}"

    def arguments(self, artifacts: str, job: str) -> dict[str, str]:
        """The arguments with which a job uses this release."""
        prefix = self.location(artifacts)
        return {
            "--scriptLocation": f"{prefix}/{deployment().jobs[job].script}",
            "--extra-py-files": f"{prefix}/{CODE}",
            "--additional-python-modules": f"{prefix}/{WHEELS}",
        }


@cache
def this_release() -> Release:
    """The release of the running code.

    Raises:
        PipelineError: Python is not Glue's, so other versions of packages are installed.
    """
    running, on_glue = platform.python_version(), deployment().python_version
    if not running.startswith(f"{on_glue}."):
        raise PipelineError(
            f"Glue has Python {on_glue}, and this is {running}: install what is deployed by "
            f"`make PYTHON=python{on_glue} install`"
        )
    root = files(PACKAGE)
    sources = {f"{PACKAGE}/{name}": root.joinpath(name).read_bytes() for name in MODULES}
    for room in ROOMS:
        sources |= _modules_below(Path(str(root)) / room, f"{PACKAGE}/{room}")
    # The shop is a part of the release: a job knows no other.
    sources[f"{PACKAGE}/shop/{RELEASED}"] = current_shop().text.encode()
    scripts = {
        job.script: SCRIPT.format(name=name).encode() for name, job in deployment().jobs.items()
    }
    return Release(dict(sorted(sources.items())), scripts, pinned())


def _modules_below(folder: Path, prefix: str) -> dict[str, bytes]:
    return {
        f"{prefix}/{file.relative_to(folder).as_posix()}": file.read_bytes()
        for file in folder.rglob("*.py")
    }


def build(release: Release, folder: Path) -> list[Path]:
    """Write the release's files to a folder; reproducible byte by byte.

    Raises:
        PipelineError: a wheel can't be downloaded, or is not the pinned one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, content in {**release.code, WHEELS: release.wheels.zipped()}.items():
        (folder / name).write_bytes(content)
        written.append(folder / name)
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in written}
    manifest = {
        "release": release.id,
        "glue_version": deployment().glue_version,
        "requirements": release.wheels.digests,
        "sha256": digests,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
    return [*written, folder / MANIFEST]


def is_published(release: Release, artifacts: str, s3: Any = None) -> bool:
    """Whether the release is complete: its manifest is uploaded last.

    Raises:
        PipelineError: the bucket can't be listed.
    """
    bucket, prefix = bucket_and_prefix(release.location(artifacts))
    with explained(f"looking for the release in s3://{bucket}"):
        s3 = s3 or client("s3")
        # By listing: without that permission, a missing object looks like a forbidden one.
        found = s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/{MANIFEST}", MaxKeys=1)
    return bool(found.get("KeyCount"))


def must_be_this(release: Release, artifacts: str, job: str, s3: Any) -> None:
    """Check that what a job would run is the code that runs here, with its packages, by S3's
    checksums.

    Raises:
        PipelineError: the release is not published, or is another code than this one.
    """
    if not is_published(release, artifacts, s3):
        raise PipelineError(
            f"release {release.id}, the running code, is not in {artifacts}: "
            "run `ecommerce package --publish`"
        )
    code, place = release.code, release.location(artifacts)
    for name in (deployment().jobs[job].script, CODE):
        _must_be_there(f"{place}/{name}", hashlib.sha256(code[name]).digest(), s3)
    _must_be_there(f"{place}/{WHEELS}", bytes.fromhex(release.wheels.archive), s3)


def _must_be_there(location: str, digest: bytes, s3: Any) -> None:
    """Check that an object has the content of this SHA-256.

    Raises:
        PipelineError: it has another one, or no checksum.
    """
    bucket, key = bucket_and_prefix(location)
    with explained(f"looking at {location}"):
        found = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    if found.get("ChecksumSHA256") != base64.b64encode(digest).decode():
        raise PipelineError(
            f"{location} is not what is built from the code here: somebody else has put it there. "
            "Look at who did (CloudTrail), remove all versions of this release, and publish it "
            "again by `ecommerce package --publish`"
        )


def publish(release: Release, folder: Path, artifacts: str, s3: Any = None) -> bool:
    """Upload the built files; returns whether that was necessary.

    Objects that are there already must be those that were built: the bucket takes each object of a
    release only once, from whomever it comes first.

    Raises:
        PipelineError: an upload failed; run again to upload the rest. Or an object is there that
            was built from something else.
    """
    s3 = s3 or client("s3")
    place, uploaded = release.location(artifacts), False
    bucket, prefix = bucket_and_prefix(place)
    for name in (*release.scripts, CODE, WHEELS, MANIFEST):
        content = (folder / name).read_bytes()
        with explained(f"uploading {name} to s3://{bucket}/{prefix}"):
            try:
                s3.put_object(
                    Bucket=bucket, Key=f"{prefix}/{name}", Body=content, IfNoneMatch="*",
                    ChecksumAlgorithm="SHA256",
                )  # fmt: skip
                uploaded = True
            except ClientError as error:
                if code_of(error) != "PreconditionFailed":
                    raise
                _must_be_there(f"{place}/{name}", hashlib.sha256(content).digest(), s3)
    return uploaded
