"""The one door to Spark's and Iceberg's Java objects, and to the process that they live in.

`Java` stands for an object of the JVM: py4j knows no types.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping
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
    """Iceberg's table of that name, or the Java error that there is none."""
    util = java_root(spark).org.apache.iceberg.spark.Spark3Util
    return util.loadIcebergTable(spark._jsparkSession, name)


def table_metadata(spark: "SparkSession", table: Java) -> dict[str, Any]:
    """The table's metadata, as in its file: one JSON document, no Spark job."""
    java = java_root(spark)
    text = java.java.io.StringWriter()
    generator = java.org.apache.iceberg.util.JsonUtil.factory().createGenerator(text)
    parser = java.org.apache.iceberg.TableMetadataParser
    parser.toJson(table.operations().current(), generator)
    generator.flush()
    metadata: dict[str, Any] = json.loads(py4j_tuning.text_of(text.getBuffer()))
    return metadata


def between(spark: "SparkSession", scan: Java, column: str, first: "date", last: "date") -> Java:
    """The scan, of files that may hold a day from the first to the last one."""
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
    """A copy of a Java map that prints its entries, which Iceberg's own does not."""
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


def analyzed_plan(frame: "DataFrame") -> Java:
    """Spark's analyzed plan of a frame."""
    return frame._jdf.queryExecution().analyzed()


def set_up(spark: "SparkSession") -> None:
    """Set up a JVM that this process has started."""
    py4j_tuning.remember_classes(java_root(spark))
    # Hadoop would write a checksum file beside each file; what Parquet writes has its own.
    local = java_root(spark).org.apache.hadoop.fs.FileSystem
    local.getLocal(spark._jsc.hadoopConfiguration()).setWriteChecksum(False)


def exit_code() -> int | None:
    """Exit code of the JVM that this process started; None while it runs or there is none."""
    from pyspark import SparkContext

    process = getattr(SparkContext._gateway, "proc", None)
    if process is None:
        return None
    try:
        code: int = process.wait(timeout=END_SECONDS)
    except subprocess.TimeoutExpired:
        return None
    return code


def end_process(spark: "SparkSession") -> None:
    """End the JVM that this process started, and wait until it is gone."""
    spark.stop()
    gateway: Any = spark.sparkContext._gateway
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait()
