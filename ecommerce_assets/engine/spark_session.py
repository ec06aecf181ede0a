"""Spark's session: one JVM per process, one session per lakehouse.

No other module uses private attributes of pyspark.
"""

import os
import pwd
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from time import sleep
from typing import Any

from pyspark import SparkContext
from pyspark.sql import SparkSession

from ecommerce_assets.engine.java import jars, java_home
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse.local_catalog import (
    CATALOG_FILE,
    WAREHOUSE,
    inode_of,
    prepare_catalog,
)
from ecommerce_assets.lakehouse.names import CATALOG, qualified, use_environment
from ecommerce_assets.package_files import cache_folder

MANY_BYTES = 64 << 20
HEAP = "4g"  # at most, unless SPARK_DRIVER_MEMORY says another size
JDBC_OPTIONS = "?busy_timeout=30000&journal_mode=WAL"
ATTEMPTS = 30
WAIT_SECONDS = 0.1
END_SECONDS = 1
PYTHON = (3, 11)  # the newest that Spark 3.5 runs on
OUT_OF_MEMORY = 52  # org.apache.spark.util.SparkExitCode.OOM

# What another Spark on the machine leaves in the environment, and pyspark would follow.
OF_ANOTHER_SPARK = (
    "SPARK_HOME", "SPARK_CONF_DIR", "PYSPARK_SUBMIT_ARGS", "PYSPARK_DRIVER_PYTHON",
    "PYSPARK_DRIVER_PYTHON_OPTS", "HADOOP_CONF_DIR", "YARN_CONF_DIR", "SPARK_DIST_CLASSPATH",
    "SPARK_SUBMIT_OPTS", "SPARK_PREPEND_CLASSES", "SPARK_REMOTE", "SPARK_CONNECT_MODE_ENABLED",
    "SPARK_ANSI_SQL_MODE",
)  # fmt: skip

_sessions: dict[str, tuple[int, SparkSession]] = {}  # with the inode of the catalog's file
_opening = threading.Lock()


def _start(config: Mapping[str, Any]) -> SparkSession:
    return SparkSession.builder.config(map=dict(config)).getOrCreate()


def start_by(start: Callable[[Mapping[str, Any]], SparkSession]) -> None:
    """Set what starts the process's JVM, given its settings: a resource of Dagster's."""
    globals()["_start"] = start


