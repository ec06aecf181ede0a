"""How rows are written to their files."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from ecommerce_assets.engine.embedded import EmbeddedEngine
from ecommerce_assets.engine.relation import Overwrite
from ecommerce_assets.engine.spark import SparkEngine, SparkRelation
from ecommerce_assets.engine.spark_session import open_session
from ecommerce_assets.lakehouse import maintenance
from ecommerce_assets.lakehouse.catalog import Lakehouse, commit, open_lakehouse, set_properties
from ecommerce_assets.lakehouse.files import files_below
from ecommerce_assets.lakehouse.history import History, history_of
from ecommerce_assets.lakehouse.metadata import BuildRecord
from ecommerce_assets.lakehouse.schemas import NEXT, schema_with
from ecommerce_assets.lakehouse.staging import PublishConflict, Staged, Write, drop_branch, stage
from ecommerce_assets.lakehouse.tables import PROPERTIES, create_table, drop_columns

NAME = "silver.staged"
DAYS = [date(2024, 1, 1), date(2024, 1, 2), date(2024, 2, 1)]
RECORD = BuildRecord({}, "code", "run")


def kinds_of(rows: DataFrame) -> dict[str, str]:
    """The types of a frame's columns, in DuckDB's words."""
    words = {"date": "DATE", "bigint": "BIGINT", "string": "TEXT", "array<string>": "TEXT[]"}
    return {name: words[kind] for name, kind in rows.dtypes}


def written(
    session: SparkSession, base: History, rows: DataFrame, replace: str, record: BuildRecord,
    **how: bool,
) -> Staged:  # fmt: skip
    """The snapshot of rows that Spark writes to a branch."""
    schema = schema_with(NAME, base.table, kinds_of(rows), whole=True)
    overwrite = Overwrite(base, SparkRelation(rows), schema, replace, **how)
    write = partial(SparkEngine(session).overwrite, overwrite)
    return stage(base, write, record, whole=overwrite.whole)


@pytest.fixture
def session(spark: SparkSession, tmp_path: Path) -> SparkSession:
    return open_session(str(tmp_path))


@pytest.fixture
def tables(session: SparkSession, tmp_path: Path) -> Lakehouse:
    return open_lakehouse(str(tmp_path))


def nothing(base: History, condition: str) -> Write:
    raise AssertionError("there is nothing to compact")


def created(spark: SparkSession, tables: Lakehouse, partitioned_by: str) -> History:
    create_table(
        tables, NAME, {"day": "DATE", "n": "BIGINT"}, [partitioned_by], "Rows.", clustered=False
    )
    return history_of(tables, NAME)


def test_a_column_may_be_added_by_several_runs_at_once(
    session: SparkSession, tables: Lakehouse
) -> None:
    created(session, tables, "day")
    more = {"day": "DATE", **dict.fromkeys("nabc", "BIGINT")}

    def add(_: int) -> None:
        create_table(tables, NAME, more, ["day"], "Rows.")

    with ThreadPoolExecutor(4) as runs:
        list(runs.map(add, range(4)))
    assert [one.column_names for one in tables.table(NAME).schemas().values()] == [
        ["day", "n"], list(more),
    ]  # fmt: skip


def test_a_new_column_is_seen_when_it_is_published(
    session: SparkSession, tables: Lakehouse
) -> None:
    base = created(session, tables, "day")
    a_day(session, tables, 0, "run0").publish()
    base = history_of(tables, NAME)
    rows = session.createDataFrame(
        [(DAYS[1], 1, "x", ["y"])], "day date, n long, a string, b array<string>"
    )
    staged = written(session, base, rows, f"day = date'{DAYS[1]}'", RECORD)
    assert session.table(f"lakehouse.{NAME}").columns == ["day", "n"]
    assert history_of(tables, NAME).column_names.keys() == {1, 2}
    unpublished = History(NAME, tables.table(NAME), staged.snapshot)
    assert list(unpublished.column_names.values()) == ["day", "n", "a", "b"]
    with closing(EmbeddedEngine(tables)) as embedded:
        for engine in (embedded, SparkEngine(session)):
            read = engine.table(NAME, staged.snapshot).where("n = 1").rows()
            assert [(row["a"], row["b"]) for row in read] == [("x", ["y"])]
    staged.drop()
    assert session.table(f"lakehouse.{NAME}").columns == ["day", "n"]
    written(session, history_of(tables, NAME), rows, f"day = date'{DAYS[1]}'", RECORD).publish()
    now = session.table(f"lakehouse.{NAME}")
    assert sorted((row["n"], row["a"], row["b"]) for row in now.collect()) == [
        (0, None, None), (1, "x", ["y"]),
    ]  # fmt: skip
    assert len(tables.table(NAME).schemas()) == 2


def test_a_new_column_of_a_table_that_keeps_rows_for_another(
    session: SparkSession, tables: Lakehouse
) -> None:
    """Its schema becomes the table's own once, though the table is published twice."""
    created(session, tables, "day")
    a_day(session, tables, 0, "run0").publish()
    base = history_of(tables, NAME)
    rows = session.createDataFrame([(DAYS[1], 1, "x")], "day date, n long, a string")
    staged = written(session, base, rows, "true", RECORD)
    left = SparkEngine(session).table(NAME, base.snapshot_id)
    schema = tables.table(NAME).schemas()[1]
    more = Overwrite(base, left, schema, "false")
    staged.keep(lambda branch: SparkEngine(session).overwrite(more, branch, {}))
    staged.publish()
    assert content(session) == [0, 1]
    staged.finish()
    table = session.table(f"lakehouse.{NAME}")
    assert [tuple(row) for row in table.collect()] == [(DAYS[1], 1, "x")]
    assert NEXT not in tables.table(NAME).properties


