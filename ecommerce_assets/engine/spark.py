"""Spark as an engine: set-wise queries by translation, row-wise ones by DuckDB in its workers."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DataType,
    DateType,
    DecimalType,
    DoubleType,
    IntegerType,
    LongType,
    MapType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from ecommerce_assets.engine.duck import connect, database_of_worker
from ecommerce_assets.engine.parquet import add_snapshot, layout_of, write_files
from ecommerce_assets.engine.queries import Query
from ecommerce_assets.engine.relation import ROWS, Engine, JoinedBy, Observed, Overwrite, Relation
from ecommerce_assets.engine.spark_session import counted, drop_view, jobs_of
from ecommerce_assets.engine.storage import InPlace, OnS3
from ecommerce_assets.engine.translation import in_spark, spark_sql
from ecommerce_assets.engine.types import Kind
from ecommerce_assets.lakehouse.catalog import Lakehouse
from ecommerce_assets.lakehouse.history import existing
from ecommerce_assets.lakehouse.names import qualified
from ecommerce_assets.sql import DECIMAL_TYPE, MAP_TYPE, ansi_literal

if TYPE_CHECKING:
    import pyarrow as pa

PARTS_A_TASK = 32
SHUFFLE_BYTES = 16 << 20  # compressed bytes per shuffle partition
SHUFFLE_PARTITIONS = "spark.sql.shuffle.partitions"
BROADCAST_BYTES = "spark.sql.autoBroadcastJoinThreshold"
_BATCH = 100_000
_WANTED = "wanted"
_WANTED_KEY = "_wanted_key"
_KEY = "_key_of_partition"
_SIMPLE: dict[str, DataType] = {
    "TEXT": StringType(), "BOOLEAN": BooleanType(), "DATE": DateType(), "INT": IntegerType(),
    "BIGINT": LongType(), "DOUBLE": DoubleType(), "TIMESTAMPTZ": TimestampType(),
}  # fmt: skip
_numbers = count()


@dataclass(frozen=True)
class SparkEngine(Engine):
    """A session of Spark."""

    spark: SparkSession

    def table(self, identifier: str, snapshot: int | None) -> "SparkRelation":
        """See `Engine`."""
        return SparkRelation(_read(self.spark, identifier, snapshot))

    def days(self, column: str, days: Iterable[date]) -> "SparkRelation":
        """See `Engine`."""
        listed = ", ".join(map(ansi_literal, sorted(days)))
        dates = f"cast(array({listed}) as array<date>)"
        return SparkRelation(self.spark.sql(f"select explode({dates}) as {column}"))

    def of_parts(
        self,
        parts: int,
        read: "Callable[[int], Iterator[pa.RecordBatch]]",
        kinds: Mapping[str, str],
    ) -> "SparkRelation":
        """See `Engine`."""
        struct = struct_of(kinds)
        if not parts:
            return SparkRelation(self.spark.createDataFrame([], struct))
        cores = self.spark.sparkContext.defaultParallelism
        # Tasks small enough to keep all cores busy until the end.
        tasks = min(parts, max(cores, -(-parts // PARTS_A_TASK)))

        def rows(batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
            for batch in batches:
                for number in batch.column("id").to_pylist():
                    yield from read(number)

        return SparkRelation(self.spark.range(0, parts, 1, tasks).mapInArrow(rows, struct))

    def overwrite(self, write: Overwrite, branch: str, summary: Mapping[str, str]) -> list[str]:
        """See `Engine`."""
        layout = layout_of(write.base, write.schema)
        rows = frame_of(write.rows)
        if write.stays is not None:
            rows = rows.unionByName(frame_of(write.stays), allowMissingColumns=True)
        select, on_s3 = layout.select(ROWS, rows.columns), "://" in write.base.location

        def written(batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
            import pyarrow as pa

            there = _reader(batches)
            if there is None:
                return
            with (
                tempfile.TemporaryDirectory() as copies,
                database_of_worker().cursor() as connection,
            ):
                connection.register(ROWS, there)
                storage = OnS3(Path(copies)) if on_s3 else InPlace()
                paths = write_files(connection, layout, storage, select)
            yield pa.RecordBatch.from_pydict({"path": pa.array(paths, pa.string())})

        files = _by_partition(self.spark, rows, write).mapInArrow(written, "path string").collect()
        with connect() as connection:
            add_snapshot(connection, write, [file["path"] for file in files], branch, summary)
        return layout.lacking(write.rows.columns)

    def counted(self, tag: str) -> AbstractContextManager[None]:
        """See `Engine`."""
        return counted(self.spark, tag)

    def jobs_of(self, tag: str) -> int:
        """See `Engine`."""
        return jobs_of(self.spark, tag)

    def answer(self, query: Query, relations: Mapping[str, Relation]) -> "SparkRelation":
        """See `Engine`."""
        views = {name: f"relation_{next(_numbers)}" for name in relations}
        try:
            for name, relation in relations.items():
                frame_of(relation).createOrReplaceTempView(views[name])
            # A write would look at the names of the views again, were there no plan in between.
            return SparkRelation(self.spark.sql(spark_sql(query.tree, views)).select("*"))
        finally:
            for view in views.values():
                drop_view(self.spark, view)


@dataclass(frozen=True)
class SparkRelation(Relation):
    """The rows of a frame."""

    frame: DataFrame

    @property
    def engine(self) -> SparkEngine:
        """See `Relation`."""
        return SparkEngine(self.frame.sparkSession)

    @property
    def columns(self) -> tuple[str, ...]:
        """See `Relation`."""
        return tuple(self.frame.columns)

    @property
    def types(self) -> dict[str, str]:
        """See `Relation`."""
        return {field.name: field.dataType.simpleString() for field in self.frame.schema}

    def where(self, condition: str) -> "SparkRelation":
        """See `Relation`."""
        return SparkRelation(self.frame.where(in_spark(condition)))

    def where_row_wise(self, condition: str) -> "SparkRelation":
        """See `Relation`."""
        return self._mapped(f"SELECT * FROM {ROWS} WHERE {condition}", self.frame.schema, ())

    def select(self, *columns: str) -> "SparkRelation":
        """See `Relation`."""
        there = [F.col("`" + name.replace("`", "``") + "`") for name in columns]
        return SparkRelation(self.frame.select(*there))

    def row_wise(self, query: str, kinds: Mapping[str, Kind]) -> "SparkRelation":
        """See `Relation`."""
        return self._mapped(query, struct_of(kinds), ())

    def with_values(self, expression: str, values: Sequence[str]) -> "SparkRelation":
        """See `Relation`."""
        wanted = f"SEMI JOIN {_WANTED} ON {expression} = {_WANTED_KEY}"
        return self._mapped(f"SELECT {ROWS}.* FROM {ROWS} {wanted}", self.frame.schema, values)

    def checkpointed(self) -> "SparkRelation":
        """See `Relation`.

        Planning on top of it is as fast as on a table, whereas frames cached on top of each other
        take longer and longer to plan. The rows are not compressed.
        """
        return SparkRelation(self.frame.localCheckpoint(eager=False))

    def cached(self) -> "SparkRelation":
        """See `Relation`; in memory, beyond that on disk."""
        return SparkRelation(self.frame.persist())

    def release(self) -> None:
        """See `Relation`."""
        self.frame.unpersist()

    def joined_by(self, way: JoinedBy) -> "SparkRelation":
        """See `Relation`."""
        return SparkRelation(self.frame.hint(way))

    def observed(self, figures: Mapping[str, str]) -> "tuple[SparkRelation, Observed]":
        """See `Relation`."""
        observation = Observation()
        asked = [F.expr(in_spark(sql)).alias(name) for name, sql in figures.items()]
        return SparkRelation(self.frame.observe(observation, *asked)), lambda: observation.get

    def rows(self, most: int | None = None) -> list[dict[str, Any]]:
        """See `Relation`."""
        found = self.frame if most is None else self.frame.limit(most)
        return [row.asDict(recursive=True) for row in found.collect()]

    def count(self) -> int:
        """See `Relation`."""
        return self.frame.count()

    @property
    def is_empty(self) -> bool:
        """See `Relation`."""
        return self.frame.isEmpty()

    def _mapped(self, query: str, struct: StructType, values: Sequence[str]) -> "SparkRelation":
        """The answer of DuckDB in Python workers, on Arrow batches."""
        # Times leave the query without a zone, in UTC.
        schema = to_arrow_schema(struct)

        def answered(batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
            import pyarrow as pa

            rows = _reader(batches)
            if rows is None:
                return
            with database_of_worker().cursor() as connection:
                connection.register(ROWS, rows)
                connection.register(_WANTED, pa.table({_WANTED_KEY: pa.array(values, pa.string())}))
                for batch in connection.sql(query).to_arrow_reader(_BATCH):
                    arrays = [
                        column.cast(field.type)
                        for column, field in zip(batch.columns, schema, strict=True)
                    ]
                    yield pa.RecordBatch.from_arrays(arrays, schema=schema)

        return SparkRelation(self.frame.mapInArrow(answered, struct))


def struct_of(kinds: Mapping[str, Kind]) -> StructType:
    """The schema of columns, by their types in DuckDB's words."""
    return StructType([StructField(name, _spark_type(kind)) for name, kind in kinds.items()])


