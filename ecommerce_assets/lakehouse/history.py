"""The history of a table: its published states, what each was made from, what changed between two.

Read from the table's metadata, which Iceberg gives as one JSON text: no Spark job, one call.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse.session import CATALOG

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MADE_FROM = "ecommerce.made-from"
CODE_VERSION = "ecommerce.code-version"
RUN = "ecommerce.run"
NOTE = "ecommerce.note"
MONTH = "_month"  # after a column's name: Iceberg's name for a partition by its month
WHOLE = date.min
PIECE = 4_000  # characters; py4j sends longer answers in two writes, the second 40 ms later


@dataclass(frozen=True)
class Marker:
    """What a table's state was made from; kept in its snapshot's summary.

    Attributes:
        made_from: for a table made from tables, their snapshot ids by identifier (None where one
            was empty); for bronze, the fingerprint of each date's delivery that the run read.
        code_version: version of the code that made it.
        run: id of the run that made it.
        is_note: the state holds the same rows as the one before: upstream moved on, and nothing
            that matters here did.
    """

    made_from: dict[str, Any]
    code_version: str
    run: str
    is_note: bool = False

    def summary(self) -> dict[str, str]:
        """As properties of a snapshot."""
        summary = {
            MADE_FROM: json.dumps(self.made_from),
            CODE_VERSION: self.code_version,
            RUN: self.run,
        }
        return summary | ({NOTE: "true"} if self.is_note else {})


@dataclass(frozen=True)
class Snapshot:
    """One state of a table."""

    id: int
    parent: int | None
    committed: datetime
    summary: Mapping[str, str]

    @property
    def marker(self) -> Marker | None:
        """What the state was made from; None where nothing, or nothing readable, says so."""
        try:
            made_from = json.loads(self.summary[MADE_FROM])
            if not isinstance(made_from, dict):
                return None
            return Marker(made_from, self.summary[CODE_VERSION], self.summary[RUN])
        except (KeyError, ValueError):
            return None


class History:
    """A table's published states as they were when this was read.

    Args:
        at: take this state, staged and not yet published, for the published one.

    Raises:
        PipelineError: the table does not exist.
    """

    def __init__(self, spark: "SparkSession", identifier: str, at: int | None = None) -> None:
        self.identifier = identifier
        self._spark = spark
        self.table = java_table(spark, identifier)
        metadata = self._metadata()
        self._snapshots = {
            found["snapshot-id"]: Snapshot(
                found["snapshot-id"],
                found.get("parent-snapshot-id"),
                datetime.fromtimestamp(found["timestamp-ms"] / 1000, UTC),
                found.get("summary", {}),
            )
            for found in metadata.get("snapshots", [])
        }
        main = metadata.get("refs", {}).get("main")
        head = at or (main and main["snapshot-id"])
        self.current = self._snapshots.get(head) if head else None
        self.properties: dict[str, str] = metadata["properties"]
        self._spec_id = metadata["default-spec-id"]
        (self._partition_fields,) = [
            spec["fields"]
            for spec in metadata["partition-specs"]
            if spec["spec-id"] == self._spec_id
        ]
        self._column_names = {
            field["id"]: field["name"]
            for schema in metadata["schemas"]
            if schema["schema-id"] == metadata["current-schema-id"]
            for field in schema["fields"]
        }

    def _metadata(self) -> dict[str, Any]:
        """The table's metadata, as in its file."""
        jvm: Any = self._spark._jvm
        written = jvm.java.io.StringWriter()
        generator = jvm.org.apache.iceberg.util.JsonUtil.factory().createGenerator(written)
        parser = jvm.org.apache.iceberg.TableMetadataParser
        parser.toJson(self.table.operations().current(), generator)
        generator.flush()
        text = written.getBuffer()
        length = text.length()
        pieces = [
            text.substring(start, min(start + PIECE, length)) for start in range(0, length, PIECE)
        ]
        metadata: dict[str, Any] = json.loads("".join(pieces))
        return metadata

    @property
    def states(self) -> list[Snapshot]:
        """Every state that is kept."""
        return list(self._snapshots.values())

    @property
    def files(self) -> int:
        """Data files of the published state."""
        return self._total("total-data-files")

    @property
    def snapshot_id(self) -> int | None:
        """Id of the published state; None for a table that never had one."""
        return self.current.id if self.current else None

    @property
    def rows(self) -> int:
        """Rows of the published state."""
        return self._total("total-records")

    @property
    def bytes(self) -> int:
        """Size of the published state's files."""
        return self._total("total-files-size")

    def _total(self, name: str) -> int:
        return int(self.current.summary.get(name, 0)) if self.current else 0

    @cached_property
    def marker(self) -> Marker | None:
        """What the published state was made from."""
        return self.marker_at(self.snapshot_id)

    def marker_at(self, state: int | None) -> Marker | None:
        """What a state was made from.

        Maintenance rewrites files and leaves the rows as they were: the state before tells.
        """
        for snapshot in self.back_from(state):
            if snapshot.summary.get("operation") != "replace":
                return snapshot.marker
        return None

    @property
    def judged_id(self) -> int | None:
        """Id of the state whose checks hold for the published one, as it has the same rows."""
        for snapshot in self.back_from(self.snapshot_id):
            if snapshot.summary.get("operation") != "replace" and NOTE not in snapshot.summary:
                return snapshot.id
        return None

    def back_from(self, snapshot: int | None) -> Iterator[Snapshot]:
        """The state of that id, the one before it, and so on, as far as they are kept."""
        while snapshot in self._snapshots:
            found = self._snapshots[snapshot]
            yield found
            snapshot = found.parent

    def changed_partitions(self, old: int | None, new: int | None) -> "Partitions | None":
        """The partitions whose files differ between two states; None where that is not known.

        `old` may be None, for a table that was empty then.
        """
        if old is not None and old not in self._snapshots:
            return None
        added: set[date] = set()
        removed: set[date] = set()
        io = self.table.io()
        reached = new
        for snapshot in self.back_from(new):
            if snapshot.id == old:
                break
            reached = snapshot.parent
            if snapshot.summary.get("operation") == "replace":
                continue
            java = self.table.snapshot(snapshot.id)
            for listed, firsts in (
                (java.addedDataFiles(io), added),
                (java.removedDataFiles(io), removed),
            ):
                files = listed.iterator()
                while files.hasNext() and not (firsts and self._field is None):
                    file = files.next()
                    if not self._as_now(file):
                        return None
                    firsts.add(self._first_day(file))
        if reached != old:
            return None
        column, monthly = self._field, self._field is not None and self._field.endswith(MONTH)
        if column is not None:
            column = column.removesuffix(MONTH)
        return Partitions(column, monthly, frozenset(added), frozenset(removed))

    @cached_property
    def _field(self) -> str | None:
        """The partition's name in paths: a date column's, or one with `MONTH` after it."""
        fields = self._partition_fields
        return fields[0]["name"] if fields else None

    @property
    def partition_transforms(self) -> list[str]:
        """What the table is partitioned by now, as in DDL."""
        found = []
        for field in self._partition_fields:
            column, transform = self._column_names[field["source-id"]], field["transform"]
            found.append(column if transform == "identity" else f"{transform}s({column})")
        return found

    @cached_property
    def _spec(self) -> Any:
        return self.table.specs().get(self._spec_id)

    def _as_now(self, file: Any) -> bool:
        """Whether a file was written when the table was partitioned as it is now."""
        return bool(file.specId() == self._spec_id)

    def _first_day(self, file: Any) -> date:
        """First day of the partition that a file lies in."""
        if self._field is None:
            return WHOLE
        text = self._spec.partitionToPath(file.partition()).partition("=")[2]
        return date.fromisoformat(f"{text}-01" if self._field.endswith(MONTH) else text)

    @property
    def by_date(self) -> bool:
        """Whether each date is a partition of its own."""
        return self._field is not None and not self._field.endswith(MONTH)

    def partitioned_by(self, column: str) -> bool:
        """Whether the table is partitioned by this column's values."""
        return self._field == column

    def filled_columns(
        self, snapshot: int, column: str, days: Sequence[date]
    ) -> dict[date, tuple[frozenset[str], frozenset[str]]]:
        """By partition of a date column: the columns that are not null in every row, and of these
        those that hold more than empty texts. From the files' statistics, without a Spark job.

        Args:
            days: partitions to look at.
        """
        there: dict[date, set[str]] = {day: set() for day in days}
        filled: dict[date, set[str]] = {day: set() for day in days}
        jvm: Any = self._spark._jvm
        for file in self._data_files(snapshot, column, days) if days else ():
            day = self._first_day(file)
            if day not in there:
                continue
            values, nulls = _numbers(file.valueCounts()), _numbers(file.nullValueCounts())
            # A map of Iceberg's own, which does not print its entries.
            bounds = file.upperBounds() and jvm.java.util.HashMap(file.upperBounds())
            longest = _numbers(bounds, "lim")
            for number, count in values.items():
                name = self._column_names.get(number)
                if name is not None and count > nulls.get(number, 0):
                    there[day].add(name)
                    if longest.get(number, 1):
                        filled[day].add(name)
        return {day: (frozenset(there[day]), frozenset(filled[day])) for day in days}

    def _data_files(self, snapshot: int, column: str, days: Sequence[date]) -> Iterator[Any]:
        """The files of the partitions from the first to the last day, with their statistics."""
        self.table.refresh()
        scan = self.table.newScan().useSnapshot(snapshot).includeColumnStats()
        files = self._within(scan, column, days).planFiles()
        try:
            tasks = files.iterator()
            while tasks.hasNext():
                yield tasks.next().file()
        finally:
            files.close()

    def _within(self, scan: Any, column: str, days: Sequence[date]) -> Any:
        jvm: Any = self._spark._jvm
        of = jvm.org.apache.iceberg.expressions.Expressions
        scan = scan.filter(of.greaterThanOrEqual(column, days[0].isoformat()))
        return scan.filter(of.lessThanOrEqual(column, days[-1].isoformat()))

    def rows_by_date(
        self, snapshot: int | None, column: str, days: Sequence[date] | None = None
    ) -> dict[date, int]:
        """Rows by partition of a date column, at a snapshot: no Spark job.

        Empty where the table is not, or not yet, partitioned by that column's values.

        Args:
            days: in order; only partitions from the first to the last of them are looked at.
        """
        if not self.partitioned_by(column) or snapshot is None or (days is not None and not days):
            return {}
        self.table.refresh()
        scan = self.table.newScan().useSnapshot(snapshot)
        if days:
            scan = self._within(scan, column, days)
        counts: dict[date, int] = {}
        files = scan.planFiles()
        try:
            tasks = files.iterator()
            while tasks.hasNext():
                file = tasks.next().file()
                if not self._as_now(file):
                    return {}
                day = self._first_day(file)
                counts[day] = counts.get(day, 0) + file.recordCount()
        finally:
            files.close()
        return counts


