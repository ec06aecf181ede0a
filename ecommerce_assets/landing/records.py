"""The records of one CSV file (RFC 4180) as batches of columns; strict, streaming, without Spark.

Columns are matched by header name. Data without a column in the contract is kept as JSON.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, BinaryIO

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.landing.layout import SURPLUS
from ecommerce_assets.landing.source import GZIP, Dialect, Source

BATCH = 500  # few enough not to trigger Python's garbage collector
CUT_OFF = "_cut_off"
MAX_FIELD = 1 << 27
BYTE_ORDER_MARK = "\ufeff"
SPACE = f"{BYTE_ORDER_MARK} \t\r\n"  # around a name in a header
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
KINDS = {
    b"PK": "a zip archive or an Excel workbook",
    b"\x1f\x8b": "gzip; then its name should end in .csv.gz",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
}

Rescued = dict[str, str | list[str] | bool]
Columns = dict[str, Sequence[str | None]]


def read_records(
    source_file: str, stream: BinaryIO, source: Source
) -> Iterator[tuple[int, Columns, list[str | None]]]:
    """Batches of (number of the first record, values by name in the header, rescued JSON).

    If a file ends without a line end and its last record has fewer fields than the header, the
    record is probably cut off: its rescued JSON has `_cut_off`.

    Args:
        source_file: name for errors; the suffix `.gz` means gzip.
        stream: the file's bytes.
        source: which columns are expected, and how its files are written.

    Raises:
        PipelineError: the file is not text of this encoding, gzip or CSV, or its header lacks a
            required column or repeats one; the message has the file and the reason.
    """
    csv.field_size_limit(MAX_FIELD)
    kind, dialect, columns = _likely_kind(stream), source.dialect, source.columns
    text = _text(source_file, stream, dialect)
    lines = _Lines(text)
    reader = _reader(lines, dialect)
    try:
        for _ in range(dialect.skip_lines):
            lines.skip()
        # No field, or a single one of white space, is a blank line.
        records = (record for record in reader if len(record) > 1 or "".join(record).strip())
        header = next(records, None)
        if header is None:
            return
        names = _checked_header(source_file, header, source)
        number, batch = 1, list(islice(records, BATCH))
        while batch:
            following = list(islice(records, BATCH))
            values, rescued = as_columns(names, batch, columns)
            if not following and not lines.ended and len(batch[-1]) < len(names):
                rescued[-1] = {**(rescued[-1] or {}), CUT_OFF: True}
            yield number, values, [as_json(value) for value in rescued]
            number, batch = number + len(batch), following
    except UnicodeDecodeError as error:
        raise PipelineError(
            f"{source_file}: not {_encoding(dialect)} text after line "
            f"{dialect.skip_lines + reader.line_num}: {error.reason}{kind}"
        ) from None
    except csv.Error as error:
        raise PipelineError(
            f"{source_file}: not CSV at line {dialect.skip_lines + reader.line_num}: {error}"
        ) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise PipelineError(f"{source_file}: not a complete gzip file: {error}") from None
    finally:
        text.detach()  # otherwise it would close the stream


def line_of(source_file: str, stream: BinaryIO, row_number: int, dialect: Dialect) -> int | None:
    """The line, as an editor counts, on which a record begins.

    Returns:
        None if the file has no such record, or can't be read that far.
    """
    text = _text(source_file, stream, dialect)
    lines = _Lines(text)
    reader = _reader(lines, dialect)
    number, line = -1, 1 + dialect.skip_lines
    try:
        for _ in range(dialect.skip_lines):
            lines.skip()
        for record in reader:
            number += len(record) > 1 or bool("".join(record).strip())
            if number == row_number:
                return line
            line = dialect.skip_lines + reader.line_num + 1
    except (UnicodeDecodeError, csv.Error, gzip.BadGzipFile, EOFError, zlib.error):
        return None
    finally:
        text.detach()
    return None


def _text(source_file: str, stream: BinaryIO, dialect: Dialect) -> io.TextIOWrapper:
    """A file's text; line ends are not translated."""
    raw = gzip.GzipFile(fileobj=stream) if source_file.endswith(GZIP) else stream
    return io.TextIOWrapper(raw, encoding=dialect.codec, newline="")


def _reader(lines: Iterable[str], dialect: Dialect) -> Any:
    return csv.reader(
        lines,
        strict=True,
        delimiter=dialect.delimiter,
        quotechar=dialect.quote or None,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
    )