def test_old_metadata_are_deleted(session: SparkSession, tables: Lakehouse) -> None:
    created(session, tables, "day")
    for number in range(12):
        a_day(session, tables, number % 3, f"run{number}").publish()
    table = tables.table(NAME)
    there = [path for path in files_below(table.location()) if path.endswith(".metadata.json")]
    assert len(there) == len(table.metadata.metadata_log) + 1


def test_a_column_that_was_dropped_comes_back_empty(
    session: SparkSession, tables: Lakehouse
) -> None:
    created(session, tables, "day")
    for number, columns in enumerate(("n long, a string", "n long", "n long, a string")):
        base = history_of(tables, NAME)
        row = (DAYS[number], number, "x")[: 2 + columns.count("a string")]
        rows = session.createDataFrame([row], f"day date, {columns}")
        staged = written(session, base, rows, f"day = date'{DAYS[number]}'", RECORD)
        staged.publish()
        if number == 0:
            drop_columns(tables.table(NAME), ["a"])
    found = session.table(f"lakehouse.{NAME}").collect()
    assert sorted((row["n"], row["a"]) for row in found) == [(0, None), (1, None), (2, "x")]


def test_rows_in_order_are_not_shuffled(session: SparkSession, tables: Lakehouse) -> None:
    base = created(session, tables, "day")
    rows = [(day, n) for n, day in enumerate(DAYS)]
    staged = written(
        session, base, session.createDataFrame(rows, "day date, n long"), "true", RECORD,
        in_order=True,
    )  # fmt: skip
    assert (staged.rows, staged.added) == (3, 3)
    staged.publish()
    assert sorted(map(tuple, session.table(f"lakehouse.{NAME}").collect())) == rows


@pytest.mark.parametrize(
    ("whole", "adaptive", "files"), [(True, "false", 2), (False, "false", 1), (True, "true", 1)]
)
def test_each_task_writes_its_part_of_a_month_of_a_whole_table(
    session: SparkSession, tables: Lakehouse, whole: bool, adaptive: str, files: int
) -> None:
    session.conf.set("spark.sql.adaptive.enabled", adaptive)  # as on Glue
    base = created(session, tables, "months(day)")
    rows = session.range(0, 100, 1, 2).selectExpr("date'2024-01-15' as day", "id as n")
    staged = written(session, base, rows, "true", RECORD, whole=whole)
    staged.publish()
    table = session.table(f"lakehouse.{NAME}")
    assert table.count() == 100
    assert session.table(f"lakehouse.{NAME}.files").count() == files