def _spark_type(kind: Kind) -> DataType:
    if not isinstance(kind, str):
        return struct_of(kind)
    if kind.endswith("[]"):
        return ArrayType(_spark_type(kind[:-2]))
    if found := MAP_TYPE.fullmatch(kind):
        return MapType(_spark_type(found[1]), _spark_type(found[2]))
    if found := DECIMAL_TYPE.fullmatch(kind):
        return DecimalType(int(found[1]), int(found[2]))
    return _SIMPLE[kind]


def frame_of(relation: Relation) -> DataFrame:
    """The frame of a relation of Spark's."""
    assert isinstance(relation, SparkRelation)
    return relation.frame


def _reader(batches: "Iterable[pa.RecordBatch]") -> "pa.RecordBatchReader | None":
    """The batches of a task of Spark's, as they come; None without any."""
    import pyarrow as pa

    there = iter(batches)
    first = next(there, None)
    if first is None:
        return None
    return pa.RecordBatchReader.from_batches(first.schema, chain([first], there))


def _by_partition(spark: SparkSession, rows: DataFrame, write: Overwrite) -> DataFrame:
    """Rows such that few tasks write files of the same partition of the table."""
    base, is_adaptive = write.base, _is_adaptive(spark)
    if not base.is_shuffled or write.in_order or base.partition_column is None:
        return rows
    if write.whole and not is_adaptive:
        # A shuffle by month would leave all rows of a month to one task, and nothing splits them
        # without adaptive execution. There are no more files than cores to a partition.
        return rows
    column = F.col(base.partition_column)
    keyed = rows.withColumn(_KEY, F.trunc(column, "month") if base.monthly else column)
    if not is_adaptive:
        return keyed.repartition(_KEY)
    return spark.sql(f"SELECT /*+ REBALANCE({_KEY}) */ * FROM {{rows}}", rows=keyed)


