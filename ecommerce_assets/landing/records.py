"""The records of one CSV file (RFC 4180) as batches of columns; strict, streaming, without Spark.

Columns are matched by header name. Data without a column in the contract is kept as JSON.
"""

import codecs
import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, count, islice
from typing import Any, BinaryIO

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.landing.layout import SURPLUS
from ecommerce_assets.landing.source import GZIP, Dialect, Source

BATCH = 500  # few enough not to trigger Python's garbage collector
CUT_OFF = "_cut_off"
STRAY_QUOTE = "_stray_quote"
UNNAMED = "_field_"  # and its number: a field for which the header has an empty name
FEWEST_FIELDS = 3  # with two, a text with a comma on each line would look like records
NAMED_DELIMITER = re.compile(r'"?sep=(.)"?[\r\n]*')
MAX_FIELD = 1 << 27
BYTE_ORDER_MARK = "\ufeff"
UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
SPACE = f"{BYTE_ORDER_MARK} \t\r\n"  # around a name in a header
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
KINDS = {
    b"PK": "a zip archive or an Excel workbook",
    b"\x1f\x8b": "gzip; then its name should end in .csv.gz",
    b"\xff\xfe": "UTF-16: set the source's `encoding` in the shop file to utf-16",
    b"\xfe\xff": "UTF-16: set the source's `encoding` in the shop file to utf-16",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
}

Rescued = dict[str, str | list[str] | bool]
Columns = dict[str, Sequence[str | None]]


def read_records(
    source_file: str, stream: BinaryIO, source: Source
) -> Iterator[tuple[int, Columns, list[str | None]]]:
    """Batches of (number of the first record, values by name in the header, rescued JSON).

    If a quoted field probably swallowed whole lines, the record's rescued JSON has `_stray_quote`.
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
    kind, columns = _likely_kind(stream), source.columns
    dialect, text = source.dialect, None
    lines = _Lines()
    try:
        text = _text(source_file, stream, dialect)
        lines.open(text)
        dialect = lines.dialect_of(dialect)
        reader = _reader(lines, dialect)
        records = lines.records(reader)
        header: list[str] | None = list(dialect.header) or next(records, None)
        if header is None:
            return
        if "\0" in "".join(header):
            raise PipelineError(f"{source_file}: not text{_of_zeros(header, kind)}")
        names = _checked_header(source_file, header, source)
        number, batch = 1, list(islice(records, BATCH))
        if batch and "\0" in "".join(batch[0]) and dialect.header:
            raise PipelineError(f"{source_file}: not text{_of_zeros(batch[0], kind)}")
        while batch:
            following = list(islice(records, BATCH))
            values, rescued = as_columns(names, batch, columns)
            for position in _with_lines_in_a_field(batch, len(names), dialect.delimiter):
                rescued[position] = {**(rescued[position] or {}), STRAY_QUOTE: True}
            if not following and not lines.ended and len(batch[-1]) < len(names):
                rescued[-1] = {**(rescued[-1] or {}), CUT_OFF: True}
            yield number, values, [as_json(value) for value in rescued]
            number, batch = number + len(batch), following
    except UnicodeDecodeError as error:
        raise PipelineError(
            f"{source_file}: not {_encoding(dialect)} text after line {lines.read}: "
            f"{error.reason}{kind}"
        ) from None
    except csv.Error as error:
        raise PipelineError(
            f"{source_file}: not CSV at line {lines.read}: {error}{_opened_at(lines)}"
        ) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise PipelineError(f"{source_file}: not a complete gzip file: {error}") from None
    finally:
        if text is not None:
            text.detach()  # otherwise it would close the stream


def line_of(source_file: str, stream: BinaryIO, row_number: int, dialect: Dialect) -> int | None:
    """The line, as an editor counts, on which a record begins.

    Returns:
        None if the file has no such record, or can't be read that far.
    """
    lines, text = _Lines(), None
    try:
        text = _text(source_file, stream, dialect)
        lines.open(text)
        dialect = lines.dialect_of(dialect)
        number = 0 if dialect.header else -1
        for _ in lines.records(_reader(lines, dialect)):
            number += 1
            if number == row_number:
                return lines.begun
    except (UnicodeDecodeError, csv.Error, gzip.BadGzipFile, EOFError, zlib.error):
        return None
    finally:
        if text is not None:
            text.detach()
    return None


def record_texts(source_file: str, stream: BinaryIO, source: Source) -> Iterator[str]:
    """The text of a file that `read_records` can read: first the lines up to the header, then those
    of each record, blank ones before it included.
    """
    text = _text(source_file, stream, source.dialect)
    lines = _Lines(keep=True)
    lines.open(text)
    try:
        dialect = lines.dialect_of(source.dialect)
        if dialect.header:
            yield lines.taken()
        for _ in lines.records(_reader(lines, dialect)):
            yield lines.taken()
    finally:
        text.detach()


def utf_16(first: bytes) -> str:
    """The codec of UTF-16 text by its first two bytes: a mark, or a character of ASCII."""
    if first in UTF_16_MARKS:
        return "utf-16"
    return "utf-16-be" if first[:1] == b"\0" else "utf-16-le"


def _text(source_file: str, stream: BinaryIO, dialect: Dialect) -> io.TextIOWrapper:
    """A file's text; line ends are not translated."""
    raw = gzip.GzipFile(fileobj=stream) if source_file.endswith(GZIP) else stream
    codec = dialect.codec
    if codec == "utf-16" and isinstance(raw, io.BufferedReader | gzip.GzipFile):
        codec = utf_16(raw.peek(2)[:2])
    return io.TextIOWrapper(raw, encoding=codec, newline="")


