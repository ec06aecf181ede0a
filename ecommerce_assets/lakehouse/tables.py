"""Iceberg tables of the lakehouse: create, read at a snapshot, change branches."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from random import random
from time import sleep
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse.history import History
from ecommerce_assets.lakehouse.jvm import Java, each
from ecommerce_assets.lakehouse.local_catalog import local_path, must_lie_below, outside
from ecommerce_assets.lakehouse.names import CATALOG, qualified
from ecommerce_assets.sql import spark_literal

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructField, StructType

SHUFFLE_BYTES = 16 << 20  # compressed bytes per shuffle partition
PROPERTIES = {
    "read.split.open-file-cost": "524288",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
    # With more partitions changed, a snapshot's summary names none.
    "write.summary.partition-limit": "1000",
    # A column of many different values has no use for a dictionary. Parquet's limit of 2 MB holds
    # all values of a day, and building that dictionary takes half the time of a write.
    "write.parquet.dict-size-bytes": "65536",
    "commit.retry.num-retries": "30",
    "commit.retry.min-wait-ms": "20",
}
SHUFFLE_PARTITIONS = "spark.sql.shuffle.partitions"
BROADCAST_BYTES = "spark.sql.autoBroadcastJoinThreshold"
COMMIT_ATTEMPTS = 30
COMMIT_WAIT_SECONDS = 0.1


def create_table(
    spark: "SparkSession",
    identifier: str,
    struct: "StructType",
    partitioned_by: Sequence[str],
    description: str,
    *,
    clustered: bool = False,
) -> None:
    """Create the table if it does not exist; add missing columns, update the partitioning.

    Existing files keep their old partitions until they are replaced.

    Args:
        clustered: rows arrive partition by partition, so a write needs no shuffle.

    Raises:
        PipelineError: a column exists with another type.
    """
    namespace = identifier.split(".")[0]
    if not exists(spark, identifier):
        _create(
            spark,
            f"CREATE NAMESPACE IF NOT EXISTS {qualified(namespace)}",
            lambda: spark.catalog.databaseExists(qualified(namespace)),
        )
        columns = ", ".join(_column_ddl(field) for field in struct.fields)
        by = f"PARTITIONED BY ({', '.join(partitioned_by)})" if partitioned_by else ""
        mode = "hash" if partitioned_by and not clustered else "none"
        at_creation = {"format-version": "2", "write.distribution-mode": mode, **PROPERTIES}
        properties = ", ".join(f"'{name}'='{value}'" for name, value in at_creation.items())
        _create(
            spark,
            f"CREATE TABLE IF NOT EXISTS {qualified(identifier)} ({columns}) USING iceberg {by} "
            f"COMMENT {spark_literal(description)} TBLPROPERTIES ({properties})",
            lambda: exists(spark, identifier),
        )
        return
    # Spark does not distinguish names by case.
    present = {
        field.name.lower(): field.dataType for field in spark.table(qualified(identifier)).schema
    }
    for field in struct.fields:
        kind = present.get(field.name.lower())
        if kind is None:
            add = f"ALTER TABLE {qualified(identifier)} ADD COLUMN {_column_ddl(field)}"
            there = partial(_has_column, spark, identifier, field)
            _committed(partial(_create, spark, add, there))
        elif kind != field.dataType:
            raise PipelineError(
                f"{identifier}.{field.name} is {kind.simpleString()} in the "
                f"lakehouse and {field.dataType.simpleString()} in the declaration: rename the "
                "column, or drop the table and materialize it again"
            )
    history = History(spark, identifier)
    must_lie_in_warehouse(spark, history)
    present_by = history.partition_transforms
    if missing := PROPERTIES.keys() - history.properties.keys():
        change = history.table.updateProperties()
        for name in sorted(missing):
            change = change.set(name, PROPERTIES[name])
        change.commit()
    if present_by != list(partitioned_by):
        for verb, transforms in (("DROP", present_by), ("ADD", partitioned_by)):
            for transform in transforms:
                spark.sql(f"ALTER TABLE {qualified(identifier)} {verb} PARTITION FIELD {transform}")


def must_lie_in_warehouse(spark: "SparkSession", history: History) -> None:
    """Check that a table lies in the lakehouse of the session.

    Raises:
        PipelineError: it lies elsewhere.
    """
    warehouse = str(spark.conf.get(f"spark.sql.catalog.{CATALOG}.warehouse"))
    if "://" not in warehouse:
        must_lie_below(warehouse, {history.identifier: local_path(history.location)})
    elif not history.location.startswith(f"{warehouse.rstrip('/')}/"):
        raise outside(warehouse, 1, history.identifier, history.location)


def with_columns_of(
    spark: "SparkSession", identifier: str, frame: "DataFrame"
) -> "tuple[DataFrame, list[str]]":
    """A frame with the columns of a table that it lacks, empty; and which these are."""
    there = {name.lower() for name in frame.columns}
    fields = spark.table(qualified(identifier)).schema.fields
    lacking = [field for field in fields if field.name.lower() not in there]
    empty = [F.lit(None).cast(field.dataType).alias(field.name) for field in lacking]
    return frame.select("*", *empty) if lacking else frame, [field.name for field in lacking]


def drop_columns(spark: "SparkSession", identifier: str, columns: Iterable[str]) -> None:
    """Drop columns that no declaration has; one by which files are partitioned stays."""
    table = History(spark, identifier).table
    partitioned = {
        table.schema().findColumnName(field.sourceId())
        for spec in table.specs().values()
        for field in each(spec.fields())
    }
    dropped = ", ".join(f"`{name}`" for name in columns if name not in partitioned)
    if dropped:
        _committed(
            lambda: spark.sql(f"ALTER TABLE {qualified(identifier)} DROP COLUMNS ({dropped})")
        )


def _create(spark: "SparkSession", statement: str, exists: Callable[[], bool]) -> None:
    """Run a statement that creates something, unless another run has just created it.

    CREATE ... IF NOT EXISTS is not atomic in the catalog, and ADD COLUMN knows no such condition.
    """
    try:
        spark.sql(statement)
    except Exception:
        if not exists():
            raise


def _has_column(spark: "SparkSession", identifier: str, field: "StructField") -> bool:
    """Whether the table has the column with its type."""
    columns = spark.table(qualified(identifier)).schema
    return any(
        column.name.lower() == field.name.lower() and column.dataType == field.dataType
        for column in columns
    )


def exists(spark: "SparkSession", identifier: str) -> bool:
    """Whether the table exists."""
    return bool(spark.catalog.tableExists(qualified(identifier)))


def fit_shuffles(spark: "SparkSession", identifiers: Iterable[str], delivered: int) -> None:
    """Set the session's shuffle partitions for the size of what is to be read.

    With adaptive execution, as on Glue, Spark does that.

    Args:
        identifiers: of the tables.
        delivered: bytes of deliveries.
    """
    if is_adaptive(spark):
        return
    size = delivered + sum(
        History(spark, identifier).bytes for identifier in identifiers if exists(spark, identifier)
    )
    cores = spark.sparkContext.defaultParallelism
    partitions = min(cores, 1 + size // SHUFFLE_BYTES)
    spark.conf.set(SHUFFLE_PARTITIONS, str(partitions))
    # A broadcast is a Spark job of its own.
    spark.conf.set(BROADCAST_BYTES, "-1" if partitions == 1 else "10485760")


def is_adaptive(spark: "SparkSession") -> bool:
    """Whether Spark fits the number and size of shuffle partitions to the rows, as on Glue."""
    return bool(spark.conf.get("spark.sql.adaptive.enabled") == "true")


def read(spark: "SparkSession", identifier: str, snapshot: int | None) -> "DataFrame":
    """The table at a snapshot, whatever is published meanwhile."""
    if snapshot is None:
        return spark.table(qualified(identifier))
    rows = spark.read.option("snapshot-id", snapshot).table(qualified(identifier))
    # Rows in one partition are grouped and joined without a shuffle.
    return rows.coalesce(1) if spark.conf.get(SHUFFLE_PARTITIONS) == "1" else rows


def change_refs(table: Java, change: Callable[[Java], Java]) -> None:
    """Commit a change of branches."""

    def commit() -> None:
        table.refresh()
        change(table.manageSnapshots()).commit()

    _committed(commit)


def _committed(commit: Callable[[], Any]) -> None:
    """Do a commit; retried, since Iceberg 1.10 gives up on a concurrent one."""
    for attempt in range(COMMIT_ATTEMPTS):
        try:
            commit()
        except Exception as error:
            if "CommitFailed" not in str(error) or attempt + 1 == COMMIT_ATTEMPTS:
                raise
            sleep(random() * COMMIT_WAIT_SECONDS)
        else:
            return


def _column_ddl(field: Any) -> str:
    comment = (field.metadata or {}).get("comment", "")
    return f"`{field.name}` {field.dataType.simpleString()} COMMENT {spark_literal(comment)}"
