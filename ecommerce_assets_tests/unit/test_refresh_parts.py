"""Change finding, affected keys, intervals and snapshots, on frames that fit into a glance."""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import pytest
from pyspark.sql import SparkSession

from ecommerce_assets.engine.relation import Relation
from ecommerce_assets.engine.spark import SparkEngine, SparkRelation
from ecommerce_assets.intervals import (
    Interval,
    days_in,
    end_of_month,
    end_of_week,
    lies_in,
    merged,
    written,
)
from ecommerce_assets.lakehouse.history import History
from ecommerce_assets.lakehouse.local_catalog import load_table
from ecommerce_assets.lakehouse.metadata import BuildRecord
from ecommerce_assets.lakehouse.partitions import first_day
from ecommerce_assets.model.dependency import by_column, by_hash, by_month
from ecommerce_assets.refresh.changes import changed_rows, differing
from ecommerce_assets.refresh.keys import KEY, AffectedKeys, keys_of, ranges
from ecommerce_assets.refresh.limits import Limits

JAN, FEB, MAR = date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1)


def relation(spark: SparkSession, rows: Sequence[tuple[Any, ...]], schema: str) -> Relation:
    return SparkRelation(spark.createDataFrame(list(rows), schema))


def items(spark: SparkSession, *rows: tuple[Any, ...]) -> Relation:
    return relation(spark, rows, "id string, order_id string, amount int")


def signed(found: Relation | None) -> list[tuple[Any, ...]]:
    assert found is not None
    return sorted((row["_sign"], row["id"], row["order_id"], row["amount"]) for row in found.rows())


def ids(found: Relation) -> list[str]:
    return sorted(row["id"] for row in found.rows())


# ---- changed rows


def test_rows_of_unchanged_keys_are_left_out(spark: SparkSession) -> None:
    before = items(spark, ("1", "A", 5), ("2", "A", 6), ("3", "B", 7))
    after = items(spark, ("3", "B", 7), ("1", "A", 5), ("2", "A", 9))
    assert signed(changed_rows(after, before, ["id"], 10)) == [(-1, "2", "A", 6), (1, "2", "A", 9)]


def test_all_rows_of_a_changed_key_come_with_it(spark: SparkSession) -> None:
    before = items(spark, ("1", "A", 5), ("2", "A", 6), ("3", "B", 7))
    after = items(spark, ("1", "A", 5), ("2", "A", 9), ("3", "B", 7))
    found = signed(changed_rows(after, before, ["order_id"], 10))
    assert found == [(-1, "1", "A", 5), (-1, "2", "A", 6), (1, "1", "A", 5), (1, "2", "A", 9)]


def test_a_doubled_row_a_gone_row_and_a_null_are_changes(spark: SparkSession) -> None:
    before = items(spark, ("1", "A", 5), ("2", "A", 6), ("3", None, 7))
    after = items(spark, ("1", "A", 5), ("1", "A", 5), ("3", "B", 7))
    changed = changed_rows(after, before, ["id"], 10)
    assert changed is not None
    assert set(ids(changed)) == {"1", "2", "3"}
    assert ids(differing(changed, ["id"])) == ["1", "2"]


def test_a_null_that_moves_to_another_column_is_a_change(spark: SparkSession) -> None:
    schema = "id string, a int, b int"
    before = relation(spark, [("1", 5, None)], schema)
    after = relation(spark, [("1", None, 5)], schema)
    changed = changed_rows(after, before, ["id"], 10)
    assert changed is not None
    assert changed.count() == 2


def test_a_table_that_was_empty_has_only_new_rows(spark: SparkSession) -> None:
    assert signed(changed_rows(items(spark, ("1", "A", 5)), None, ["id"], 10)) == [(1, "1", "A", 5)]


def test_too_many_changes_and_other_columns_are_unknown(spark: SparkSession) -> None:
    after = items(spark, ("1", "A", 5), ("2", "A", 6))
    assert changed_rows(after, None, ["id"], 1) is None
    assert changed_rows(after, after.select("id", "order_id"), ["id"], 10) is None


# ---- affected keys


def keys(spark: SparkSession, *values: Any, limits: Limits | None = None) -> AffectedKeys:
    found = relation(spark, [(value,) for value in values], "_refresh_key string")
    return AffectedKeys(found, sorted(values), limits or Limits())


