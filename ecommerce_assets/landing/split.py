"""One export of many days as a delivery for each day: the same lines, below the same header."""

import gzip
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date
from io import BufferedReader
from pathlib import Path

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.landing.layout import date_folder
from ecommerce_assets.landing.records import line_of, read_records, record_texts
from ecommerce_assets.landing.source import GZIP, Source

Days = Callable[[Source, Sequence[str]], Sequence[date | None]]


def split(
    source: Source, file: Path, name: str, column: str, landing: str, days: Days
) -> list[Path]:
    """Write a file's records to the folders of their days, under `name`.

    Lines that the source numbers, or fills down, within some headers stay together, under the day
    of the first of them that has one.

    Raises:
        PipelineError: the file can't be read, or has a record without a day; then nothing is
            written.
    """
    of_records = _days_of(source, file, column, days)
    by_day: dict[date, list[str]] = defaultdict(list)
    with file.open("rb") as stream:
        texts = record_texts(file.name, stream, source)
        header = next(texts, "")
        for day, text in zip(of_records, texts, strict=True):
            by_day[day].append(text)
    return [
        _write(source, Path(landing) / source.folder / date_folder(day) / name, [header, *lines])
        for day, lines in sorted(by_day.items())
    ]


def _days_of(source: Source, file: Path, column: str, days: Days) -> list[date]:
    """The day of each record."""
    texts: list[str] = []
    groups: list[tuple[str, ...]] = []
    within = source.numbered_within or source.filled_within
    with file.open("rb") as stream:
        for number, values, _ in read_records(file.name, stream, source):
            texts += [text or "" for text in values[column]]
            named = [values[header] for header in within]
            groups += zip(*named, strict=True) if within else ()
            assert number <= len(texts)
    distinct = list(dict.fromkeys(texts))
    known = dict(zip(distinct, days(source, distinct), strict=True))
    found = [known[text] for text in texts]
    if within:
        of_group: dict[tuple[str, ...], date] = {}
        for group, day in zip(groups, found, strict=True):
            if day is not None:
                of_group.setdefault(group, day)
        found = [of_group.get(group) for group in groups]
    complete = [day for day in found if day is not None]
    if len(complete) < len(found):
        first = found.index(None)
        with file.open("rb") as stream:
            line = line_of(file.name, BufferedReader(stream), first + 1, source.dialect)
        raise PipelineError(
            f"{file}: {len(found) - len(complete):,} of {len(found):,} records have no day in "
            f"{column!r}, like {texts[first]!r} in line {line}: correct them, or the `times` of "
            f"{source.name} in the shop file; nothing of the file is landed"
        )
    return complete


def _write(source: Source, target: Path, texts: Sequence[str]) -> Path:
    """Write a delivery under a hidden name, and rename it, so readers never see half a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(texts).encode(source.dialect.encoding)
    part = target.with_name(f".{target.name}.part")
    part.write_bytes(gzip.compress(content) if target.name.endswith(GZIP) else content)
    return part.replace(target)
