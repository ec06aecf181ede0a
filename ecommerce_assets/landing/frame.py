"""Landed files as a Spark frame: executors read records, the driver only lists files."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from io import BufferedReader, BytesIO
from typing import TYPE_CHECKING, BinaryIO

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.landing.files import LandedFile
from ecommerce_assets.landing.plain import MOST_BYTES, plain_records
from ecommerce_assets.landing.records import read_records
from ecommerce_assets.landing.source import GZIP, LINE_NUMBER, Source, column_of
from ecommerce_assets.landing.store import Store, store_of

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

FILES_A_TASK = 32


def landed_frame(
    spark: "SparkSession",
    landing: str,
    files: Sequence[LandedFile],
    source: Source,
    struct: "StructType",
    ingested_at: datetime,
) -> "DataFrame":
    """The records of landed files, with their provenance.

    Args:
        source: whose files they are.
        struct: the frame's schema: the source's columns as strings, and the metadata columns.

    Raises:
        DeliveryChanged: when evaluated: a file has changed since it was listed.
        PipelineError: when evaluated: a file can't be read.
    """
    if not files:
        return spark.createDataFrame([], struct)
    cores = spark.sparkContext.defaultParallelism
    # Tasks small enough to keep all cores busy until the end.
    slices = min(len(files), max(cores, -(-len(files) // FILES_A_TASK)))

    def read(batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        store = store_of(landing)
        for batch in batches:
            for number in batch.column("id").to_pylist():
                yield from _batches(store, files[number], source, ingested_at)

    # A task reads adjacent dates, so that few tasks write to the same partition.
    return spark.range(0, len(files), 1, slices).mapInArrow(read, struct)


def _batches(
    store: Store, file: LandedFile, source: Source, ingested_at: datetime
) -> "Iterator[pa.RecordBatch]":
    """The file's records, if the bytes read are those that were listed.

    Raises:
        DeliveryChanged: they are not; takes precedence over errors in the content.
        PipelineError: the file can't be read.
    """
    delivered = store.open(file.entry, file.digest)
    with delivered.stream:
        try:
            yield from _records(file, delivered.stream, source, ingested_at)
        except PipelineError:
            delivered.verify()
            raise
        delivered.verify()


def _records(
    file: LandedFile, stream: BinaryIO, source: Source, ingested_at: datetime
) -> "Iterator[pa.RecordBatch]":
    import pyarrow as pa

    numbers = _LineNumbers(source)
    for number, values, rescued in _texts(file, stream, source):
        rows = len(rescued)
        arrays = {column_of(name): texts for name, texts in values.items()}
        arrays |= {
            "_ingestion_date": pa.repeat(pa.scalar(file.ingestion_date, pa.date32()), rows),
            "_source_file": pa.repeat(file.source_file, rows),
            "_row_number": pa.array(range(number, number + rows), pa.int64()),
            **numbers.of(values),
            "_ingested_at": pa.repeat(pa.scalar(ingested_at, pa.timestamp("us", "UTC")), rows),
            "_rescued_data": rescued,
        }
        yield pa.RecordBatch.from_pydict(arrays)


def _texts(
    file: LandedFile, stream: BinaryIO, source: Source
) -> "Iterator[tuple[int, dict[str, pa.Array], pa.Array]]":
    """Batches of (number of the first record, text by name in the header, rescued JSON)."""
    import pyarrow as pa

    if file.entry.size <= MOST_BYTES and not file.source_file.endswith(GZIP):
        data = stream.read()
        plain = plain_records(data, source)
        if plain is not None:
            number = 1
            for batch in plain:
                absent = pa.nulls(len(batch), pa.string())
                read = dict(zip(batch.schema.names, batch.columns, strict=True))
                yield number, {name: read.get(name, absent) for name in source.columns}, absent
                number += len(batch)
            return
        stream = BufferedReader(BytesIO(data))
    for number, values, rescued in read_records(file.source_file, stream, source):
        arrays = {name: pa.array(column, pa.string()) for name, column in values.items()}
        yield number, arrays, pa.array(rescued, pa.string())


class _LineNumbers:
    """Numbers the records of a file within their groups, from 1 on, in the file's order."""

    def __init__(self, source: Source) -> None:
        self._within = source.numbered_within
        self._seen: Counter[tuple[str, ...]] = Counter()

    def of(self, values: "Mapping[str, pa.Array]") -> "dict[str, pa.Array]":
        """The column of numbers for the next batch; none if the source has no groups."""
        import pyarrow as pa

        if not self._within:
            return {}
        columns = [values[name].to_pylist() for name in self._within]
        numbers = []
        for texts in zip(*columns, strict=True):
            group = tuple((text or "").strip() for text in texts)
            self._seen[group] += 1
            numbers.append(self._seen[group])
        return {LINE_NUMBER: pa.array(numbers, pa.int64())}
