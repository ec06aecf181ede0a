"""One export of many days as a delivery for each day: the same lines, below the same header."""

import gzip
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.landing.layout import FOLDER, date_folder
from ecommerce_assets.landing.records import line_of, read_records, record_texts
from ecommerce_assets.landing.source import GZIP, Source

NAMED = 5
Days = Callable[[Source, Sequence[str]], Sequence[date | None]]


@dataclass(frozen=True)
class Split:
    """A file that is to be split.

    Attributes:
        source: whose file it is.
        file: where it lies.
        name: of the files in landing.
        folder: of the source, in landing.
        days: the day of each record.
    """

    source: Source
    file: Path
    name: str
    folder: Path
    days: Sequence[date]

    @classmethod
    def plan(
        cls, source: Source, file: Path, name: str, column: str, landing: str, days: Days
    ) -> "Split":
        """Find the day of each record; nothing is written.

        Lines that the source numbers, or fills down, within some headers stay together, under the
        day of the first of them that has one.

        Raises:
            PipelineError: the file can't be read, a record has no day or one to come, or landing
                has a file of the name under a day of which this file has no record.
        """
        folder = Path(landing) / source.folder
        found = _days_of(source, file, name, column, days)
        wanted = {date_folder(day) for day in found}
        others = sorted(
            other.parent.name
            for other in folder.glob(f"{FOLDER}*/{name}")
            if other.parent.name not in wanted
        )
        if others:
            raise PipelineError(
                f"{folder} has a {name} under {', '.join(others[:NAMED])}, of which {file} has no "
                "record, so its rows would still count: remove it first"
            )
        return cls(source, file, name, folder, found)

    def write(self) -> list[Path]:
        """Write each day's records below the header to the day's folder."""
        by_day: dict[date, list[str]] = defaultdict(list)
        with self.file.open("rb") as stream:
            texts = record_texts(self.name, stream, self.source)
            header = next(texts, "")
            for day, text in zip(self.days, texts, strict=True):
                by_day[day].append(text)
        return [
            _write(self.source, self.folder / date_folder(day) / self.name, [header, *lines])
            for day, lines in sorted(by_day.items())
        ]


def _days_of(source: Source, file: Path, name: str, column: str, days: Days) -> list[date]:
    """The day of each record."""
    texts: list[str] = []
    groups: list[tuple[str | None, ...]] = []
    within = source.numbered_within or source.filled_within
    with file.open("rb") as stream:
        for _, values, _ in read_records(name, stream, source):
            texts += [text or "" for text in values[column]]
            groups += zip(*[values[header] for header in within], strict=True) if within else ()
    distinct = list(dict.fromkeys(texts))
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    known = {
        text: day
        for text, day in zip(distinct, days(source, distinct), strict=True)
        if day is not None and day <= tomorrow
    }
    found = [known.get(text) for text in texts]
    if within:
        of_group: dict[tuple[str | None, ...], date] = {}
        for group, day in zip(groups, found, strict=True):
            if day is not None:
                of_group.setdefault(group, day)
        found = [of_group.get(group) for group in groups]
    complete = [day for day in found if day is not None]
    if len(complete) < len(found):
        first = found.index(None)
        with file.open("rb") as stream:
            line = line_of(name, stream, first + 1, source.dialect)
        raise PipelineError(
            f"{file}: {len(found) - len(complete):,} of {len(found):,} records have no day in "
            f"{column!r}, or one to come, like {texts[first]!r} in line {line}: correct them, or "
            f"the `times` of {source.name} in the shop file; nothing is landed"
        )
    return complete


def _write(source: Source, target: Path, texts: Sequence[str]) -> Path:
    """Write a delivery under a hidden name, and rename it, so readers never see half a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(texts).encode(source.dialect.encoding)
    part = target.with_name(f".{target.name}.part")
    part.write_bytes(gzip.compress(content) if target.name.endswith(GZIP) else content)
    return part.replace(target)
