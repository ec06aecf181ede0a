"""The Spark session: one JVM a process, one session a lakehouse."""

import hashlib
import os
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse import jvm, py4j_tuning
from ecommerce_assets.lakehouse.java import cache_folder, jars, java_home

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CATALOG = "lakehouse"
CATALOG_FILE = "catalog.db"
LARGE_BYTES = 64 << 20
PART_READ = 32  # of a lakehouse, a run reads so small a part beside what was delivered
OUT_OF_MEMORY = 52  # org.apache.spark.util.SparkExitCode.OOM
SQLITE_OPTIONS = "?busy_timeout=30000&journal_mode=WAL"

_sessions: dict[str, "SparkSession"] = {}
_opening = threading.Lock()


def local_spark_config(delivered: int = 0, lakehouse: str = "") -> dict[str, Any]:
    """Settings of the local JVM, tuned for tables of a laptop's size.

    Few shuffle partitions, no UI, a young generation that seldom fills and, for little data, the
    first compiler tier alone halve the wall time of a small run. What pyspark takes from the
    environment alone, Java and the workers' Python, is set there. `SPARK_DRIVER_MEMORY`, as
    Spark's own scripts have it, is the most that the JVM's heap may grow to.

    Args:
        delivered: bytes of the deliveries that the run reads.
        lakehouse: folder of its tables. From `LARGE_BYTES` on, the deliveries with a part of the
            tables, the second compiler pays for itself; below, it takes a third of the run's time.
    """
    os.environ["JAVA_HOME"] = java_home()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    cores = os.cpu_count() or 2
    class_path = os.pathsep.join(str(jar) for jar in jars())
    java_options = [
        "-Xms2g",
        "-XX:NewSize=1200m",
        "-XX:+UseParallelGC",
        "-XX:ReservedCodeCacheSize=256m",
    ]
    # The default lets the JVM collect all of the heap each time that its classes have doubled.
    java_options.append("-XX:MetaspaceSize=256m")
    # The code that Spark makes for a table of many columns is longer than what Java compiles by
    # default: interpreted, a million rows take twice as long.
    java_options.append("-XX:-DontCompileHugeMethods")
    if delivered + bytes_below(lakehouse) // PART_READ < LARGE_BYTES:
        java_options.append("-XX:TieredStopAtLevel=1")
    java_options.append(
        f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties')}"
    )
    # Standard output is for results. An archive that finds its addresses taken costs some seconds.
    java_options.append("-Xlog:disable -Xlog:all=warning:stderr -Xlog:cds*=off:stderr")
    archive = class_archive()
    if archive.is_file():
        java_options.append(f"-XX:SharedArchiveFile={archive}")
    return {
        "spark.master": f"local[{cores}]",
        "spark.app.name": "ecommerce_assets",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.memory": os.environ.get("SPARK_DRIVER_MEMORY", "4g"),
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
        "spark.sql.shuffle.partitions": str(cores),
        "spark.sql.adaptive.enabled": "false",
        # By default Spark remembers 100 pieces of compiled code: fewer than one run has.
        "spark.sql.codegen.cache.maxEntries": "2000",
        "spark.sql.ui.explainMode": "simple",
        # The first page of each hash table and each sort; by default up to 64 MB, mostly empty.
        "spark.buffer.pageSize": "2m",
        # By default the first look for some rows takes one partition, a second one the rest.
        "spark.sql.limit.initialNumPartitions": "64",
        # Hadoop's own, without its native library, forks a `chmod` for each file and folder.
        "spark.hadoop.fs.file.impl": "com.globalmentor.apache.hadoop.fs.BareLocalFileSystem",
    }


def bytes_below(folder: str) -> int:
    """Size of the files in a folder and those below it."""
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            # Another process may remove a file while this one looks.
            with suppress(FileNotFoundError):
                size += (Path(parent) / name).stat().st_size
    return size


def class_archive() -> Path:
    """The JVM's class data archive; `make install` writes it.

    It serves one Java and one class path only, so both are part of its name.
    """
    spark = find_spec("pyspark")
    class_path = [java_home(), str(spark and spark.origin), *map(str, jars())]
    tag = hashlib.sha256(os.pathsep.join(class_path).encode()).hexdigest()[:12]
    return cache_folder() / f"classes-{tag}.jsa"