def _reader(lines: Iterable[str], dialect: Dialect) -> Any:
    return csv.reader(
        lines,
        strict=True,
        delimiter=dialect.delimiter,
        quotechar=dialect.quote or None,
        escapechar=dialect.escape or None,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
    )


def _encoding(dialect: Dialect) -> str:
    return dialect.encoding.upper()


class _Lines:
    """The lines of a text.

    Attributes:
        read: how many were read.
        begun: the line on which the record that is read begins.
    """

    def __init__(self, *, keep: bool = False) -> None:
        self._text: io.TextIOWrapper = io.TextIOWrapper(io.BytesIO())
        self._kept: list[str] | None = [] if keep else None
        self._last = ""
        self._ahead = ""
        self._null: re.Pattern[str] | None = None
        self.read = 0
        self.begun = 1

    def open(self, text: io.TextIOWrapper) -> None:
        """Read the lines of a text."""
        self._text = text

    def dialect_of(self, dialect: Dialect) -> Dialect:
        """The dialect, whose delimiter may stand in the first line, like `sep=;`.

        The lines above the header are read.
        """
        self._ahead = self._text.readline()
        named = NAMED_DELIMITER.fullmatch(self._ahead)
        if named:
            dialect = replace(dialect, delimiter=named[1])
        above = dialect.skip_lines or int(named is not None)
        for _ in range(above):
            if self._kept is not None:
                self._kept.append(self._ahead)
            self._ahead = self._text.readline()
        self.read = above
        self.begun = self.read + 1
        if dialect.escape == "\\":
            separator = re.escape(dialect.delimiter)
            self._null = re.compile(rf"(?:^|(?<={separator}))\\N(?=$|[\r\n]|{separator})")
        return dialect

    def __iter__(self) -> Iterator[str]:
        for line in chain([self._ahead] if self._ahead else [], self._text):
            self._last = line
            self.read += 1
            if self._kept is not None:
                self._kept.append(line)
            # Databases that escape write a null like this; it is no N.
            yield self._null.sub("", line) if self._null else line

    def records(self, reader: Iterable[list[str]]) -> Iterator[list[str]]:
        """The records of their reader; fields of white space alone are a blank line."""
        for record in reader:
            if "".join(record).strip():
                yield record
            self.begun = self.read + 1

    def taken(self) -> str:
        """The text of the lines since this was asked last."""
        assert self._kept is not None
        text = "".join(self._kept)
        self._kept.clear()
        return text

    @property
    def ended(self) -> bool:
        """Whether the last line ended with a line end."""
        return self._last.endswith(("\n", "\r"))


def _opened_at(lines: _Lines) -> str:
    """Where a quote opened that was not closed in its line; appended to errors."""
    if lines.read == lines.begun:
        return ""
    return (
        f"; the record begins at line {lines.begun}, where a quote opens a field that goes on for "
        f"{lines.read - lines.begun + 1:,} lines. Is it a stray quote?"
    )


def _with_lines_in_a_field(
    batch: Sequence[Sequence[str]], width: int, delimiter: str
) -> Iterator[int]:
    """The places of records of which a quoted field probably swallowed whole lines.

    Such a field has as many delimiters as its lines would have, were they records.
    """
    if width < FEWEST_FIELDS:
        return
    for position, record in enumerate(batch):
        for field in record:
            breaks = field.count("\n")
            if breaks and field.count(delimiter) >= breaks * (width - 1):
                yield position
                break


def _of_zeros(fields: Sequence[str], kind: str) -> str:
    """What text with characters of zero is; appended to errors.

    Args:
        kind: a guess by the first bytes.
    """
    if "ustar" in "".join(fields):
        return "; it looks like a tar archive within gzip: unpack it, and land its files"
    if "looks like" in kind:
        return kind
    return "; it looks like UTF-16: set the source's `encoding` in the shop file to utf-16"


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
    twice = sorted({name for name in names if name in columns and names.count(name) > 1})
    if twice:
        raise PipelineError(f"{source_file}: the header names {', '.join(twice)} more than once")
    return [*_distinct(names, {*names, *columns})]


def _distinct(names: Sequence[str], known: set[str]) -> Iterator[str]:
    """The names, with another one for each field that has none, or not one of its own."""
    seen: set[str] = set()
    for place, name in enumerate(names, 1):
        own = name or f"{UNNAMED}{place}"
        if own in seen:
            own = next(new for n in count(2) if (new := f"{name} ({n})") not in known | seen)
        seen.add(own)
        yield own


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
                if value is not None and (value.strip() or not name.startswith(UNNAMED)):
                    rescued[position] = {**(rescued[position] or {}), name: value}
    absent = (None,) * len(batch)
    return {name: by_name.get(name, absent) for name in columns}, rescued


def as_json(values: Rescued | None) -> str | None:
    """What has no column, as it is kept."""
    return None if values is None else json.dumps(values, ensure_ascii=False)
