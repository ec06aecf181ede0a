"""Samples of a shop's exports: how they are written, and what their columns hold."""

import csv
import gzip
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import duckdb
import pyarrow as pa

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.landing.records import UTF_16_MARKS, read_records, utf_16
from ecommerce_assets.landing.source import GZIP, Dialect, Source, column_of
from ecommerce_assets.sql import ansi_literal
from ecommerce_assets.tables.casting import time_of

DELIMITERS = ",;\t|"
LOOKED_AT = 50  # lines, for the dialect
FILE = "_file"  # the number of a row's file
MOST = 0.98  # of the values of a column
TIMES = (
    "iso", "dd.MM.yyyy HH:mm:ss", "dd.MM.yyyy HH:mm", "dd.MM.yyyy",
    "d.M.yyyy H:mm", "d.M.yyyy", "dd/MM/yyyy HH:mm:ss",
    "dd/MM/yyyy HH:mm", "dd/MM/yyyy", "MM/dd/yyyy HH:mm:ss", "MM/dd/yyyy HH:mm", "MM/dd/yyyy",
    "M/d/yyyy H:mm", "M/d/yyyy", "d/M/yyyy H:mm", "d/M/yyyy", "yyyy/MM/dd HH:mm:ss", "yyyy/MM/dd",
    "MM/dd/yy", "dd/MM/yy", "M/d/yy H:mm", "M/d/yy", "dd.MM.yy", "d.M.yy", "MMM-dd-yy", "dd-MMM-yy",
    "dd-MMM-yyyy", "MMM d, yyyy", "d MMM yyyy", "dd-MM-yyyy HH:mm", "dd-MM-yyyy", "yyyyMMdd",
)  # fmt: skip
_ISO = r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?"
_PLAIN = r"[+-]?(\d+(\.\d*)?|\.\d+)"
_COMMA = r"[+-]?(\d{1,3}(\.\d{3})+|\d*)(,\d+)?"
_GROUPED = r"[+-]?(\d{1,3}(,\d{3})+|\d*)(\.\d*)?"
# By kind of number, its decimal mark and its thousands separator.
_MARKS = {"plain": (".", ""), "grouped": (".", ","), "comma": (",", ".")}
SIGNS = "$€£¥"
_SIGN = f"[{SIGNS}]"
# Texts that mean an empty value in some export.
NULLS = ("NULL", "null", "\\N", "N/A", "n/a", "NaN", "nan", "None", "#N/A", "(null)")


@dataclass(frozen=True)
class Column:
    """What a column of a sample holds.

    Attributes:
        header: its name in the header.
        rows: rows with a value.
        distinct: different values.
        number: `.` or `,`, the decimal mark, if the values are numbers; else empty.
        thousands: the thousands separator that numbers have; empty for none.
        sign: the sign of a currency before numbers; empty for none.
        nulls: the texts among the values that mean an empty one.
        whole: whether they are whole numbers.
        negative: rows whose number is below zero.
        fractions: whether the values are numbers from 0 to 1, and not all the same.
        times: the ways in which the values may be times, each one or two patterns.
        values: the most frequent values.
    """

    header: str
    rows: int
    distinct: int
    number: str
    thousands: str
    sign: str
    nulls: tuple[str, ...]
    whole: bool
    negative: int
    fractions: bool
    times: tuple[tuple[str, ...], ...]
    values: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """Files of the same header: one source.

    Attributes:
        name: a name for the source.
        source: its dialect and headers.
        files: their names.
        rows: number of rows.
        columns: by header.
        connection: with the rows in the table `name`; columns are named as in bronze.
        cents: the headers of amounts that are hundredths.
    """

    name: str
    source: Source
    files: tuple[str, ...]
    rows: int
    columns: dict[str, Column]
    connection: duckdb.DuckDBPyConnection
    cents: set[str] = field(default_factory=set)

    def unique(self, headers: Sequence[str]) -> bool:
        """Whether no two rows of a file have the same values in these columns.

        In another file, they are another version of the row.
        """
        columns = ", ".join(f'"{name}"' for name in [*map(column_of, headers), FILE])
        (number,) = self.connection.execute(
            f'SELECT count(*) FROM (SELECT DISTINCT {columns} FROM "{self.name}")'
        ).fetchone() or (0,)
        return int(number) == self.rows