def a_day(session: SparkSession, tables: Lakehouse, number: int, run: str) -> Staged:
    """A snapshot with one more day, on its branch."""
    day = DAYS[number]
    rows = session.createDataFrame([(day, number)], "day date, n long")
    record = BuildRecord({}, "code", run)
    return written(session, history_of(tables, NAME), rows, f"day = date'{day}'", record)


def content(session: SparkSession) -> list[int]:
    return sorted(row["n"] for row in session.table(f"lakehouse.{NAME}").collect())


def test_of_two_runs_at_once_the_second_starts_again(
    session: SparkSession, tables: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    created(session, tables, "day")
    a_day(session, tables, 0, "run0").publish()
    one, other = a_day(session, tables, 1, "run1"), a_day(session, tables, 2, "run2")
    with monkeypatch.context() as patch:
        # Otherwise the first one drops the branch of the second one.
        patch.setattr("ecommerce_assets.lakehouse.staging.drop_branch", lambda *given: None)
        one.publish()
        with pytest.raises(PublishConflict, match="another run published first"):
            other.publish()
    other.drop()
    assert content(session) == [0, 1]
    a_day(session, tables, 2, "run2").publish()
    assert content(session) == [0, 1, 2]


def test_a_run_that_is_late_creates_no_branch(session: SparkSession, tables: Lakehouse) -> None:
    """Its branch would protect a snapshot that only it needs."""
    created(session, tables, "day")
    a_day(session, tables, 0, "run0").publish()
    base = history_of(tables, NAME)
    a_day(session, tables, 1, "run1").publish()
    with pytest.raises(PublishConflict):
        stage(base, None, RECORD)
    assert set(tables.table(NAME).refs()) == {"main"}


def test_dropping_a_branch_deletes_no_published_file(
    session: SparkSession, tables: Lakehouse
) -> None:
    """A killed run left a branch at a snapshot whose successor has expired."""
    created(session, tables, "day")
    a_day(session, tables, 0, "run0").publish()
    table = tables.table(NAME)
    start = table.current_snapshot()
    assert start is not None
    a_day(session, tables, 1, "run1").publish()
    a_day(session, tables, 2, "run2").publish()
    table.refresh().manage_snapshots().create_branch(start.snapshot_id, "run_killed").commit()
    maintenance.maintain(tables, NAME, [], nothing, datetime.now(UTC), kept_days=0)
    assert len(history_of(tables, NAME).snapshots) == 2
    drop_branch(tables.table(NAME), "run_killed")
    assert len(history_of(tables, NAME).snapshots) == 1
    assert content(session) == [0, 1, 2]


def test_what_can_not_be_removed_is_left_to_maintenance(
    session: SparkSession, tables: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that has published does not fail because of another run's branch."""
    created(session, tables, "day")
    a_day(session, tables, 0, "run0").publish()
    one, _other = a_day(session, tables, 1, "run1"), a_day(session, tables, 2, "run2")

    def refused(*given: object) -> None:
        raise PermissionError("forbidden")

    monkeypatch.setattr("ecommerce_assets.lakehouse.staging.own_files", refused)
    one.publish()
    assert content(session) == [0, 1]


def test_two_first_runs_at_once(session: SparkSession, tables: Lakehouse) -> None:
    """A table without a snapshot takes no branch: an empty one comes first."""
    created(session, tables, "day")
    one, other = a_day(session, tables, 0, "run1"), a_day(session, tables, 1, "run2")
    other.publish()
    with pytest.raises(PublishConflict):
        one.publish()
    assert content(session) == [1]


def test_what_is_not_published_leaves_no_file(session: SparkSession, tables: Lakehouse) -> None:
    created(session, tables, "day")
    a_day(session, tables, 0, "run0").publish()
    location = tables.table(NAME).location()
    before = {path for path in files_below(location) if not path.endswith(".metadata.json")}
    staged = a_day(session, tables, 1, "run1")
    assert len(files_below(location)) > len(before)
    staged.drop()
    staged.drop()  # as another run may have done
    after = {path for path in files_below(location) if not path.endswith(".metadata.json")}
    assert after == before
    assert [snapshot.id for snapshot in history_of(tables, NAME).back_from(staged.snapshot)] == []


def test_nothing_outside_the_table_is_deleted(
    session: SparkSession, tables: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    created(session, tables, "day")
    elsewhere = tmp_path / "elsewhere.parquet"
    elsewhere.touch()
    staged = a_day(session, tables, 0, "run0")
    monkeypatch.setattr(
        "ecommerce_assets.lakehouse.staging.own_files", lambda *given: [str(elsewhere)]
    )
    staged.drop()
    assert elsewhere.exists()


def test_commits_at_the_same_time_are_all_made(session: SparkSession, tables: Lakehouse) -> None:
    created(session, tables, "day")
    names = [f"test.{number}" for number in range(24)]
    with ThreadPoolExecutor(8) as runs:
        list(runs.map(lambda name: set_properties(tables.table(NAME), {name: "x"}), names))
    assert set(names) <= history_of(tables, NAME).properties.keys()


def test_an_error_of_its_own_is_not_repeated(session: SparkSession, tables: Lakehouse) -> None:
    created(session, tables, "day")
    calls = []

    def wrong(table: object) -> None:
        calls.append(table)
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        commit(tables.table(NAME), wrong)
    assert len(calls) == 1


def test_a_path_with_dots_is_that_of_the_lakehouse(spark: SparkSession, tmp_path: Path) -> None:
    """Spark writes paths without `..`, and pyiceberg writes them as they are."""
    (tmp_path / "a").mkdir()
    dotted = f"{tmp_path}/a/../lake"
    session, tables = open_session(dotted), open_lakehouse(dotted)
    created(session, tables, "day")
    a_day(session, tables, 0, "run0").publish()
    for path in (tmp_path / "lake").rglob("*"):
        if path.is_file() and path.suffix in {".parquet", ".avro", ".json"}:
            os.utime(path, (0, 0))
    done = maintenance.maintain(tables, NAME, [], nothing, datetime.now(UTC))
    assert done.orphans_removed == 0
    assert content(session) == [0]


def test_what_expired_is_unknown_and_not_nothing(session: SparkSession, tables: Lakehouse) -> None:
    """pyiceberg lets the oldest snapshot that is left look like the table's first one."""
    created(session, tables, "day")
    for number in range(len(DAYS)):
        a_day(session, tables, number, f"run{number}").publish()
    before = history_of(tables, NAME)
    changed = before.changed_partitions(None, before.snapshot_id)
    assert changed is not None
    assert changed.added == set(DAYS)
    left = before.snapshot_id
    maintenance.maintain(tables, NAME, [], nothing, datetime.now(UTC), kept_days=0)
    after = history_of(tables, NAME)
    assert [snapshot.id for snapshot in after.snapshots] == [left]
    assert after.changed_partitions(None, left) is None
    assert after.rows_by_date(left, "day", DAYS) == dict.fromkeys(DAYS, 1)


def test_a_table_of_before_gets_new_properties_and_keeps_its_own(
    session: SparkSession, tables: Lakehouse
) -> None:
    created(session, tables, "day")
    own, new = "read.split.open-file-cost", "write.summary.partition-limit"
    session.sql(f"ALTER TABLE lakehouse.{NAME} SET TBLPROPERTIES ('{own}' = '1')")
    session.sql(f"ALTER TABLE lakehouse.{NAME} UNSET TBLPROPERTIES ('{new}')")
    assert new not in history_of(tables, NAME).properties
    found = created(session, tables, "day").properties
    assert (found[own], found[new]) == ("1", PROPERTIES[new])