def open_session(lakehouse: str, delivered: int = 0) -> "SparkSession":
    """The session whose catalog is that of `lakehouse`; the JVM starts if need be.

    Sessions of several local lakehouses share one JVM, each with a catalog of its own. On Glue
    there is one, the Data Catalog, and it is set up by the job's own settings.

    Args:
        lakehouse: a folder; on Glue the `s3://` location of the job's catalog.
        delivered: bytes of deliveries to read: a starting JVM is set up for the amount of data.

    Raises:
        PipelineError: on Glue: the job's catalog is another one.
    """
    with _opening:
        if "://" in lakehouse:
            return _session_of_glue(lakehouse)
        if lakehouse not in _sessions:
            folder = Path(lakehouse)
            with ThreadPoolExecutor(1) as pool:
                preparing = pool.submit(prepare_catalog, folder)
                session = _jvm_session(delivered, lakehouse).newSession()
                preparing.result()
            for key, value in _catalog_config(folder).items():
                session.conf.set(key, value)
            # A session loads its catalog at the first use, by the settings of the thread's active
            # session: later that may be another one.
            session.catalog.databaseExists(f"{CATALOG}.bronze")
            _sessions[lakehouse] = session
        return _sessions[lakehouse]


def why_jvm_ended() -> str:
    """What to say if the JVM that this process started has ended by itself, else nothing.

    What asked it then fails with py4j's "Answer from Java side is empty", or is refused by a pool
    of threads that is being shut down.
    """
    code = jvm.exit_code()
    if code is None:
        return ""
    why = "standard error or the system's log says why"
    if code == OUT_OF_MEMORY:
        why = (
            "out of memory; run fewer dates at once, or give it more: SPARK_DRIVER_MEMORY=8g "
            "(4g unless it is set)"
        )
    return f"Spark's JVM ended with exit code {code}, what was published stays as it was: {why}"


def _session_of_glue(lakehouse: str) -> "SparkSession":
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
    return session


def _jvm_session(delivered: int = 0, lakehouse: str = "") -> "SparkSession":
    from pyspark.sql import SparkSession

    session = SparkSession.getActiveSession()
    if session is None:
        config = local_spark_config(delivered, lakehouse)
        session = SparkSession.builder.config(map=config).getOrCreate()
    jvm.set_up(session)
    return session


def _catalog_config(folder: Path) -> dict[str, str]:
    catalog = f"spark.sql.catalog.{CATALOG}"
    return {
        catalog: "org.apache.iceberg.spark.SparkCatalog",
        f"{catalog}.type": "jdbc",
        f"{catalog}.uri": f"jdbc:sqlite:{folder / CATALOG_FILE}{SQLITE_OPTIONS}",
        f"{catalog}.jdbc.schema-version": "V1",
        # Iceberg 1.10.0 leaves a read lock open when it creates these tables itself, and every
        # commit of a second process then fails with SQLITE_BUSY.
        f"{catalog}.jdbc.init-catalog-tables": "false",
        f"{catalog}.warehouse": str(folder / "warehouse"),
        # With the cache on, a long session does not see another process's commits.
        f"{catalog}.cache-enabled": "false",
    }


def must_be_there(lakehouse: str) -> None:
    """Look for a local lakehouse.

    Raises:
        PipelineError: there is none.
    """
    if not (Path(lakehouse) / CATALOG_FILE).exists():
        raise PipelineError(
            f"no lakehouse at {lakehouse}: materialize tables first (`ecommerce run`), or set "
            "ECOMMERCE_LAKEHOUSE"
        )


def catalog_uri(folder: Path, how: str = "mode=rwc") -> str:
    """The catalog's file as SQLAlchemy opens it; `how` are options of SQLite's."""
    return f"sqlite:///file:{quote(str(folder / CATALOG_FILE))}?{how}&uri=true"


def prepare_catalog(folder: Path) -> None:
    """Create the catalog's file, whole at once: another run may begin at the same moment."""
    catalog = folder / CATALOG_FILE
    if catalog.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    from pyiceberg.catalog.sql import SqlCatalog

    with tempfile.TemporaryDirectory(prefix=".catalog.", dir=folder) as beside:
        # Its constructor creates the two catalog tables in the form that Iceberg's JDBC catalog
        # reads.
        warehouse = str(folder / "warehouse")
        SqlCatalog(CATALOG, uri=catalog_uri(Path(beside)), warehouse=warehouse).close()
        whole = Path(beside) / CATALOG_FILE
        try:
            # A link, unlike a rename, never takes the place of a catalog that is there.
            catalog.hardlink_to(whole)
        except FileExistsError:
            pass
        except OSError:
            # Some file systems have no hard links.
            if not catalog.exists():
                whole.rename(catalog)
