"""Iceberg tables of the lakehouse: create, read at a snapshot, stage a new state, publish it."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse.session import CATALOG

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession
    from pyspark.sql.types import StructType

SHUFFLE_BYTES = 16 << 20  # of compressed files a shuffle partition

MADE_FROM = "ecommerce.made-from"
CODE_VERSION = "ecommerce.code-version"
RUN = "ecommerce.run"


class PublishConflict(Exception):
    """Another run published the table since this one staged its state; stage it anew."""


@dataclass(frozen=True)
class Marker:
    """What a table's state was made from; kept in its snapshot's summary.

    Attributes:
        made_from: snapshot id by upstream identifier; None where that table was empty.
        code_version: version of the code that made it.
        run: id of the run that made it.
    """

    made_from: dict[str, int | None]
    code_version: str
    run: str


@dataclass(frozen=True)
class Staged:
    """A new state, written to a branch that readers of the table do not see.

    Attributes:
        frame: the whole table as it will be once published.
        rows: its rows.
        added: rows that this run wrote.
    """

    frame: "DataFrame"
    rows: int
    added: int
    _table: Any
    _branch: str

    def rows_by_date(self, column: str) -> dict[date, int]:
        """Rows by partition of a date column, from the table's metadata: no Spark job.

        Empty where the table is not partitioned by that column alone.
        """
        spec = self._table.spec()
        if [field.name() for field in spec.fields()] != [column]:
            return {}
        counts: dict[date, int] = defaultdict(int)
        files = self._table.newScan().useRef(self._branch).planFiles()
        try:
            tasks = files.iterator()
            while tasks.hasNext():
                file = tasks.next().file()
                day = spec.partitionToPath(file.partition()).removeprefix(f"{column}=")
                counts[date.fromisoformat(day)] += file.recordCount()
        finally:
            files.close()
        return dict(counts)


def qualified(identifier: str) -> str:
    """The name by which Spark SQL knows the table."""
    return f"{CATALOG}.{identifier}"


def create_table(
    spark: "SparkSession",
    identifier: str,
    struct: "StructType",
    partitioned_by: Sequence[str],
    description: str,
) -> None:
    """Create the table unless it is there; add columns that it lacks.

    Raises:
        PipelineError: a column is there with another type.
    """
    namespace = identifier.split(".")[0]
    if not spark.catalog.tableExists(qualified(identifier)):
        _create(
            spark,
            f"CREATE NAMESPACE IF NOT EXISTS {qualified(namespace)}",
            lambda: spark.catalog.databaseExists(qualified(namespace)),
        )
        columns = ", ".join(_column_ddl(field) for field in struct.fields)
        by = f"PARTITIONED BY ({', '.join(partitioned_by)})" if partitioned_by else ""
        # Local files, few writers: an unpartitioned or already clustered frame needs no shuffle.
        mode = "hash" if any("(" in transform for transform in partitioned_by) else "none"
        _create(
            spark,
            f"CREATE TABLE IF NOT EXISTS {qualified(identifier)} ({columns}) USING iceberg {by} "
            f"COMMENT {_literal(description)} TBLPROPERTIES ('format-version'='2', "
            f"'write.distribution-mode'='{mode}', 'write.spark.fanout.enabled'='true', "
            "'read.split.open-file-cost'='524288', "
            "'commit.retry.num-retries'='30', 'commit.retry.min-wait-ms'='20')",
            lambda: spark.catalog.tableExists(qualified(identifier)),
        )
        return
    present = {field.name: field.dataType for field in spark.table(qualified(identifier)).schema}
    for field in struct.fields:
        if field.name not in present:
            spark.sql(f"ALTER TABLE {qualified(identifier)} ADD COLUMN {_column_ddl(field)}")
        elif present[field.name] != field.dataType:
            raise PipelineError(
                f"{identifier}.{field.name} is {present[field.name].simpleString()} in the "
                f"lakehouse and {field.dataType.simpleString()} in the declaration: rename the "
                "column, or drop the table and materialize it again"
            )


def _create(spark: "SparkSession", statement: str, exists: Callable[[], bool]) -> None:
    """Run a CREATE ... IF NOT EXISTS: its look and its creation are two steps to the catalog."""
    try:
        spark.sql(statement)
    except Exception:
        if not exists():
            raise


def snapshot_id(spark: "SparkSession", identifier: str) -> int | None:
    """Id of the published state; None for a table that never had one.

    Raises:
        PipelineError: the table does not exist.
    """
    if not spark.catalog.tableExists(qualified(identifier)):
        raise PipelineError(f"{identifier} does not exist yet: materialize it first")
    snapshot = _java_table(spark, identifier).currentSnapshot()
    return None if snapshot is None else snapshot.snapshotId()


def fit_shuffles(spark: "SparkSession", identifiers: Iterable[str]) -> None:
    """Set the session's shuffle partitions to the size of the tables that it is to read.

    Where adaptive execution is on, it does this by itself.
    """
    size = 0
    for identifier in identifiers:
        if spark.catalog.tableExists(qualified(identifier)):
            snapshot = _java_table(spark, identifier).currentSnapshot()
            size += int(snapshot.summary().get("total-files-size") or 0) if snapshot else 0
    cores = spark.sparkContext.defaultParallelism
    partitions = min(cores, 1 + size // SHUFFLE_BYTES)
    spark.conf.set("spark.sql.shuffle.partitions", str(partitions))


def read(spark: "SparkSession", identifier: str, snapshot: int | None) -> "DataFrame":
    """The table as it was published in `snapshot`, whatever is published meanwhile."""
    if snapshot is None:
        return spark.table(qualified(identifier))
    return spark.read.option("snapshot-id", snapshot).table(qualified(identifier))


@contextmanager
def staged(
    spark: "SparkSession",
    identifier: str,
    frame: "DataFrame",
    replace: "Column",
    marker: Marker,
) -> "Iterator[Staged]":
    """Write `frame` to a branch of its own in place of the rows that meet `replace`.

    Leaving the block publishes the branch by one atomic commit; an exception drops it, and the
    published state stays as it was.

    Raises:
        PublishConflict: another run published meanwhile; nothing was published.
    """
    table = _java_table(spark, identifier)
    branch = f"run_{marker.run}"
    start = table.currentSnapshot()
    manage = table.manageSnapshots()
    (
        manage.createBranch(branch, start.snapshotId()) if start else manage.createBranch(branch)
    ).commit()
    try:
        frame.writeTo(f"{qualified(identifier)}.branch_{branch}").options(
            **{
                f"snapshot-property.{MADE_FROM}": json.dumps(marker.made_from),
                f"snapshot-property.{CODE_VERSION}": marker.code_version,
                f"snapshot-property.{RUN}": marker.run,
            }
        ).overwrite(replace)
        table.refresh()
        summary = table.snapshot(branch).summary()
        yield Staged(
            frame=spark.read.option("branch", branch).table(qualified(identifier)),
            rows=int(summary.get("total-records") or 0),
            added=int(summary.get("added-records") or 0),
            _table=table,
            _branch=branch,
        )
        _publish(table, branch)
    except BaseException:
        table.refresh()
        if table.refs().containsKey(branch):
            table.manageSnapshots().removeBranch(branch).commit()
        raise


def _publish(table: Any, branch: str) -> None:
    from py4j.protocol import Py4JJavaError

    table.refresh()
    try:
        table.manageSnapshots().fastForwardBranch("main", branch).removeBranch(branch).commit()
    except Py4JJavaError as error:
        if "ancestor" in str(error.java_exception):
            raise PublishConflict(str(error.java_exception)) from error
        raise


def _java_table(spark: "SparkSession", identifier: str) -> Any:
    util = spark._jvm.org.apache.iceberg.spark.Spark3Util  # type: ignore[union-attr]
    return util.loadIcebergTable(spark._jsparkSession, qualified(identifier))


def _column_ddl(field: Any) -> str:
    comment = (field.metadata or {}).get("comment", "")
    return f"`{field.name}` {field.dataType.simpleString()} COMMENT {_literal(comment)}"


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