def samples_of(files: Sequence[Path]) -> list[Sample]:
    """The samples, files of the same header and dialect together.

    Raises:
        PipelineError: there is no such file, or it can't be read as CSV.
    """
    groups: dict[tuple[Dialect, tuple[str, ...]], list[Path]] = {}
    for file in files:
        try:
            data = _content(file)
        except OSError as error:
            raise PipelineError(f"{file}: {error.strerror or error}") from None
        dialect, named = _dialect(file, data)
        header = [name for name in named if name and named.count(name) == 1]
        groups.setdefault((dialect, tuple(header)), []).append(file)
    names = _distinct_names([_name(group, header) for (_, header), group in groups.items()])
    connection = duckdb.connect()
    return [
        _sample(connection, name, dialect, header, group)
        for name, ((dialect, header), group) in zip(names, groups.items(), strict=True)
    ]


def _content(file: Path) -> bytes:
    data = file.read_bytes()
    return gzip.decompress(data) if file.name.endswith(GZIP) else data


def _dialect(file: Path, data: bytes) -> tuple[Dialect, list[str]]:
    """The dialect, and the names in the header."""
    text, encoding = _decoded(data)
    lines = list(islice(io.StringIO(text, newline=""), LOOKED_AT))
    best, skipped, header = "", 0, list[str]()
    for delimiter in DELIMITERS:
        records = list(csv.reader(lines, delimiter=delimiter))
        widths = [len(record) for record in records if record]
        width = max(set(widths), key=widths.count, default=0)
        first = next((n for n, record in enumerate(records) if len(record) == width), 0)
        if width > max(len(header), 1):
            best, skipped, header = delimiter, first, [name.strip() for name in records[first]]
    if not best:
        raise PipelineError(f"{file}: no table; no line is separated by commas, semicolons or tabs")
    return Dialect(delimiter=best, encoding=encoding, skip_lines=skipped), header


def _decoded(data: bytes) -> tuple[str, str]:
    """The text, and its encoding: by a mark, by zeros in it, or what fits."""
    if data.startswith(UTF_16_MARKS) or b"\0" in data[:LOOKED_AT]:
        return data.decode(utf_16(data[:2]), errors="replace"), "utf-16"
    try:
        return data.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace"), "cp1252"


def _name(files: Sequence[Path], header: Sequence[str]) -> str:
    """A name from what the files' names have in common, else from the first column."""
    stems = [re.sub(r"[^a-z]+", "_", file.name.split(".")[0].lower()).strip("_") for file in files]
    common = stems[0] if len(set(stems)) == 1 else ""
    return common or re.sub(r"[^a-z]+", "_", header[0].lower()).strip("_") + "_rows"


def _distinct_names(names: Sequence[str]) -> list[str]:
    return [name if names.index(name) == n else f"{name}_{n + 1}" for n, name in enumerate(names)]


def _sample(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    dialect: Dialect,
    header: Sequence[str],
    files: Sequence[Path],
) -> Sample:
    source = Source(name, dict.fromkeys(header, True), name, dialect=dialect)
    batches = [
        batch.append_column(FILE, pa.repeat(number, batch.num_rows))
        for number, file in enumerate(files)
        for batch in _batches(file, source)
    ]
    fields = [pa.field(column_of(h), pa.string()) for h in header]
    empty = pa.schema([*fields, pa.field(FILE, pa.int64())]).empty_table()
    connection.register("_rows", pa.Table.from_batches(batches) if batches else empty)
    trimmed = ", ".join(f'nullif(trim("{column_of(h)}"), \'\') AS "{column_of(h)}"' for h in header)
    connection.execute(f'CREATE TABLE "{name}" AS SELECT {trimmed}, {FILE} FROM _rows')
    connection.unregister("_rows")
    (rows,) = connection.execute(f'SELECT count(*) FROM "{name}"').fetchone() or (0,)
    columns = {h: _column(connection, name, h) for h in header}
    named = tuple(file.name for file in files)
    return Sample(name, source, named, rows, columns, connection)


