"""A release: the job code and the packages that Glue lacks, under a key that is their digest.

A release never changes, so a running job keeps its code. Jobs are started with the release of the
code that launches them, so the code versions that Dagster shows are those that run.
"""

import base64
import hashlib
import io
import json
import platform
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.resources import files
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ecommerce_assets.aws.clients import bucket_and_prefix, client, code_of, explained
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
# What the jobs import. pandera imports Glue's pandas, which breaks with numpy 2.
ROOTS = ("duckdb", "pandera", "pydantic", "pyiceberg", "sqlglot", "dagster-pipes", "numpy<2")
CODE = "ecommerce_assets.zip"
WHEELS = "dependencies.gluewheels.zip"
MANIFEST = "manifest.json"
# Glue 5.1 runs on Amazon Linux 2023, which has glibc 2.34.
PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_28_x86_64")
EPOCH = (1980, 1, 1, 0, 0, 0)
DIGEST_LENGTH = 16


@dataclass(frozen=True)
class Release:
    """The release of the installed code.

    Attributes:
        sources: bytes by path, as in the zip of the code.
        scripts: bytes of the entry scripts by name.
        requirements: `name==version` of each package that Glue lacks.
    """

    sources: dict[str, bytes]
    scripts: dict[str, bytes]
    requirements: tuple[str, ...]

    @property
    def id(self) -> str:
        """Digest of everything."""
        digest = hashlib.sha256()
        for name, content in sorted({**self.sources, **self.scripts}.items()):
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        digest.update("\n".join(self.requirements).encode())
        return digest.hexdigest()[:DIGEST_LENGTH]

    @property
    def code(self) -> dict[str, bytes]:
        """What Glue runs, by file name: the zip of the code, and the entry scripts."""
        return {CODE: _zipped(self.sources), **self.scripts}

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
            "--python-modules-installer-option": "--no-index",
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
    return Release(dict(sorted(sources.items())), scripts, tuple(sorted(_lacking(ROOTS))))


def _modules_below(folder: Path, prefix: str) -> dict[str, bytes]:
    return {
        f"{prefix}/{file.relative_to(folder).as_posix()}": file.read_bytes()
        for file in folder.rglob("*.py")
    }


def _lacking(roots: Iterable[str]) -> set[str]:
    """`name==version` of the installed distributions and their dependencies, without those that
    Glue has in a suitable version.
    """
    provided = {canonicalize_name(name): text for name, text in deployment().provided.items()}
    found: dict[str, str] = {}
    waiting = [Requirement(name) for name in roots]
    while waiting:
        needed = waiting.pop()
        name = canonicalize_name(needed.name)
        if name in found or (name in provided and needed.specifier.contains(provided[name])):
            continue
        try:
            found[name] = version(name)
        except PackageNotFoundError as error:
            raise PipelineError(f"{name} is not installed here, so it can't be packaged") from error
        for line in requires(name) or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement)
    return {f"{name}=={number}" for name, number in found.items()}


def build(release: Release, folder: Path) -> list[Path]:
    """Write the release's files to a folder; reproducible byte by byte.

    Raises:
        PipelineError: a dependency has no wheel for Glue, or can't be downloaded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, content in release.code.items():
        (folder / name).write_bytes(content)
        written.append(folder / name)
    with tempfile.TemporaryDirectory() as wheels:
        _download(release.requirements, wheels)
        listed = "".join(f"{line}\n" for line in release.requirements).encode()
        wheel_files = {"wheels/requirements.txt": listed} | {
            f"wheels/{wheel.name}": wheel.read_bytes() for wheel in sorted(Path(wheels).iterdir())
        }
    (folder / WHEELS).write_bytes(_zipped(wheel_files))
    written.append(folder / WHEELS)
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in written}
    manifest = {
        "release": release.id,
        "glue_version": deployment().glue_version,
        "requirements": release.requirements,
        "sha256": digests,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
    return [*written, folder / MANIFEST]


def _download(requirements: Iterable[str], folder: str) -> None:
    number = deployment().python_version
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--only-binary=:all:", "--implementation", "cp"),
        *(word for platform in PLATFORMS for word in ("--platform", platform)),
        *("--python-version", number, "--abi", f"cp{number.replace('.', '')}", "--dest", folder),
        *requirements,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PipelineError(f"can't get the wheels for Glue: {done.stderr.strip()[-500:]}")


def _zipped(content: dict[str, bytes]) -> bytes:
    """A zip of the files; not compressed, since each version of zlib compresses differently."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in content.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return buffer.getvalue()


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
    """Check that what a job would run is the code that runs here, by S3's checksums.

    Raises:
        PipelineError: the release is not published, or is another code than this one.
    """
    if not is_published(release, artifacts, s3):
        raise PipelineError(
            f"release {release.id}, the running code, is not in {artifacts}: "
            "run `ecommerce package --publish`"
        )
    code = release.code
    for name in (deployment().jobs[job].script, CODE):
        _must_be_there(f"{release.location(artifacts)}/{name}", code[name], s3)


def _must_be_there(location: str, content: bytes, s3: Any) -> None:
    """Check that an object has this content.

    Raises:
        PipelineError: it has another one, or no checksum.
    """
    bucket, key = bucket_and_prefix(location)
    with explained(f"looking at {location}"):
        found = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    expected = base64.b64encode(hashlib.sha256(content).digest()).decode()
    if found.get("ChecksumSHA256") != expected:
        raise PipelineError(
            f"{location} is not what is built from the code here: somebody else has put it there, "
            "or a package has got another wheel of the same version since. Look at who did "
            "(CloudTrail), remove all versions of this release, and publish it again by "
            "`ecommerce package --publish`"
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
                _must_be_there(f"{place}/{name}", content, s3)
    return uploaded
