"""The history of a table: its published snapshots, and which partitions changed between two.

Read from metadata and manifests, without a Spark job.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse import jvm
from ecommerce_assets.lakehouse.jvm import Java
from ecommerce_assets.lakehouse.metadata import MENDED, MONTH, UNPARTITIONED, TableMetadata
from ecommerce_assets.lakehouse.names import qualified
from ecommerce_assets.lakehouse.partitions import Partitions

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class History(TableMetadata):
    """A table's published snapshots at the time of reading.

    Args:
        at: treat this unpublished snapshot as the published one.

    Raises:
        PipelineError: the table does not exist.
    """

    def __init__(self, spark: "SparkSession", identifier: str, at: int | None = None) -> None:
        self.identifier = identifier
        self._spark = spark
        self.table = java_table(spark, identifier)
        super().__init__(jvm.table_metadata(spark, self.table), at)

    def changed_partitions(self, old: int | None, new: int | None) -> Partitions | None:
        """The partitions whose files differ between two snapshots; None if that is unknown.

        Args:
            old: None for a table that was empty then.
        """
        if old is not None and old not in self._snapshots:
            return None
        added: set[date] = set()
        removed: set[date] = set()
        io = self.table.io()
        reached, rows = new, 0
        for snapshot in self.back_from(new):
            if snapshot.id == old:
                break
            reached = snapshot.parent
            if snapshot.rows_unchanged:
                continue
            if MENDED in snapshot.summary:
                return None
            rows += snapshot.changed_rows
            java = self.table.snapshot(snapshot.id)
            for files, firsts in (
                (java.addedDataFiles(io), added),
                (java.removedDataFiles(io), removed),
            ):
                if not self._add_first_days(files, firsts):
                    return None
        if reached != old:
            return None
        column = self.partition_field
        if column is not None:
            column = column.removesuffix(MONTH)
        return Partitions(column, self.monthly, frozenset(added), frozenset(removed), rows)

    def _add_first_days(self, files: Java, firsts: set[date]) -> bool:
        """Add the first days of the files' partitions; False if they were partitioned differently.

        For a table without partitions, one file is enough.
        """
        for file in jvm.each(files):
            if not self._as_now(file):
                return False
            firsts.add(self._first_day(file))
            if self.partition_field is None:
                break
        return True

    @cached_property
    def _spec(self) -> Java:
        return self.table.specs().get(self.spec_id)

    def _as_now(self, file: Java) -> bool:
        """Whether a file was written with the table's present partitioning."""
        return bool(file.specId() == self.spec_id)

    def _first_day(self, file: Java) -> date:
        """First day of the partition that a file lies in."""
        if self.partition_field is None:
            return UNPARTITIONED
        return self.first_day(self._spec.partitionToPath(file.partition()))

    def filled_columns(
        self, snapshot: int, column: str, days: Sequence[date]
    ) -> dict[date, tuple[frozenset[str], frozenset[str]]]:
        """By partition of a date column: the columns with any value, and those with any non-empty
        text, from the files' statistics.

        Args:
            days: partitions to look at.
        """
        there: dict[date, set[str]] = {day: set() for day in days}
        filled: dict[date, set[str]] = {day: set() for day in days}
        for file in self._files(snapshot, column, days, statistics=True) if days else ():
            day = self._first_day(file)
            if day not in there:
                continue
            values, nulls = _numbers(file.valueCounts()), _numbers(file.nullValueCounts())
            longest = _numbers(jvm.printable(self._spark, file.upperBounds()), "lim")
            for number, count in values.items():
                name = self.column_names.get(number)
                if name is not None and count > nulls.get(number, 0):
                    there[day].add(name)
                    if longest.get(number, 1):
                        filled[day].add(name)
        return {day: (frozenset(there[day]), frozenset(filled[day])) for day in days}

    def rows_by_date(
        self, snapshot: int | None, column: str, days: Sequence[date] | None = None
    ) -> dict[date, int]:
        """Rows by partition of a date column, at a snapshot.

        Empty if the table is not partitioned by that column.

        Args:
            days: sorted; only partitions from the first to the last are read.
        """
        if not self.partitioned_by(column) or snapshot is None or (days is not None and not days):
            return {}
        counts: dict[date, int] = {}
        for file in self._files(snapshot, column, days):
            if not self._as_now(file):
                return {}
            day = self._first_day(file)
            counts[day] = counts.get(day, 0) + file.recordCount()
        return counts

    def _files(
        self, snapshot: int, column: str, days: Sequence[date] | None, *, statistics: bool = False
    ) -> Iterator[Java]:
        """Files of the partitions from the first to the last day; all files if `days` is None."""
        self.table.refresh()
        scan = self.table.newScan().useSnapshot(snapshot)
        if statistics:
            scan = scan.includeColumnStats()
        if days:
            scan = jvm.between(self._spark, scan, column, days[0], days[-1])
        return jvm.scanned_files(scan)


def _numbers(statistics: Java, within: str = "") -> dict[int, int]:
    """A Java map of a file's statistics by column id, parsed from its text to save calls.

    Args:
        within: for buffers, the property to read.
    """
    if statistics is None:
        return {}
    value = rf"[^,\]]*\[[^\]]*\b{within}=(\d+)[^\]]*\]" if within else r"(\d+)"
    found = re.findall(rf"(\d+)={value}", statistics.toString())
    return {int(number): int(figure) for number, figure in found}


def java_table(spark: "SparkSession", identifier: str) -> Java:
    """Iceberg's own object of the table.

    Raises:
        PipelineError: the table does not exist.
    """
    try:
        return jvm.iceberg_table(spark, qualified(identifier))
    except Exception:
        if spark.catalog.tableExists(qualified(identifier)):
            raise
        raise PipelineError(f"{identifier} does not exist yet: materialize it first") from None
