"""Access to Spark's Java objects, and to the JVM's process.

No other module uses private attributes of pyspark. `Java` is any object of the JVM.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ecommerce_assets.lakehouse import py4j_tuning

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Java = Any
END_SECONDS = 1


def java_root(spark: "SparkSession") -> Java:
    """The JVM's packages."""
    return spark._jvm


def each(sequence: Java) -> Iterator[Java]:
    """The members of a Java or Scala collection."""
    iterator = sequence.iterator()
    while iterator.hasNext():
        yield iterator.next()


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
