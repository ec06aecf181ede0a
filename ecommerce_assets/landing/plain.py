"""CSV without anything special, read by Arrow: the same rows as `records`, four times as fast."""

from typing import TYPE_CHECKING

from ecommerce_assets.landing.records import BYTE_ORDER_MARK, SPACE
from ecommerce_assets.landing.source import Source

if TYPE_CHECKING:
    import pyarrow as pa

MOST_BYTES = 32 << 20  # read at once
BLOCK = 1 << 20
MARK = BYTE_ORDER_MARK.encode()


def plain_records(data: bytes, source: Source) -> "list[pa.RecordBatch] | None":
    """The records of a file as text, in batches; None if `records` must read it.

    Only where both readers agree beyond doubt: no quotes, a header of known columns, and as many
    fields in every record as in the header. Everything else, errors included, is left to `records`.

    Args:
        data: the whole file.
        source: which columns are expected, and how its files are written.
    """
    import pyarrow as pa
    from pyarrow import csv

    dialect, columns = source.dialect, source.columns
    if dialect.encoding != "utf-8" or len(dialect.delimiter.encode()) > 1:
        return None
    if dialect.quote and dialect.quote.encode() in data:
        return None
    body = data.removeprefix(MARK)
    for _ in range(dialect.skip_lines + 1):
        header, _, body = body.partition(b"\n")
        if b"\r" in header.removesuffix(b"\r"):
            return None
    names = _names(header, source)
    required = {name for name, needed in columns.items() if needed}
    if len(names) < 2 or len(set(names)) < len(names) or not required <= set(names) <= set(columns):
        return None
    if not body or body.startswith(MARK):  # which Arrow would drop
        return None
    try:
        table = csv.read_csv(
            pa.py_buffer(body),
            csv.ReadOptions(use_threads=False, block_size=BLOCK, column_names=names),
            csv.ParseOptions(delimiter=dialect.delimiter, quote_char=False),
            csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        return None
    batches: list[pa.RecordBatch] = table.to_batches()
    return batches


def _names(header: bytes, source: Source) -> list[str]:
    """The names in a header, as the source spells them; none if it is not UTF-8."""
    same = source.dialect.same_name
    spelled = {same(name): name for name in source.columns}
    try:
        names = [name.strip(SPACE) for name in header.decode().split(source.dialect.delimiter)]
    except UnicodeDecodeError:
        return []
    return [spelled.get(same(name), name) for name in names]