def _encoding(dialect: Dialect) -> str:
    return dialect.encoding.upper()


class _Lines:
    """The lines of a text; remembers whether the last one ended with a line end."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._last = ""

    def __iter__(self) -> Iterator[str]:
        for line in self._text:
            self._last = line
            yield line

    def skip(self) -> None:
        """Leave out the next line."""
        self._text.readline()

    @property
    def ended(self) -> bool:
        return self._last.endswith(("\n", "\r"))


def _likely_kind(stream: BinaryIO) -> str:
    """A guess, by its first bytes, at what a file is if not text; appended to errors."""
    first = stream.peek(4)[:4] if isinstance(stream, io.BufferedReader) else b""
    for begins, kind in KINDS.items():
        if first.startswith(begins):
            return f"; it looks like {kind}"
    return (
        "; it may be Windows-1252 or Latin-1: save it as UTF-8, or set the source's `encoding` in "
        "the shop file"
    )


def _checked_header(source_file: str, header: list[str], source: Source) -> list[str]:
    """The names in the header, as the source spells those that it knows."""
    columns, same = source.columns, source.dialect.same_name
    spelled = {same(name): name for name in columns}
    stripped = [name.strip(SPACE) for name in header]
    names = [spelled.get(same(name), name) for name in stripped]
    missing = [name for name, needed in columns.items() if needed and name not in names]
    if missing:
        raise PipelineError(
            f"{source_file}: the header lacks the required column{'s' * (len(missing) > 1)} "
            f"{', '.join(missing)}; it has {', '.join(names)[:300]}"
            f"{_likely_cause(names, missing, source.dialect)}"
        )
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise PipelineError(f"{source_file}: the header names {', '.join(twice)} more than once")
    unnamed = [str(place) for place, name in enumerate(names, 1) if not name]
    if len(unnamed) > 1:
        raise PipelineError(
            f"{source_file}: {len(unnamed)} of the header's {len(names)} columns have no name "
            f"(column {' and '.join(unnamed)}); are there commas too many at the line's end?"
        )
    return names


def _likely_cause(names: list[str], missing: list[str], dialect: Dialect) -> str:
    """A guess at why a header lacks columns; appended to errors."""
    line = names[0] if len(names) == 1 else ""
    for separator, name in SEPARATORS.items():
        if separator in line:
            expected = SEPARATORS.get(dialect.delimiter, dialect.delimiter)
            return (
                f". It seems to be separated by {name}; {expected} are expected (`delimiter` of "
                "the source in the shop file)"
            )
    if names[0].startswith("<"):
        return ". It looks like an HTML or XML page, maybe an error message in place of the file"
    lower = {name.lower(): name for name in names}
    alike = {name: lower[name] for name in missing if name in lower}
    if alike:
        return (
            f". Names are matched exactly: {', '.join(alike.values())} should be "
            f"{', '.join(alike)}, or the source in the shop file have `loose_header = true`"
        )
    return ""


def as_columns(
    names: Sequence[str], batch: Sequence[Sequence[str]], columns: Mapping[str, bool]
) -> tuple[Columns, list[Rescued | None]]:
    """Records by column, and of each record what has no column.

    Args:
        names: those of the file's fields.
        batch: the fields of each record.
        columns: those that are expected.
    """
    width = len(names)
    rescued: list[Rescued | None] = [None] * len(batch)
    if set(map(len, batch)) == {width}:
        by_name: dict[str, Sequence[str | None]] = dict(
            zip(names, zip(*batch, strict=True), strict=True)
        )
    else:
        rows: list[list[str | None]] = []
        for position, record in enumerate(batch):
            if len(record) > width:
                rescued[position] = {SURPLUS: list(record[width:])}
            rows.append([*record[:width], *[None] * (width - len(record))])
        by_name = dict(zip(names, zip(*rows, strict=True), strict=True))
    for name in names:
        if name not in columns:
            for position, value in enumerate(by_name[name]):
                if value is not None:
                    rescued[position] = {**(rescued[position] or {}), name: value}
    absent = (None,) * len(batch)
    return {name: by_name.get(name, absent) for name in columns}, rescued


def as_json(values: Rescued | None) -> str | None:
    """What has no column, as it is kept."""
    return None if values is None else json.dumps(values, ensure_ascii=False)
