"""The Spark session: one JVM per process, one session per lakehouse."""

import hashlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse import jvm, py4j_tuning
from ecommerce_assets.lakehouse.java import jars, java_home
from ecommerce_assets.lakehouse.local_catalog import (
    CATALOG_FILE,
    WAREHOUSE,
    inode_of,
    prepare_catalog,
)
from ecommerce_assets.lakehouse.names import CATALOG, qualified, use_environment
from ecommerce_assets.package_files import cache_folder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MEDIUM_BYTES, LARGE_BYTES = 64 << 20, 448 << 20
PART_READ = 32  # share of a lakehouse that a run reads, roughly
JDBC_OPTIONS = "?busy_timeout=30000&journal_mode=WAL"
OUT_OF_MEMORY = 52  # org.apache.spark.util.SparkExitCode.OOM


class Size(StrEnum):
    """The size of a run, by which its JVM is configured.

    For a small one, the second compiler tier costs a third of the time. Medium ones, up to about a
    million orders, do with the small heap; a larger one fills up with garbage.
    """

    SMALL = "s"
    MEDIUM = "m"
    LARGE = "l"


HEAP = {Size.SMALL: "1500m", Size.MEDIUM: "1500m", Size.LARGE: "4g"}

_sessions: dict[str, tuple[int, "SparkSession"]] = {}  # with the inode of the catalog's file
_opening = threading.Lock()


def _start(config: Mapping[str, Any]) -> "SparkSession":
    from pyspark.sql import SparkSession

    return SparkSession.builder.config(map=dict(config)).getOrCreate()


def start_by(start: Callable[[Mapping[str, Any]], "SparkSession"]) -> None:
    """Set what starts the process's JVM, given its settings."""
    globals()["_start"] = start


def local_spark_config(delivered: int = 0, lakehouse: str = "") -> dict[str, Any]:
    """Settings of the local JVM, tuned for data of a laptop's size.

    Few shuffle partitions, no UI, a large young generation and, for a small run, only the first
    compiler tier halve its time. Java and the workers' Python are set in the environment, where
    pyspark looks for them. `SPARK_DRIVER_MEMORY` limits the JVM's heap, as in Spark's own scripts.

    Args:
        delivered: bytes of the deliveries that the run reads.
        lakehouse: folder of its tables.
    """
    os.environ["JAVA_HOME"] = java_home()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    cores, size = os.cpu_count() or 2, size_of(delivered, lakehouse)
    class_path = os.pathsep.join(str(jar) for jar in jars())
    java_options = [
        f"-Xms{HEAP[Size.SMALL]}",
        "-XX:NewSize=800m",
        "-XX:+UseParallelGC",
        "-XX:ReservedCodeCacheSize=256m",
    ]
    # By default, a full collection runs each time the loaded classes have doubled.
    java_options.append("-XX:MetaspaceSize=256m")
    # Spark's generated code for many columns exceeds the length up to which Java compiles by
    # default; interpreted, a million rows take twice as long.
    java_options.append("-XX:-DontCompileHugeMethods")
    if size == Size.SMALL:
        java_options.append("-XX:TieredStopAtLevel=1")
    java_options.append(
        f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties')}"
    )
    # Standard output is for results.
    java_options.append("-Xlog:disable -Xlog:all=warning:stderr -Xlog:cds*=off:stderr")
    archive = class_archive()
    if archive.is_file():
        java_options.append(f"-XX:SharedArchiveFile={archive}")
    return {
        "spark.master": f"local[{cores}]",
        "spark.app.name": "ecommerce_assets",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.memory": os.environ.get("SPARK_DRIVER_MEMORY", HEAP[size]),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.extraClassPath": class_path,
        "spark.driver.extraJavaOptions": " ".join(java_options),
        "spark.sql.extensions": (
            "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
        ),
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.warehouse.dir": str(Path(tempfile.gettempdir()) / "spark-warehouse"),
        "spark.sql.session.timeZone": "UTC",
        # A time that does not fit a pattern is none, whatever older versions of Spark made of it.
        "spark.sql.legacy.timeParserPolicy": "CORRECTED",
        "spark.sql.shuffle.partitions": str(cores),
        "spark.sql.adaptive.enabled": "false",
        # Compiled classes to cache; a run has more than the default of 100.
        "spark.sql.codegen.cache.maxEntries": "2000",
        # Compressing cached rows takes as long as parsing them.
        "spark.sql.inMemoryColumnarStorage.compressed": "false",
        "spark.sql.ui.explainMode": "simple",
        # First page of each hash table and sort; the default of up to 64 MB stays mostly empty.
        "spark.buffer.pageSize": "2m",
        # By default, `limit` reads one partition first and the rest in a second job.
        "spark.sql.limit.initialNumPartitions": "64",
        # Without its native library, Hadoop's implementation forks a `chmod` for each file.
        "spark.hadoop.fs.file.impl": "com.globalmentor.apache.hadoop.fs.BareLocalFileSystem",
    }