@pytest.mark.parametrize("listed", [0, 100], ids=["by ranges and join", "by list"])
def test_rows_of_keys_and_the_others(spark: SparkSession, listed: int) -> None:
    rows = items(spark, ("1", "A", 5), ("2", "B", 6), ("3", "C", 7), ("4", None, 8))
    affected = keys(spark, "A", "C", limits=Limits(listed_keys=listed))
    assert ids(affected.within(rows, "order_id")) == ["1", "3"]
    mapping = by_column("order_id")
    assert affected.of(rows, mapping).count() == 2
    stays = ids(affected.without(rows, "order_id"))
    # A null is no key; `in` is null for it, and no such row is ever written.
    assert stays in (["2"], ["2", "4"])


def test_surrogate_keys_select_by_their_natural_key(spark: SparkSession) -> None:
    rows = items(spark, ("1", "A", 5), ("2", "B", 6))
    mapping = by_hash("order_id")
    assert mapping.key is not None
    (found,) = keys_of(rows.where("order_id = 'B'"), mapping.key).rows()
    key = found["_refresh_key"]
    affected = AffectedKeys(relation(spark, [(key,)], "_refresh_key long"), [key], Limits())
    assert ids(affected.of(rows, mapping)) == ["2"]


def test_months_select_their_days(spark: SparkSession) -> None:
    engine = SparkEngine(spark)
    rows = engine.days("day", [date(2024, 1, 30) + timedelta(days=n) for n in range(33)])
    affected = AffectedKeys(engine.days(KEY, [FEB]), [FEB], Limits())
    found = [row["day"] for row in affected.of(rows, by_month("day")).rows()]
    assert (min(found), max(found), len(found)) == (FEB, date(2024, 2, 29), 29)


def test_no_keys_select_no_rows(spark: SparkSession) -> None:
    rows = items(spark, ("1", "A", 5))
    affected = AffectedKeys(relation(spark, [], "_refresh_key string"), [], Limits())
    assert affected.none
    assert affected.within(rows, "order_id").count() == 0
    assert affected.without(rows, "order_id").count() == 1


def test_subsets_are_known_only_from_values(spark: SparkSession) -> None:
    few, more = keys(spark, "A"), keys(spark, "A", "B")
    unknown = AffectedKeys(more.relation, None, Limits())
    assert few.among(more)
    assert not more.among(few)
    assert not few.among(unknown)


def test_ranges_are_cut_at_the_widest_gaps() -> None:
    assert ranges(["a1", "a2", "a3", "x1", "x2"], 2) == [("a1", "a3"), ("x1", "x2")]
    assert ranges(["a1", "a2", "a3"], 1) == [("a1", "a3")]
    assert ranges(["a1"], 16) == [("a1", "a1")]


# ---- intervals


def test_adjacent_days_weeks_and_months_are_merged() -> None:
    days = [date(2024, 1, 2), date(2024, 1, 1), date(2024, 1, 4)]
    assert merged(days) == [
        Interval(JAN, date(2024, 1, 3)),
        Interval(date(2024, 1, 4), date(2024, 1, 5)),
    ]
    assert merged([JAN, date(2024, 1, 8)], end_of_week) == [Interval(JAN, date(2024, 1, 15))]
    assert merged([JAN, FEB], end_of_month) == [Interval(JAN, MAR)]


def test_days_survive_being_written() -> None:
    days = {date(2024, 2, 28), date(2024, 2, 29), MAR, date(2024, 12, 31)}
    assert written(days) == ("2024-02-28/2024-03-01", "2024-12-31/2024-12-31")
    assert days_in(written(days)) == days
    assert days_in(()) == set()


def test_a_condition_takes_the_first_moment_and_leaves_the_end(spark: SparkSession) -> None:
    times = spark.sql(
        "select explode(array('2024-01-31 23:59:59', '2024-02-01 00:00:00', '2024-02-29 23:59:59.9', "
        "'2024-03-01 00:00:00')) as t"
    ).selectExpr("cast(t as timestamp) as t")
    assert times.where(lies_in("t", [FEB], end_of_month)).count() == 2
    assert times.where(lies_in("t", [])).count() == 0


# ---- snapshots


