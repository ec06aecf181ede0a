"""Landed files as rows."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from io import BufferedReader, BytesIO
from typing import TYPE_CHECKING, BinaryIO

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.landing.files import LandedFile
from ecommerce_assets.landing.layout import RESCUED
from ecommerce_assets.landing.plain import MOST_BYTES, plain_records
from ecommerce_assets.landing.records import read_records
from ecommerce_assets.landing.source import FILLED_DOWN, GZIP, LINE_NUMBER, Source, column_of
from ecommerce_assets.landing.store import Store, store_of

if TYPE_CHECKING:
    import pyarrow as pa

    from ecommerce_assets.engine.relation import Engine, Relation


def landed_rows(
    engine: "Engine",
    landing: str,
    files: Sequence[LandedFile],
    source: Source,
    kinds: Mapping[str, str],
    ingested_at: datetime,
) -> "Relation":
    """The records of landed files, with their provenance; the driver only lists files.

    Args:
        engine: what reads them.
        source: whose files they are.
        kinds: by column, its type in DuckDB's words: the source's columns as texts, and the
            metadata columns.

    Raises:
        DeliveryChanged: when evaluated: a file has changed since it was listed.
        PipelineError: when evaluated: a file can't be read.
    """
    store = store_of(landing)

    def read(number: int) -> "Iterator[pa.RecordBatch]":
        return record_batches(store, files[number], source, ingested_at)

    # Files beside each other are of adjacent dates, so that few tasks write to the same partition.
    return engine.of_parts(len(files), read, kinds)


def record_batches(
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

    lines = _Lines(source)
    for number, values, rescued in _texts(file, stream, source):
        rows = len(rescued)
        arrays = {column_of(name): texts for name, texts in values.items()}
        arrays |= {
            "_ingestion_date": pa.repeat(pa.scalar(file.ingestion_date, pa.date32()), rows),
            "_source_file": pa.repeat(file.source_file, rows),
            "_row_number": pa.array(range(number, number + rows), pa.int64()),
            **lines.of(values),
            "_ingested_at": pa.repeat(pa.scalar(ingested_at, pa.timestamp("us", "UTC")), rows),
            RESCUED: rescued,
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
            for batch in plain.to_batches():
                absent = pa.nulls(len(batch), pa.string())
                read = dict(zip(batch.schema.names, batch.columns, strict=True))
                rescued = read.pop(RESCUED)
                yield number, {name: read.get(name, absent) for name in source.columns}, rescued
                number += len(batch)
            return
        stream = BufferedReader(BytesIO(data))
    for number, values, rescued in read_records(file.source_file, stream, source):
        arrays = {name: pa.array(column, pa.string()) for name, column in values.items()}
        yield number, arrays, pa.array(rescued, pa.string())


class _Lines:
    """What the lines of a file that belong together say of each other."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._seen: Counter[tuple[str, ...]] = Counter()
        self._group: tuple[str, ...] | None = None
        self._above: dict[str, str] = {}

    def of(self, values: "Mapping[str, pa.Array]") -> "dict[str, pa.Array]":
        """The columns on the next batch that the source asks for."""
        import pyarrow as pa

        found = {}
        if self._source.numbered_within:
            numbers = [
                self._number(group) for group in _groups(values, self._source.numbered_within)
            ]
            found[LINE_NUMBER] = pa.array(numbers, pa.int64())
        if self._source.filled_down:
            names = self._source.filled_down
            rows = zip(*[values[name].to_pylist() for name in names], strict=True)
            groups = _groups(values, self._source.filled_within)
            filled = [self._filled(group, dict(zip(names, row, strict=True)))
                      for group, row in zip(groups, rows, strict=True)]  # fmt: skip
            found[FILLED_DOWN] = pa.array(filled, pa.map_(pa.string(), pa.string()))
        return found

    def _number(self, group: tuple[str, ...]) -> int:
        """The number of the next record of a group."""
        self._seen[group] += 1
        return self._seen[group]

    def _filled(
        self, group: tuple[str, ...], row: dict[str, str | None]
    ) -> list[tuple[str, str]] | None:
        """The values that the next record takes from those above; None for none."""
        if group != self._group:
            self._group, self._above = group, {}
        own = {name: text for name, text in row.items() if (text or "").strip()}
        taken = [(column_of(name), text) for name, text in self._above.items() if name not in own]
        self._above |= own  # type: ignore[arg-type]  # it has no empty text
        return taken or None


def _groups(values: "Mapping[str, pa.Array]", names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Of each record, the texts of some columns, without white space around them."""
    columns = [values[name].to_pylist() for name in names]
    for texts in zip(*columns, strict=True):
        yield tuple((text or "").strip() for text in texts)