def size_of(delivered: int, lakehouse: str) -> Size:
    """The size of a run.

    Args:
        delivered: bytes of the deliveries that it reads.
        lakehouse: folder of its tables.
    """
    read = delivered + bytes_below(lakehouse) // PART_READ
    return Size.SMALL if read < MEDIUM_BYTES else Size.MEDIUM if read < LARGE_BYTES else Size.LARGE


def bytes_below(folder: str) -> int:
    """Total size of the files below a folder."""
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            # Another process may remove a file meanwhile.
            with suppress(FileNotFoundError):
                size += (Path(parent) / name).stat().st_size
    return size


def class_archive() -> Path:
    """The JVM's class data archive; `make install` writes it.

    It fits one Java and one class path, so both are part of its name.
    """
    spark = find_spec("pyspark")
    class_path = [java_home(), str(spark and spark.origin), *map(str, jars())]
    tag = hashlib.sha256(os.pathsep.join(class_path).encode()).hexdigest()[:12]
    return cache_folder() / f"classes-{tag}.jsa"


def open_session(lakehouse: str, delivered: int = 0, environment: str = "") -> "SparkSession":
    """The session for a lakehouse; starts the JVM if necessary.

    Sessions of several local lakehouses share one JVM, each with its own catalog. On Glue, the
    job's settings configure the one catalog, the Data Catalog.

    Args:
        lakehouse: a folder; on Glue, the `s3://` location of the catalog.
        delivered: bytes of deliveries to read; a new JVM is configured for that much.
        environment: on Glue, the environment whose databases the catalog's tables are in.

    Raises:
        PipelineError: on Glue, the job is configured for another catalog.
    """
    with _opening:
        if "://" in lakehouse:
            return _session_of_glue(lakehouse, environment)
        folder = Path(lakehouse)
        inode, session = _sessions.get(lakehouse, (0, None))
        # A lakehouse that was removed and created again is another one.
        if session is None or inode_of(folder / CATALOG_FILE) != inode:
            with ThreadPoolExecutor(1) as pool:
                preparing = pool.submit(prepare_catalog, folder)
                session = _jvm_session(delivered, lakehouse).newSession()
                preparing.result()
            for key, value in _catalog_config(folder).items():
                session.conf.set(key, value)
            # A session loads its catalog at the first use, by the settings of the thread's active
            # session: later that may be another one.
            session.catalog.databaseExists(qualified("bronze"))
            _sessions[lakehouse] = (inode_of(folder / CATALOG_FILE), session)
        return session


def why_jvm_ended() -> str:
    """The reason if the JVM started by this process has died, else None.

    Calls to it then fail with py4j's "Answer from Java side is empty", or in a thread pool that is
    shutting down.
    """
    code = jvm.exit_code()
    if code is None:
        return ""
    why = "standard error or the system's log says why"
    if code == OUT_OF_MEMORY:
        why = (
            "out of memory; run fewer dates at once, or give it more: SPARK_DRIVER_MEMORY=8g "
            f"({HEAP[Size.SMALL]} unless it is set, {HEAP[Size.LARGE]} for much data)"
        )
    return f"Spark's JVM ended with exit code {code}, what was published stays as it was: {why}"


def _session_of_glue(lakehouse: str, environment: str) -> "SparkSession":
    from pyspark.sql import SparkSession

    session = SparkSession.builder.getOrCreate()
    name = f"spark.sql.catalog.{CATALOG}.warehouse"
    warehouse = session.conf.get(name, None)
    if warehouse != lakehouse:
        raise PipelineError(
            f"the job's {name} is {warehouse}, and the run is for {lakehouse}: the job was "
            "deployed for another lakehouse; apply Terraform again, or set ECOMMERCE_LAKEHOUSE"
        )
    py4j_tuning.remember_classes(jvm.java_root(session))
    use_environment(environment)
    return session


def _jvm_session(delivered: int = 0, lakehouse: str = "") -> "SparkSession":
    from pyspark.sql import SparkSession

    session = SparkSession.getActiveSession()
    if session is None:
        session = _start(local_spark_config(delivered, lakehouse))
    jvm.set_up(session)
    return session


def _catalog_config(folder: Path) -> dict[str, str]:
    catalog = f"spark.sql.catalog.{CATALOG}"
    return {
        catalog: "org.apache.iceberg.spark.SparkCatalog",
        f"{catalog}.type": "jdbc",
        f"{catalog}.uri": f"jdbc:sqlite:{folder / CATALOG_FILE}{JDBC_OPTIONS}",
        f"{catalog}.jdbc.schema-version": "V1",
        # When Iceberg 1.10.0 creates these tables, it leaves a read lock open, and every commit by
        # another process fails with SQLITE_BUSY.
        f"{catalog}.jdbc.init-catalog-tables": "false",
        f"{catalog}.warehouse": str(folder / WAREHOUSE),
        # With the cache, a long session would not see other processes' commits.
        f"{catalog}.cache-enabled": "false",
    }
