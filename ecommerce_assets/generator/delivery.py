"""Writing deliveries: files, injected defects and the manifest that counts them.

Rows are streamed; only the files of days that may still get rows are open.
"""

import csv
import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import IO, Any

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.generator import defects
from ecommerce_assets.landing.layout import date_folder
from ecommerce_assets.landing.source import Dialect

MANIFEST = "_manifest.json"
LATEST_BY_DAYS = 5
UNKNOWN_COLUMN_DAY = 2  # the delivery whose customers file has an unknown column
TITLE = "Export"  # above the header, where a source has lines there


@dataclass(frozen=True)
class File:
    """A file of each day.

    Attributes:
        folder: below the output.
        columns: the names in its header.
        defects: by kind, the column and the value of rows that go to quarantine.
        dialect: how it is written.
        together: whether rows are delivered together that stand in one order. They come late or
            again as a whole, and again only on another day: within one file, they would be more of
            the same.
    """

    folder: str
    columns: tuple[str, ...]
    defects: Mapping[str, tuple[str, str]]
    dialect: Dialect = field(default_factory=Dialect)
    together: bool = False


class Share:
    """Selects exactly a given share of rows, evenly spread, so that counts are exact."""

    def __init__(self, share: float, phase: float) -> None:
        self._share, self._sum = share, phase if share else 0.0

    def due(self) -> bool:
        """Whether the next row is selected; remains true until `take` is called."""
        self._sum += self._share
        return self._sum >= 1

    def take(self) -> None:
        """Count a selected row."""
        self._sum -= 1