def snapshot(
    number: int, operation: str = "overwrite", record: BuildRecord | None = None
) -> dict[str, Any]:
    summary = {"operation": operation, "total-records": str(number)}
    return {
        "snapshot-id": number,
        "parent-snapshot-id": number - 1 or None,
        "timestamp-ms": number,
        "sequence-number": number,
        "manifest-list": f"/lakehouse/{number}.avro",
        "summary": summary | (record.summary() if record else {}),
    }


def history(*snapshots: dict[str, Any]) -> History:
    document: dict[str, Any] = {
        "format-version": 2,
        "table-uuid": str(UUID(int=1)),
        "location": "/lakehouse/warehouse/gold/table",
        "last-updated-ms": 9,
        "last-sequence-number": 9,
        "last-column-id": 1,
        "last-partition-id": 1000,
        "snapshots": list(snapshots),
        "properties": {},
        "default-spec-id": 0,
        "partition-specs": [
            {
                "spec-id": 0,
                "fields": [
                    {"name": "day_month", "source-id": 1, "field-id": 1000, "transform": "month"}
                ],
            }
        ],
        "schemas": [
            {
                "type": "struct",
                "schema-id": 0,
                "fields": [{"id": 1, "name": "day", "type": "date", "required": False}],
            }
        ],
        "current-schema-id": 0,
        "sort-orders": [{"order-id": 0, "fields": []}],
        "default-sort-order-id": 0,
    }
    if snapshots:
        head = snapshots[-1]["snapshot-id"]
        document["refs"] = {"main": {"snapshot-id": head, "type": "branch"}}
        document["current-snapshot-id"] = head
    with TemporaryDirectory() as folder:
        file = Path(folder) / "00000-x.metadata.json"
        file.write_text(json.dumps(document))
        return History("gold.table", load_table("gold.table", file))


RECORD = BuildRecord({"silver.orders": 7}, "v1", "run_1")


def test_a_record_survives_the_summary_of_a_snapshot() -> None:
    for record in (
        RECORD,
        BuildRecord({"2024-01-01": "x"}, "v1", "r", other_code=("2024-01-02/2024-01-03",)),
    ):
        assert history(snapshot(1, record=record)).record == record


def test_a_compaction_has_the_record_of_what_it_compacted() -> None:
    table = history(snapshot(1, record=RECORD), snapshot(2, "replace"))
    assert (table.snapshot_id, table.rows, table.record, table.checked_id) == (2, 2, RECORD, 1)


def test_a_note_is_not_what_was_checked() -> None:
    note = BuildRecord({"silver.orders": 8}, "v1", "run_2", is_note=True)
    table = history(snapshot(1, record=RECORD), snapshot(2, "append", note))
    assert (table.record, table.checked_id) == (note, 1)
    assert note.says_more_than(RECORD)
    assert not BuildRecord(RECORD.sources, "v1", "run_3", is_note=True).says_more_than(RECORD)


def test_what_has_expired_is_unknown() -> None:
    table = history(snapshot(3, "replace"))
    assert (table.record, table.written_at(3), table.checked_id) == (None, None, None)
    assert [found.id for found in table.back_from(3)] == [3]


@pytest.mark.parametrize(
    ("figures", "empty"),
    [
        ({"total-records": "0"}, True),
        ({"total-records": "3", "added-records": "3"}, True),
        ({"total-records": "3", "added-records": "3", "deleted-records": "2"}, False),
        ({"total-records": "5", "added-records": "3"}, False),
        ({}, False),
    ],
)
def test_what_came_before_a_snapshot_without_a_parent(figures: dict[str, str], empty: bool) -> None:
    """pyiceberg forgets the parent of a snapshot when that one expires."""
    found = snapshot(1)
    found["summary"] = {"operation": "overwrite", **figures}
    table = history(found)
    assert table.current is not None
    assert table.current.from_empty is empty


def test_a_snapshot_of_somebody_else_has_no_record() -> None:
    foreign = snapshot(1)
    foreign["summary"]["ecommerce.sources"] = "not JSON"
    assert history(foreign).record is None
    assert history().snapshot_id is None


def test_partitions_by_month() -> None:
    table = history(snapshot(1))
    assert (table.monthly, table.by_date, table.partition_transforms) == (
        True,
        False,
        ["months(day)"],
    )
    assert first_day((FEB.year - 1970) * 12 + 1, monthly=True) == FEB