def _batches(file: Path, source: Source) -> Iterator[pa.RecordBatch]:
    with file.open("rb") as stream:
        for _, values, _ in read_records(file.name, stream, source):
            texts = {column_of(name): pa.array(v, pa.string()) for name, v in values.items()}
            yield pa.RecordBatch.from_pydict(texts)


def _column(connection: duckdb.DuckDBPyConnection, name: str, header: str) -> Column:
    given = f'"{column_of(header)}"'
    listed = ", ".join(map(ansi_literal, NULLS))

    def values_of(condition: str, most: int) -> tuple[str, ...]:
        rows = connection.execute(
            f'SELECT {given} FROM "{name}" WHERE {given} IS NOT NULL AND {condition} GROUP BY 1 '
            f"ORDER BY count(*) DESC, 1 LIMIT {most}"
        ).fetchall()
        return tuple(value for (value,) in rows)

    kinds = _kinds(f"CASE WHEN {given} NOT IN ({listed}) THEN {given} END")
    # Of a column without any value, count_if is null.
    counts = ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in kinds.values())
    row = connection.execute(
        f"SELECT count({given}) FILTER ({given} NOT IN ({listed})), "
        f'count(DISTINCT {given}) FILTER ({given} NOT IN ({listed})), {counts} FROM "{name}"'
    ).fetchone()
    rows, distinct, *numbers = row or (0, 0, *[0] * len(kinds))
    found = dict(zip(kinds, numbers, strict=True))
    enough = max(rows * MOST, 1)
    fits = [kind for kind in ("plain", "grouped", "comma") if found[kind] >= enough]
    mark, thousands = _MARKS[fits[0]] if fits else ("", "")
    sign = next(iter(values_of(f"regexp_matches({given}, '^[+-]?{_SIGN}')", 1)), "").lstrip("+-")
    return Column(
        header, rows, distinct, mark, thousands, sign[:1] if mark and found["signed"] else "",
        values_of(f"{given} IN ({listed})", len(NULLS)),
        found["whole"] >= enough, found["negative"], found["fraction"] >= enough and distinct > 1,
        _ways(found, enough), values_of(f"{given} NOT IN ({listed})", 30),
    )  # fmt: skip


def _kinds(column: str) -> dict[str, str]:
    """By kind, SQL of whether a value is of it."""
    plain = f"regexp_replace({column}, '{_SIGN}', '')"
    return {
        "plain": f"regexp_full_match({plain}, {ansi_literal(_PLAIN)})",
        "comma": f"regexp_full_match({plain}, {ansi_literal(_COMMA)})",
        "grouped": f"regexp_full_match({plain}, {ansi_literal(_GROUPED)})",
        "signed": f"regexp_matches({column}, '^[+-]?{_SIGN}')",
        "whole": f"regexp_full_match({column}, '[+-]?\\d+(\\.0*)?')",
        "negative": f"{column} LIKE '-%'",
        "fraction": f"coalesce(TRY_CAST({column} AS DOUBLE) BETWEEN 0 AND 1, false)",
        **{pattern: _is_time(column, pattern) for pattern in TIMES},
    }


def _ways(found: Mapping[str, int], enough: float) -> tuple[tuple[str, ...], ...]:
    """The patterns that fit; if none fits alone: one with and one without a time of day."""
    alone = [(pattern,) for pattern in TIMES if found[pattern] >= enough]
    pairs = [(a, b) for a in TIMES for b in TIMES if a.startswith(f"{b} ")]
    return tuple(alone or [pair for pair in pairs if sum(map(found.__getitem__, pair)) >= enough])


def _is_time(column: str, pattern: str) -> str:
    if pattern == "iso":
        return f"regexp_full_match({column}, {ansi_literal(_ISO)})"
    return f"({time_of(column, pattern, 'UTC')}) IS NOT NULL"
