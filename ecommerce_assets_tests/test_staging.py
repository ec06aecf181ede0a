"""How rows are written to their files."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from ecommerce_assets.lakehouse.history import History
from ecommerce_assets.lakehouse.metadata import BuildRecord
from ecommerce_assets.lakehouse.session import open_session
from ecommerce_assets.lakehouse.staging import stage
from ecommerce_assets.lakehouse.tables import PROPERTIES, create_table

NAME = "silver.staged"
DAYS = [date(2024, 1, 1), date(2024, 1, 2), date(2024, 2, 1)]
RECORD = BuildRecord({}, "code", "run")


@pytest.fixture
def lakehouse(spark: SparkSession, tmp_path: Path) -> SparkSession:
    return open_session(str(tmp_path))


def created(spark: SparkSession, partitioned_by: str) -> History:
    rows = spark.createDataFrame([], "day date, n long")
    create_table(spark, NAME, rows.schema, [partitioned_by], "Rows.", clustered=False)
    return History(spark, NAME)


def test_a_column_may_be_added_by_several_runs_at_once(lakehouse: SparkSession) -> None:
    created(lakehouse, "day")
    more = lakehouse.createDataFrame([], "day date, n long, a long, b long, c long").schema

    def add(_: int) -> None:
        create_table(lakehouse, NAME, more, ["day"], "Rows.")

    with ThreadPoolExecutor(4) as runs:
        list(runs.map(add, range(4)))
    assert lakehouse.table(f"lakehouse.{NAME}").schema.names == more.names


def test_rows_in_order_need_no_sort_and_others_are_refused(lakehouse: SparkSession) -> None:
    base = created(lakehouse, "day")
    rows = [(day, n) for n, day in enumerate(DAYS)]
    mixed = lakehouse.createDataFrame([*rows, (DAYS[0], 9)], "day date, n long").coalesce(1)
    with pytest.raises(Exception, match="clustered by"):
        stage(lakehouse, base, mixed, "true", RECORD, in_order=True)
    assert lakehouse.table(f"lakehouse.{NAME}").count() == 0
    staged = stage(
        lakehouse, base, lakehouse.createDataFrame(rows, "day date, n long"), "true", RECORD,
        in_order=True,
    )  # fmt: skip
    assert (staged.rows, staged.added) == (3, 3)
    staged.publish()
    assert sorted(map(tuple, lakehouse.table(f"lakehouse.{NAME}").collect())) == rows


@pytest.mark.parametrize(("whole", "files"), [(True, 2), (False, 1)])
def test_each_task_writes_its_part_of_a_month_of_a_whole_table(
    lakehouse: SparkSession, whole: bool, files: int
) -> None:
    base = created(lakehouse, "months(day)")
    rows = lakehouse.range(0, 100, 1, 2).selectExpr("date'2024-01-15' as day", "id as n")
    staged = stage(lakehouse, base, rows, "true", RECORD, whole=whole)
    staged.publish()
    table = lakehouse.table(f"lakehouse.{NAME}")
    assert table.count() == 100
    assert lakehouse.table(f"lakehouse.{NAME}.files").count() == files


def test_a_table_of_before_gets_new_properties_and_keeps_its_own(lakehouse: SparkSession) -> None:
    created(lakehouse, "day")
    own, new = "read.split.open-file-cost", "write.parquet.dict-size-bytes"
    lakehouse.sql(f"ALTER TABLE lakehouse.{NAME} SET TBLPROPERTIES ('{own}' = '1')")
    lakehouse.sql(f"ALTER TABLE lakehouse.{NAME} UNSET TBLPROPERTIES ('{new}')")
    assert new not in History(lakehouse, NAME).properties
    found = created(lakehouse, "day").properties
    assert (found[own], found[new]) == ("1", PROPERTIES[new])