class Deliveries:
    """The delivered files.

    Args:
        output: folder for the files and the manifest.
        files: the files of each day, by name.
        cleared: names of files and folders that an earlier generation may have left.
        flat: one `<name>.csv` per file instead of the landing layout.
        first: the first day of delivery.
        lasts: the last day of the first generation and of each continuation. Only days after the
            last but one are written; the days before were written by the earlier generations.
        late, duplicates, row_defects: shares of rows, 0 to 1.

    Raises:
        PipelineError: `output` holds something that the generator did not write.
    """

    def __init__(
        self,
        output: Path,
        files: Mapping[str, File],
        cleared: Iterable[str],
        *,
        flat: bool,
        first: date,
        lasts: Sequence[date],
        late: float,
        duplicates: float,
        row_defects: float,
    ) -> None:
        self._output, self._flat, self._first = output, flat, first
        self._lasts, self._last, self._today = lasts, lasts[-1], first
        self._written_until = lasts[-2] if len(lasts) > 1 else None
        self._files = files
        self._late = {name: Share(late, 0.2) for name in files}
        self._duplicates = {name: Share(duplicates, 0.5) for name in files}
        self._defects = {name: Share(row_defects, 0.8) for name in files}
        self._kinds = {name: defects.kinds(file.defects) for name, file in files.items()}
        self._unknown_column = bool(row_defects) and not flat
        self._open: dict[tuple[str, date], tuple[IO[str], Any]] = {}
        self._counts: dict[str, dict[date, dict[str, Any]]] = defaultdict(dict)
        if self._written_until is None:
            self._clear(cleared)
            # Until `close`, nothing can continue this.
            (output / MANIFEST).write_text(json.dumps({"options": None}), encoding="utf-8")
        else:
            self._clear_after(self._written_until)

    def put(
        self,
        table: str,
        day: date,
        *rows: list[str],
        plain: bool = False,
        before: date | None = None,
    ) -> None:
        """Deliver rows on `day`, one with a defect if one is due and they are not `plain`.

        The rows belong together, and the shares count them as one. They come late, or again, only
        `before` that day.

        What was to come after the end of a generation comes without a defect in its continuation,
        so that the days before are the same with and without it.
        """
        if day > self._last:
            return
        last = next(last for last in self._lasts if last >= self._today)
        if plain or day > last:
            self._write(table, day, rows)
            return
        latest = min(last, before - timedelta(days=1)) if before else last
        late, duplicate, defect = self._late[table], self._duplicates[table], self._defects[table]
        is_late, is_double, is_bad = late.due(), duplicate.due(), defect.due()
        if is_bad:
            defect.take()
            self._spoil(table, day, rows)
        elif is_late and day < latest:
            late.take()
            lag = 1 + self._rows(table, day) % LATEST_BY_DAYS
            delivered = min(day + timedelta(days=lag), latest)
            self._write(table, delivered, rows)
            self._count(table, delivered, "late", number=len(rows))
        elif is_double and (day < latest or not self._files[table].together):
            duplicate.take()
            self._write(table, day, rows)
            lag = 1 if self._files[table].together else self._rows(table, day) % 2
            again = min(day + timedelta(days=lag), latest)
            self._write(table, again, rows)
            self._count(table, again, "duplicates", number=len(rows))
        else:
            self._write(table, day, rows)

    def close_day(self, day: date) -> None:
        """Finish `day`: no more rows follow."""
        self._today = day + timedelta(days=1)
        for table in self._files if self._is_written(day) else ():
            self._file(table, day)
            if not self._flat:
                self._open.pop((table, day))[0].close()

    def close(self, options: dict[str, Any]) -> Path:
        """Close open files and write the manifest; returns its path."""
        for handle, _ in self._open.values():
            handle.close()
        path = self._output / MANIFEST
        tables = {
            table: {day.isoformat(): counts for day, counts in sorted(days.items())}
            for table, days in self._counts.items()
        }
        manifest = {"options": options, "tables": tables}
        path.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        return path

    def _spoil(self, table: str, day: date, rows: Sequence[list[str]]) -> None:
        kind, file = next(self._kinds[table]), self._files[table]
        *others, row = rows
        if kind == defects.TOO_MANY_FIELDS:
            self._write(table, day, [*others, [*row, "surplus"]], widen=False)
            self._count(table, day, "rescued", kind)
            return
        column, value = file.defects[kind]
        spoilt = list(row)
        spoilt[file.columns.index(column)] = value
        self._write(table, day, [*others, spoilt])
        self._count(table, day, "quarantined", kind)

    def _write(
        self, table: str, day: date, rows: Sequence[list[str]], *, widen: bool = True
    ) -> None:
        if self._has_unknown_column(table, day):
            width = len(self._files[table].columns)
            rows = [[*row[:width], "gold", *row[width:]] for row in rows]
            if widen:
                self._count(table, day, "rescued", defects.UNKNOWN_COLUMN, number=len(rows))
        if self._is_written(day):
            self._file(table, day).writerows(rows)
        self._count(table, day, "rows", number=len(rows))

    def _is_written(self, day: date) -> bool:
        return self._written_until is None or day > self._written_until

    def _has_unknown_column(self, table: str, day: date) -> bool:
        wide = self._first + timedelta(days=UNKNOWN_COLUMN_DAY)
        return self._unknown_column and table == "customers" and day == wide

    def _rows(self, table: str, day: date) -> int:
        return int(self._counts[table].get(day, {}).get("rows", 0))

    def _count(
        self, table: str, day: date, what: str, kind: str | None = None, number: int = 1
    ) -> None:
        counts = self._counts[table].setdefault(day, {})
        if kind is None:
            counts[what] = counts.get(what, 0) + number
        else:
            kinds = counts.setdefault(what, {})
            kinds[kind] = kinds.get(kind, 0) + number

    def _file(self, table: str, day: date) -> Any:
        wanted = (table, self._first if self._flat else day)
        if wanted not in self._open:
            file = self._files[table]
            folder = self._output if self._flat else self._output / file.folder / date_folder(day)
            folder.mkdir(parents=True, exist_ok=True)
            path, dialect = folder / f"{table}.csv", file.dialect
            # Closed by close_day. A name may have letters that the encoding lacks.
            handle = path.open("w", encoding=dialect.encoding, errors="replace", newline="")
            handle.write(f"{TITLE}\n" * dialect.skip_lines)
            writer = csv.writer(handle, delimiter=dialect.delimiter, lineterminator="\n")
            extra = ["loyalty_level"] if self._has_unknown_column(table, day) else []
            writer.writerow([*file.columns, *extra])
            self._open[wanted] = (handle, writer)
        return self._open[wanted][1]

    def _clear_after(self, last: date) -> None:
        """Remove the days of a continuation that was interrupted."""
        for file in self._files.values():
            for folder in (self._output / file.folder).glob("*"):
                if folder.name > date_folder(last):
                    shutil.rmtree(folder)

    def _clear(self, names: Iterable[str]) -> None:
        """Remove the output of an earlier generation, and nothing else."""
        self._output.mkdir(parents=True, exist_ok=True)
        present = list(self._output.iterdir())
        if present and not (self._output / MANIFEST).exists():
            raise PipelineError(
                f"{self._output} holds files that `ecommerce generate` did not write: choose an "
                "empty folder"
            )
        for name in names:
            shutil.rmtree(self._output / name, ignore_errors=True)
            (self._output / f"{name}.csv").unlink(missing_ok=True)
