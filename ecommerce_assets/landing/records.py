"""The records of one CSV file (RFC 4180), as batches of columns; strict, streaming, no Spark.

Columns are matched by header name. What the contract has no column for is kept as JSON.
"""

import csv
import gzip
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import BinaryIO

from ecommerce_assets.errors import PipelineError

BATCH = 500  # few enough that Python's garbage collector has no use for looking at them
SURPLUS = "_surplus_fields"
MAX_FIELD = 1 << 27

Columns = dict[str, Sequence[str | None]]


def read_records(
    source_file: str, stream: BinaryIO, columns: Mapping[str, bool]
) -> Iterator[tuple[int, Columns, list[str | None]]]:
    """Batches of (number of the first record, values by column, rescued JSON).

    Args:
        source_file: name for errors; `.gz` at its end means gzip.
        stream: the file's bytes.
        columns: the contract's columns, and whether a header must have them.

    Raises:
        PipelineError: the file is not UTF-8, not gzip, not CSV, or its header lacks a required
            column or names one twice; the message names the file and the reason.
    """
    csv.field_size_limit(MAX_FIELD)
    raw = gzip.GzipFile(fileobj=stream) if source_file.endswith(".gz") else stream
    # The signature variant of UTF-8 drops a byte order mark; newlines stay as they are.
    text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
    reader = csv.reader(text, strict=True)
    try:
        # A record without fields is a blank line; one white-space field is, too.
        records = (record for record in reader if len(record) > 1 or "".join(record).strip())
        header = next(records, None)
        if header is None:
            return
        names = _checked_header(source_file, header, columns)
        number = 1
        while batch := list(islice(records, BATCH)):
            yield number, *_columns(names, batch, columns)
            number += len(batch)
    except UnicodeDecodeError as error:
        raise PipelineError(
            f"{source_file}: not UTF-8 text after line {reader.line_num}: {error.reason}"
        ) from None
    except csv.Error as error:
        raise PipelineError(f"{source_file}: not CSV at line {reader.line_num}: {error}") from None
    except (gzip.BadGzipFile, EOFError) as error:
        raise PipelineError(f"{source_file}: not a complete gzip file: {error}") from None


def _checked_header(source_file: str, header: list[str], columns: Mapping[str, bool]) -> list[str]:
    names = [name.strip() for name in header]
    missing = [name for name, needed in columns.items() if needed and name not in names]
    if missing:
        raise PipelineError(
            f"{source_file}: the header lacks the required column{'s' * (len(missing) > 1)} "
            f"{', '.join(missing)}; it has {', '.join(names)[:300]}"
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PipelineError(f"{source_file}: the header names {', '.join(twice)} more than once")
    return names


def _columns(
    names: list[str], batch: list[list[str]], columns: Mapping[str, bool]
) -> tuple[Columns, list[str | None]]:
    width = len(names)
    rescued: list[dict[str, str | list[str]] | None] = [None] * len(batch)
    if set(map(len, batch)) == {width}:
        by_name: dict[str, Sequence[str | None]] = dict(
            zip(names, zip(*batch, strict=True), strict=True)
        )
    else:
        rows: list[list[str | None]] = []
        for position, record in enumerate(batch):
            if len(record) > width:
                rescued[position] = {SURPLUS: record[width:]}
            rows.append([*record[:width], *[None] * (width - len(record))])
        by_name = dict(zip(names, zip(*rows, strict=True), strict=True))
    for name in names:
        if name not in columns:
            for position, value in enumerate(by_name[name]):
                if value is not None:
                    rescued[position] = {**(rescued[position] or {}), name: value}
    absent = (None,) * len(batch)
    return (
        {name: by_name.get(name, absent) for name in columns},
        [_as_json(values) for values in rescued],
    )


def _as_json(values: Mapping[str, str | list[str]] | None) -> str | None:
    return None if values is None else json.dumps(values, ensure_ascii=False)