@dataclass(frozen=True)
class Partitions:
    """Partitions of a table by the day or the month of a column.

    Attributes:
        column: what it is partitioned by; None where it is not.
        monthly: by the column's month; else by the column, a date.
        added, removed: first days of the partitions that got files, and that lost files; of a
            table that is not partitioned, `WHOLE`.
    """

    column: str | None
    monthly: bool
    added: frozenset[date]
    removed: frozenset[date]

    @property
    def firsts(self) -> frozenset[date]:
        """First days of all of them."""
        return self.added | self.removed

    def __bool__(self) -> bool:
        return bool(self.firsts)


def _numbers(statistics: Any, within: str = "") -> dict[int, int]:
    """A Java map of a file's statistics, by column id: as its text, one call instead of many.

    Args:
        within: of values that are buffers, the figure to take.
    """
    if statistics is None:
        return {}
    value = rf"[^,\]]*\[[^\]]*\b{within}=(\d+)[^\]]*\]" if within else r"(\d+)"
    found = re.findall(rf"(\d+)={value}", statistics.toString())
    return {int(number): int(figure) for number, figure in found}


def qualified(identifier: str) -> str:
    """The name by which Spark SQL knows the table."""
    return f"{CATALOG}.{identifier}"


def java_table(spark: "SparkSession", identifier: str) -> Any:
    """Iceberg's own object of the table.

    Raises:
        PipelineError: the table does not exist.
    """
    util = spark._jvm.org.apache.iceberg.spark.Spark3Util  # type: ignore[union-attr]
    try:
        return util.loadIcebergTable(spark._jsparkSession, qualified(identifier))
    except Exception:
        if spark.catalog.tableExists(qualified(identifier)):
            raise
        raise PipelineError(f"{identifier} does not exist yet: materialize it first") from None