def local_spark_config(delivered: int = 0) -> dict[str, Any]:
    """Settings of the local JVM, for data of a machine's size.

    Java and the workers' Python are set in the environment, where pyspark looks for them.

    Args:
        delivered: bytes of the deliveries to read. For few, the second compiler tier costs a third
            of the time.

    Raises:
        PipelineError: there is no Java 17, a jar can't be fetched, or Python is too new.
    """
    if sys.version_info[:2] > PYTHON:
        raise PipelineError(
            f"Spark 3.5 runs on Python 3.11 at most, and this is {sys.version.split()[0]}: leave "
            "ECOMMERCE_ENGINE out, or install by `make PYTHON=python3.11 install`"
        )
    _must_have_a_name()
    for name in OF_ANOTHER_SPARK:
        os.environ.pop(name, None)
    os.environ |= {
        "JAVA_HOME": java_home(),
        "PYSPARK_PYTHON": sys.executable,
        "LC_ALL": "C.UTF-8",  # in which Java reads the names of files
    }
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    cores = os.cpu_count() or 2
    java_options = [
        "-Xms1500m", "-XX:NewSize=800m", "-XX:+UseParallelGC", "-XX:ReservedCodeCacheSize=256m",
        # By default, a full collection runs each time the loaded classes have doubled.
        "-XX:MetaspaceSize=256m",
        # Spark's generated code for many columns exceeds the length up to which Java compiles by
        # default; interpreted, a million rows take twice as long.
        "-XX:-DontCompileHugeMethods",
        f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties')}",
        "-Xlog:disable -Xlog:all=warning:stderr",  # Standard output is for results.
        "-Duser.language=en", "-Duser.country=US",  # In Turkish, the capital of i is another one.
    ]  # fmt: skip
    # Java unpacks libraries there, to load them.
    unpacked = Path(tempfile.gettempdir())
    if os.statvfs(unpacked).f_flag & os.ST_NOEXEC:
        unpacked = cache_folder() / "java"
        unpacked.mkdir(parents=True, exist_ok=True)
    java_options.append(f'"-Djava.io.tmpdir={unpacked}"')
    if delivered < MANY_BYTES:
        java_options.append("-XX:TieredStopAtLevel=1")
    return {
        "spark.master": f"local[{cores}]",
        "spark.app.name": "ecommerce_assets",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.memory": os.environ.get("SPARK_DRIVER_MEMORY", HEAP),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.extraClassPath": os.pathsep.join(map(str, jars())),
        "spark.driver.extraJavaOptions": " ".join(java_options),
        "spark.sql.extensions": (
            "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
        ),
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.warehouse.dir": str(Path(tempfile.gettempdir()) / "spark-warehouse"),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "false",
        "spark.sql.caseSensitive": "false",
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


def _must_have_a_name() -> None:
    """Check that the user has a name, as Hadoop asks for one.

    Raises:
        PipelineError: the system knows only a number.
    """
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        raise PipelineError(
            f"the user {os.getuid()} has no entry in /etc/passwd, and Spark asks for the name: add "
            "one, or leave ECOMMERCE_ENGINE out"
        ) from None


def open_session(lakehouse: str, environment: str = "", delivered: int = 0) -> SparkSession:
    """The session for a lakehouse; starts the JVM if necessary.

    Sessions of several local lakehouses share one JVM, each with its own catalog. On Glue, the
    job's settings configure the one catalog, the Data Catalog.

    Args:
        lakehouse: a folder; on Glue, the `s3://` location of the catalog.
        environment: on Glue, the environment whose databases the catalog's tables are in.
        delivered: bytes of deliveries to read; a new JVM is configured for that much.

    Raises:
        PipelineError: on Glue, the job is configured for another catalog; locally, see
            `local_spark_config`.
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
                session = _jvm_session(delivered).newSession()
                preparing.result()
            for key, value in _catalog_config(folder).items():
                session.conf.set(key, value)
            # A session loads its catalog at the first use, by the settings of the thread's active
            # session: later that may be another one.
            _load_catalog(session)
            _sessions[lakehouse] = (inode_of(folder / CATALOG_FILE), session)
        return session


def _load_catalog(session: SparkSession) -> None:
    """Have a session open its catalog.

    While another process closes its last connection, SQLite refuses a new one instead of waiting.
    """
    for attempt in count(1):
        try:
            session.catalog.databaseExists(qualified("bronze"))
            return
        except Exception as error:
            if "SQLITE_BUSY" not in str(error) or attempt == ATTEMPTS:
                raise
        sleep(WAIT_SECONDS)


def why_jvm_ended() -> str:
    """The reason if the JVM started by this process has died, else nothing.

    Calls to it then fail with py4j's "Answer from Java side is empty", or in a thread pool that is
    shutting down.
    """
    process = getattr(SparkContext._gateway, "proc", None)
    if process is None:
        return ""
    try:
        code = process.wait(timeout=END_SECONDS)
    except subprocess.TimeoutExpired:
        return ""
    why = "standard error or the system's log says why"
    if code == OUT_OF_MEMORY:
        why = (
            "out of memory; run fewer dates at once, or give it more: SPARK_DRIVER_MEMORY=8g "
            f"({HEAP} unless it is set)"
        )
    return f"Spark's JVM ended with exit code {code}, what was published stays as it was: {why}"


def _session_of_glue(lakehouse: str, environment: str) -> SparkSession:
    session = SparkSession.builder.getOrCreate()
    name = f"spark.sql.catalog.{CATALOG}.warehouse"
    warehouse = session.conf.get(name, None)
    if warehouse != lakehouse:
        raise PipelineError(
            f"the job's {name} is {warehouse}, and the run is for {lakehouse}: the job was "
            "deployed for another lakehouse; apply Terraform again, or set ECOMMERCE_LAKEHOUSE"
        )
    use_environment(environment)
    return session


def _jvm_session(delivered: int) -> SparkSession:
    session = SparkSession.getActiveSession()
    if session is None:
        session = _start(local_spark_config(delivered))
    # Parquet has its own checksums; Hadoop would write a .crc file beside each file.
    java: Any = session._jvm
    local = java.org.apache.hadoop.fs.FileSystem
    local.getLocal(session._jsc.hadoopConfiguration()).setWriteChecksum(False)
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
        # Each further connection might be refused, see `_load_catalog`.
        f"{catalog}.clients": "1",
        # With the cache, a long session would not see other processes' commits.
        f"{catalog}.cache-enabled": "false",
    }


@contextmanager
def counted(spark: SparkSession, tag: str) -> Iterator[None]:
    """Give the Spark jobs that this thread starts a tag, for `jobs_of`."""
    context = spark.sparkContext
    context.addJobTag(tag)
    try:
        yield
    finally:
        context.removeJobTag(tag)


def jobs_of(spark: SparkSession, tag: str) -> int:
    """The number of Spark jobs with a tag, as far as Spark remembers them."""
    return len(spark.sparkContext._jsc.sc().statusTracker().getJobIdsForTag(tag))


def drop_view(spark: SparkSession, name: str) -> None:
    """Drop a temporary view; what is cached of its frame stays, unlike by Spark's public way."""
    spark._jsparkSession.sessionState().catalog().dropTempView(name)
