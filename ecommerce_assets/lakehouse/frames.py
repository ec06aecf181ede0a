"""Spark's view of the lakehouse: a table at a snapshot, and how many tasks shuffle its rows."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from ecommerce_assets.lakehouse.catalog import Lakehouse
from ecommerce_assets.lakehouse.history import existing
from ecommerce_assets.lakehouse.names import qualified

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SHUFFLE_BYTES = 16 << 20  # compressed bytes per shuffle partition
SHUFFLE_PARTITIONS = "spark.sql.shuffle.partitions"
BROADCAST_BYTES = "spark.sql.autoBroadcastJoinThreshold"


def with_columns_of(
    spark: "SparkSession", identifier: str, frame: "DataFrame"
) -> "tuple[DataFrame, list[str]]":
    """A frame with the columns of a table that it lacks, empty; and which these are."""
    there = {name.lower() for name in frame.columns}
    fields = spark.table(qualified(identifier)).schema.fields
    lacking = [field for field in fields if field.name.lower() not in there]
    empty = [F.lit(None).cast(field.dataType).alias(field.name) for field in lacking]
    return frame.select("*", *empty) if lacking else frame, [field.name for field in lacking]


def fit_shuffles(
    spark: "SparkSession", lakehouse: Lakehouse, identifiers: Iterable[str], delivered: int
) -> None:
    """Set the session's shuffle partitions for the size of what is to be read.

    With adaptive execution, as on Glue, Spark does that.

    Args:
        identifiers: of the tables.
        delivered: bytes of deliveries.
    """
    if is_adaptive(spark):
        return
    size = delivered + sum(history.bytes for history in existing(lakehouse, identifiers).values())
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
