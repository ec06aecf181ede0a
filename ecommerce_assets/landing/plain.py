"""CSV without anything special, read by Arrow: the same rows as `records`, four times as fast."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ecommerce_assets.landing.records import BYTE_ORDER_MARK, SPACE

if TYPE_CHECKING:
    import pyarrow as pa

MOST_BYTES = 32 << 20  # read at once
BLOCK = 1 << 20
MARK = BYTE_ORDER_MARK.encode()


def plain_records(data: bytes, columns: Mapping[str, bool]) -> "list[pa.RecordBatch] | None":
    """The records of a file as text, in batches; None if `records` must read it.

    Only where both readers agree beyond doubt: no quotes, a header of known columns, and as many
    fields in every record as in the header. Everything else, errors included, is left to `records`.

    Args:
        data: the whole file.
        columns: by column of the contract, whether a header must have it.
    """
    import pyarrow as pa
    from pyarrow import csv

    if b'"' in data:
        return None
    header, _, body = data.removeprefix(MARK).partition(b"\n")
    names = _names(header)
    required = {name for name, needed in columns.items() if needed}
    if len(names) < 2 or len(set(names)) < len(names) or not required <= set(names) <= set(columns):
        return None
    if not body or body.startswith(MARK):  # which Arrow would drop
        return None
    try:
        table = csv.read_csv(
            pa.py_buffer(body),
            csv.ReadOptions(use_threads=False, block_size=BLOCK, column_names=names),
            csv.ParseOptions(quote_char=False),
            csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        return None
    batches: list[pa.RecordBatch] = table.to_batches()
    return batches


def _names(header: bytes) -> list[str]:
    """The names in a header; none if it is not UTF-8."""
    try:
        return [name.strip(SPACE) for name in header.decode().split(",")]
    except UnicodeDecodeError:
        return []
