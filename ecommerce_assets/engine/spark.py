"""Spark as an engine: set-wise queries by translation, row-wise ones by DuckDB in its workers."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from itertools import chain, count
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType

from ecommerce_assets.engine.queries import Query
from ecommerce_assets.engine.relation import ROWS, Engine, JoinedBy, Observed, Overwrite, Relation
from ecommerce_assets.engine.spark_session import counted, drop_view, jobs_of
from ecommerce_assets.engine.translation import in_spark, spark_sql
from ecommerce_assets.lakehouse.catalog import Lakehouse
from ecommerce_assets.lakehouse.history import History, existing
from ecommerce_assets.lakehouse.names import qualified
from ecommerce_assets.sql import ansi_literal

if TYPE_CHECKING:
    import pyarrow as pa

PARTS_A_TASK = 32
SHUFFLE_BYTES = 16 << 20  # compressed bytes per shuffle partition
SHUFFLE_PARTITIONS = "spark.sql.shuffle.partitions"
BROADCAST_BYTES = "spark.sql.autoBroadcastJoinThreshold"
_BATCH = 100_000
_WANTED = "wanted"
_WANTED_KEY = "_wanted_key"
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
        self, parts: int, read: "Callable[[int], Iterator[pa.RecordBatch]]", struct: StructType
    ) -> "SparkRelation":
        """See `Engine`."""
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
        """See `Engine`.

        Raises:
            Exception: the rows are not `in_order`.
        """
        name = write.base.identifier
        properties = {f"snapshot-property.{key}": value for key, value in summary.items()}
        properties |= _arrangement(self.spark, write)
        frame, lacking = _with_columns_of(self.spark, name, frame_of(write.rows))
        if write.stays is not None:
            # One may have just come.
            others, _ = _with_columns_of(self.spark, name, frame_of(write.stays))
            frame = frame.unionByName(others)
        target = _branch_of(write.base, branch)
        frame.writeTo(target).options(**properties).overwrite(F.expr(write.replace))
        return lacking

    def append(self, base: History, rows: Relation, branch: str) -> None:
        """See `Engine`."""
        frame_of(rows).writeTo(_branch_of(base, branch)).append()

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

    def row_wise(self, query: str, struct: StructType) -> "SparkRelation":
        """See `Relation`."""
        return self._mapped(query, struct, ())

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

            from ecommerce_assets.engine.duck import database_of_worker

            there = iter(batches)
            first = next(there, None)
            if first is None:
                return
            rows = pa.RecordBatchReader.from_batches(first.schema, chain([first], there))
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


def frame_of(relation: Relation) -> DataFrame:
    """The frame of a relation of Spark's."""
    assert isinstance(relation, SparkRelation)
    return relation.frame


def _branch_of(base: History, branch: str) -> str:
    return f"{qualified(base.identifier)}.branch_{branch}"


def _arrangement(spark: SparkSession, write: Overwrite) -> dict[str, str]:
    """How Spark sorts and shuffles rows for their files: write options of Iceberg."""
    # An open file costs at least 1 MB, so dates are written one after the other; the few months
    # are written at once, which needs no sort.
    options = {"fanout-enabled": "false" if write.base.by_date else "true"}
    if write.in_order:
        return {**options, "use-table-distribution-and-ordering": "false"}
    if write.whole and not _is_adaptive(spark):
        # A shuffle by month would leave all rows of a month to one task, and nothing splits them
        # without adaptive execution. There are no more files than cores to a partition.
        options["distribution-mode"] = "none"
    return options


def _with_columns_of(
    spark: SparkSession, identifier: str, frame: DataFrame
) -> tuple[DataFrame, list[str]]:
    """A frame with the columns of a table that it lacks, empty; and which these are."""
    there = {name.lower() for name in frame.columns}
    fields = spark.table(qualified(identifier)).schema.fields
    lacking = [field for field in fields if field.name.lower() not in there]
    empty = [F.lit(None).cast(field.dataType).alias(field.name) for field in lacking]
    return frame.select("*", *empty) if lacking else frame, [field.name for field in lacking]


def _read(spark: SparkSession, identifier: str, snapshot: int | None) -> DataFrame:
    """The table at a snapshot, whatever is published meanwhile."""
    if snapshot is None:
        return spark.table(qualified(identifier))
    rows = spark.read.option("snapshot-id", snapshot).table(qualified(identifier))
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
