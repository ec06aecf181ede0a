"""The packages that Glue lacks, as wheels, pinned by their digests in `wheels.json`.

`make pins` writes the digests. So a release has just these files, whatever an index serves under
the same version later, and who launches a job sees by S3's checksum that they are what it installs.
"""

import hashlib
import io
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.resources import files
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from ecommerce_assets.deployment import deployment
from ecommerce_assets.errors import PipelineError

PINS = "wheels.json"
# What the jobs import. pandera imports Glue's pandas, which breaks with numpy 2.
ROOTS = ("duckdb", "pandera", "pydantic", "pyiceberg", "sqlglot", "dagster-pipes", "numpy<2")
# Glue 5.1 runs on Amazon Linux 2023, which has glibc 2.34.
PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_28_x86_64")
EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Wheels:
    """The pinned wheels.

    Attributes:
        digests: SHA-256 of each wheel, by `name==version`.
        archive: SHA-256 of the zip that Glue installs them from.
    """

    digests: Mapping[str, str]
    archive: str

    def zipped(self) -> bytes:
        """The zip, with the wheels fetched from the package index.

        Raises:
            PipelineError: other versions are installed here than are pinned, or a wheel can't be
                downloaded, or is another one.
        """
        if odd := sorted(lacking() ^ self.digests.keys()):
            raise PipelineError(
                f"{', '.join(odd)}: installed here or pinned for Glue, and not both: "
                "`make install`, or after a change of constraints.txt, `make pins`"
            )
        content = zip_of(fetched(f"{line} --hash=sha256:{d}" for line, d in self.digests.items()))
        if hashlib.sha256(content).hexdigest() != self.archive:
            raise PipelineError("the zip of Glue's wheels is not the pinned one: `make pins`")
        return content


@cache
def pinned() -> Wheels:
    """The wheels that this code is released with."""
    text = files("ecommerce_assets").joinpath("aws", PINS).read_text("utf-8")
    return Wheels(**json.loads(text))


def lacking() -> set[str]:
    """`name==version` of the installed distributions and their dependencies, without those that
    Glue has in a suitable version.

    Raises:
        PipelineError: one is not installed.
    """
    provided = {canonicalize_name(name): text for name, text in deployment().provided.items()}
    found: dict[str, str] = {}
    waiting = [Requirement(name) for name in ROOTS]
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


def fetched(requirements: Iterable[str]) -> dict[str, bytes]:
    """Wheels for Glue by their file name, from the package index.

    Args:
        requirements: lines of a requirements file; with a `--hash`, no other wheel is taken.

    Raises:
        PipelineError: a package has no wheel for Glue, can't be downloaded, or has another hash.
    """
    number = deployment().python_version
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "asked.txt"
        asked.write_text("".join(f"{line}\n" for line in requirements), "utf-8")
        command = [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--only-binary=:all:", "--implementation", "cp"),
            *(word for platform in PLATFORMS for word in ("--platform", platform)),
            *("--python-version", number, "--abi", f"cp{number.replace('.', '')}"),
            *("--dest", folder, "--requirement", str(asked)),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PipelineError(f"can't get the wheels for Glue: {done.stderr.strip()[-500:]}")
        return {wheel.name: wheel.read_bytes() for wheel in sorted(Path(folder).glob("*.whl"))}


def requirement_of(wheel: str) -> str:
    """`name==version` of a wheel's file name."""
    name, number, *_ = parse_wheel_filename(wheel)
    return f"{name}=={number}"


def zip_of(wheels: Mapping[str, bytes]) -> bytes:
    """The zip that Glue installs wheels from, of their content by file name."""
    listed = "".join(f"{line}\n" for line in sorted(map(requirement_of, wheels))).encode()
    content = {f"wheels/{name}": data for name, data in wheels.items()}
    return reproducible_zip({"wheels/requirements.txt": listed, **content})


def reproducible_zip(content: Mapping[str, bytes]) -> bytes:
    """A zip of the files; not compressed, since each version of zlib compresses differently."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in content.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return buffer.getvalue()