def _read(spark: SparkSession, identifier: str, snapshot: int | None) -> DataFrame:
    """The table at a snapshot, whatever is published meanwhile."""
    now = spark.table(qualified(identifier))
    if snapshot is None:
        return now
    # With the columns that it had, or will have once it is published.
    # Not `VERSION AS OF`: Spark then takes the rows that it keeps of one snapshot for another's.
    rows = spark.table(f"{qualified(identifier)}.snapshot_id_{snapshot}")
    lacking = [field for field in now.schema.fields if field.name not in rows.columns]
    if lacking:
        empty = [F.lit(None).cast(field.dataType).alias(field.name) for field in lacking]
        rows = rows.select("*", *empty)
    # Rows in one partition are grouped and joined without a shuffle.
    return rows.coalesce(1) if spark.conf.get(SHUFFLE_PARTITIONS) == "1" else rows


def _is_adaptive(spark: SparkSession) -> bool:
    """Whether Spark fits the number and size of shuffle partitions to the rows, as on Glue."""
    return bool(spark.conf.get("spark.sql.adaptive.enabled") == "true")


def fit_shuffles(
    spark: SparkSession, lakehouse: Lakehouse, identifiers: Iterable[str], delivered: int
) -> None:
    """Set the session's shuffle partitions for the size of what is to be read.

    With adaptive execution, as on Glue, Spark does that.

    Args:
        identifiers: of the tables.
        delivered: bytes of deliveries.
    """
    if _is_adaptive(spark):
        return
    size = delivered + sum(history.bytes for history in existing(lakehouse, identifiers).values())
    cores = spark.sparkContext.defaultParallelism
    partitions = min(cores, 1 + size // SHUFFLE_BYTES)
    spark.conf.set(SHUFFLE_PARTITIONS, str(partitions))
    # A broadcast is a Spark job of its own.
    spark.conf.set(BROADCAST_BYTES, "-1" if partitions == 1 else "10485760")
