"""Access to Spark's and Iceberg's Java objects, and to the JVM's process.

No other module uses private attributes of pyspark. `Java` is any object of the JVM.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ecommerce_assets.lakehouse import py4j_tuning

if TYPE_CHECKING:
    from datetime import date

    from pyspark.sql import DataFrame, SparkSession

Java = Any
END_SECONDS = 1


def java_root(spark: "SparkSession") -> Java:
    """The JVM's packages."""
    return spark._jvm


def iceberg_table(spark: "SparkSession", name: str) -> Java:
    """Iceberg's table object; a Java error if there is none."""
    util = java_root(spark).org.apache.iceberg.spark.Spark3Util
    return util.loadIcebergTable(spark._jsparkSession, name)


def table_metadata(spark: "SparkSession", table: Java) -> dict[str, Any]:
    """The table's metadata as the JSON document of its file, without a Spark job."""
    java = java_root(spark)
    text = java.java.io.StringWriter()
    generator = java.org.apache.iceberg.util.JsonUtil.factory().createGenerator(text)
    parser = java.org.apache.iceberg.TableMetadataParser
    parser.toJson(table.operations().current(), generator)
    generator.flush()
    metadata: dict[str, Any] = json.loads(py4j_tuning.text_of(text.getBuffer()))
    return metadata


def between(spark: "SparkSession", scan: Java, column: str, first: "date", last: "date") -> Java:
    """The scan, limited to files that may hold days of this range."""
    of = java_root(spark).org.apache.iceberg.expressions.Expressions
    scan = scan.filter(of.greaterThanOrEqual(column, first.isoformat()))
    return scan.filter(of.lessThanOrEqual(column, last.isoformat()))


def scanned_files(scan: Java) -> Iterator[Java]:
    """The data files of a scan."""
    planned = scan.planFiles()
    try:
        for task in each(planned):
            yield task.file()
    finally:
        planned.close()


def printable(spark: "SparkSession", values: Java) -> Java:
    """A copy of a Java map whose text shows its entries, unlike Iceberg's own."""
    return values and java_root(spark).java.util.HashMap(values)


def each(sequence: Java) -> Iterator[Java]:
    """The members of a Java or Scala collection."""
    iterator = sequence.iterator()
    while iterator.hasNext():
        yield iterator.next()


def with_properties(commit: Java, properties: Mapping[str, str]) -> Java:
    """A pending commit that sets properties of its snapshot."""
    for name, value in properties.items():
        commit = commit.set(name, value)
    return commit


@contextmanager
def counted(spark: "SparkSession", tag: str) -> Iterator[None]:
    """Give the Spark jobs that this thread starts a tag, for `jobs_of`."""
    context = spark.sparkContext
    context.addJobTag(tag)
    try:
        yield
    finally:
        context.removeJobTag(tag)


def jobs_of(spark: "SparkSession", tag: str) -> int:
    """The number of Spark jobs with a tag, as far as Spark remembers them."""
    return len(spark.sparkContext._jsc.sc().statusTracker().getJobIdsForTag(tag))


def analyzed_plan(frame: "DataFrame") -> Java:
    """Spark's analyzed plan of a frame."""
    return frame._jdf.queryExecution().analyzed()


def set_up(spark: "SparkSession") -> None:
    """Configure a JVM started by this process."""
    py4j_tuning.remember_classes(java_root(spark))
    # Parquet has its own checksums; Hadoop would write a .crc file beside each file.
    local = java_root(spark).org.apache.hadoop.fs.FileSystem
    local.getLocal(spark._jsc.hadoopConfiguration()).setWriteChecksum(False)


def exit_code() -> int | None:
    """Exit code of the JVM started by this process; None while it runs, or without one."""
    process = _process()
    if process is None:
        return None
    try:
        code: int = process.wait(timeout=END_SECONDS)
    except subprocess.TimeoutExpired:
        return None
    return code


def _process() -> "subprocess.Popen[bytes] | None":
    """The JVM started by this process."""
    from pyspark import SparkContext

    return getattr(SparkContext._gateway, "proc", None)


def has_ended() -> bool:
    """Whether the JVM started by this process has ended."""
    process = _process()
    return process is not None and process.poll() is not None


def kill() -> None:
    """Kill the JVM started by this process, if any."""
    process = _process()
    if process is not None:
        process.kill()


def _memory() -> Java:
    from pyspark import SparkContext

    java = SparkContext._jvm
    return java and java.java.lang.management.ManagementFactory.getMemoryMXBean()


def collect_garbage() -> None:
    """Free the heap of the JVM, if there is one."""
    if memory := _memory():
        memory.gc()


def bytes_beside_heap() -> int:
    """Bytes of classes and compiled code in the JVM; 0 without one."""
    memory = _memory()
    return int(memory.getNonHeapMemoryUsage().getUsed()) if memory else 0


def end_process(spark: "SparkSession") -> None:
    """End the JVM started by this process and wait for it."""
    spark.stop()
    gateway: Any = spark.sparkContext._gateway
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait()
