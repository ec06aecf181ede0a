"""The local storage compared with Dagster's own: it writes the same rows, only faster.

Checks are the exception: one row per check of a run, where Dagster has one per partition.
"""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest
import yaml
from dagster._core.events import DagsterEventType
from dagster._core.events.log import EventLogEntry
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from ecommerce_assets.orchestration import local_storage
from ecommerce_assets.orchestration.local_event_log import KeptEnginesEventLog
from ecommerce_assets.orchestration.local_runs import end_lost_runs
from ecommerce_assets.orchestration.local_storage import why_slow

DAYS = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-05")
ROWS = {
    "event_logs": "dagster_event_type, step_key, asset_key, partition",
    "asset_keys": "asset_key, last_run_id is null, last_materialization is null",
    "asset_check_executions": "asset_key, check_name, partition, execution_status, "
    "evaluation_event is null, evaluation_event_storage_id is null",
    "asset_event_tags": "asset_key, key",
}
OURS: dict[str, Any] = {
    "storage": {
        "custom": {
            "module": "ecommerce_assets.orchestration.local_storage",
            "class": "LocalDagsterStorage",
            "config": {},
        }
    }
}


@dg.asset(
    partitions_def=DAYS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[dg.AssetCheckSpec("fine", asset="watched")],
)
def watched():
    yield dg.AssetCheckResult(passed=True)
    yield dg.MaterializeResult(metadata={"rows": 1})


def run_range(folder: Path, config: dict[str, Any]) -> None:
    """Four dates in one run, recorded in `folder`."""
    folder.mkdir()
    if config:
        config["storage"]["custom"]["config"]["base_dir"] = str(folder / "storage")
    settings = {"telemetry": {"enabled": False}, **config}
    (folder / "dagster.yaml").write_text(yaml.safe_dump(settings))
    reference = InstanceRef.from_dir(str(folder))
    with dg.DagsterInstance.from_ref(reference) as instance:
        job = dg.Definitions(assets=[watched]).resolve_implicit_global_asset_job_def()
        tags = {
            "dagster/asset_partition_range_start": "2024-01-01",
            "dagster/asset_partition_range_end": "2024-01-04",
        }
        assert job.execute_in_process(instance=instance, tags=tags).success


def rows(folder: Path) -> dict[str, list[tuple]]:
    (index,) = folder.rglob("index.db")
    with sqlite3.connect(index) as connection:
        return {
            table: sorted(connection.execute(f"select {columns} from {table}").fetchall(), key=str)
            for table, columns in ROWS.items()
        }


def test_the_same_rows_as_dagster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "0")
    run_range(tmp_path / "plain", {})
    monkeypatch.delenv("DAGSTER_EVENT_BATCH_SIZE")
    batches: list[int] = []
    store = KeptEnginesEventLog.store_event_batch

    def counted(self: KeptEnginesEventLog, events: Sequence[EventLogEntry]) -> None:
        batches.append(len(events))
        store(self, events)

    monkeypatch.setattr(KeptEnginesEventLog, "store_event_batch", counted)
    run_range(tmp_path / "kept", OURS)
    assert max(batches) > 1
    found = rows(tmp_path / "plain")
    checks = found.pop("asset_check_executions")
    assert len(found["event_logs"]) > len(checks) == 5  # four only planned, and the result
    kept = rows(tmp_path / "kept")
    assert kept.pop("asset_check_executions") == [check for check in checks if check[2] is None]
    assert kept == found


def test_a_batch_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can't be written in a batch Dagster writes again, one by one."""
    left = [2]

    def fails_once(self: KeptEnginesEventLog, event: EventLogEntry) -> None:
        if event.dagster_event_type == dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED:
            left[0] -= 1
            if not left[0]:
                raise OSError("disk full for a moment")
        SqliteEventLogStorage.store_event(self, event)

    run_range(tmp_path / "kept", OURS)
    found = rows(tmp_path / "kept")
    monkeypatch.setattr(KeptEnginesEventLog, "store_event", fails_once)
    run_range(tmp_path / "fails", OURS)
    assert left[0] < 0
    assert rows(tmp_path / "fails") == found


def test_logs_of_old_runs_are_forgotten_and_their_assets_are_not(tmp_path: Path) -> None:
    run_range(tmp_path / "home", OURS)
    reference = InstanceRef.from_dir(str(tmp_path / "home"))
    with dg.DagsterInstance.from_ref(reference) as instance:
        (run,) = instance.get_runs()
        assert isinstance(instance.event_log_storage, KeptEnginesEventLog)
        assert instance.all_logs(run.run_id)
        file = next(tmp_path.glob(f"**/{run.run_id}.db"))
        written = file.stat().st_mtime
        forget = instance.event_log_storage.forget_logs_of_runs
        assert forget(before=written - 1) == []
        assert forget(before=written + 1) == [run.run_id]
        assert not list(tmp_path.glob(f"**/{run.run_id}.db*"))
        assert [found.run_id for found in instance.get_runs()] == [run.run_id]
        assert instance.all_logs(run.run_id) == []
        assert len(instance.get_materialized_partitions(dg.AssetKey("watched"))) == 4


def test_another_version_of_dagster_gets_its_own_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(local_storage, "TESTED", "1.99.")
    run_range(tmp_path / "home", OURS)
    reference = InstanceRef.from_dir(str(tmp_path / "home"))
    with dg.DagsterInstance.from_ref(reference) as instance:
        assert type(instance.event_log_storage) is SqliteEventLogStorage
        assert why_slow(instance) == ""  # nothing that the user could change
        assert len(instance.get_materialized_partitions(dg.AssetKey("watched"))) == 4
    said = {record.message for record in caplog.records if record.name == local_storage.__name__}
    assert len(said) == 1
    assert "is only tested with 1.99.x, so Dagster's own is used" in said.pop()


def test_a_home_without_dagster_yaml_is_told_that_it_is_slow(tmp_path: Path) -> None:
    for name, config, advice in (
        ("bare", {}, "copy the project's dagster.yaml there"),
        ("ours", OURS, ""),
    ):
        run_range(tmp_path / name, config)
        with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path / name))) as instance:
            assert why_slow(instance).endswith(advice)
            assert bool(why_slow(instance)) == bool(advice)


def test_what_a_failed_run_never_started_is_not_shown_as_failed(tmp_path: Path) -> None:
    """A bad file in bronze says nothing about gold."""
    broken = []

    @dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
    def first() -> None:
        if broken:
            raise ValueError

    @dg.asset(deps=[first], partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
    def second() -> None: ...

    OURS["storage"]["custom"]["config"]["base_dir"] = str(tmp_path / "storage")
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(OURS))
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path))) as instance:
        job = dg.Definitions(assets=[first, second]).resolve_implicit_global_asset_job_def()
        log = instance.event_log_storage
        attempts = log.get_latest_asset_partition_materialization_attempts_without_materializations

        def last_run(name: str) -> str | None:
            (record,) = instance.get_asset_records([dg.AssetKey(name)])
            return record.asset_entry.last_run_id

        for fails in (True, False, True):
            broken[:] = [1] * fails
            tags = {
                "dagster/asset_partition_range_start": "2024-01-01",
                "dagster/asset_partition_range_end": "2024-01-04",
            }
            before = last_run("second") if instance.get_runs_count() else None
            run = job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
            assert run.success is not fails
            assert last_run("first") == run.run_id
            assert last_run("second") == (before if fails else run.run_id)
            assert len(attempts(dg.AssetKey("first"))) == (4 if fails else 0)
            assert attempts(dg.AssetKey("second")) == {}


def started(instance: dg.DagsterInstance, pid: int, when: float) -> str:
    """A run in the history that a process with this number began."""
    graph = dg.GraphDefinition(name="any")
    run = instance.create_run_for_job(dg.JobDefinition(name="any", graph_def=graph))
    event = dg.DagsterEvent(DagsterEventType.RUN_START.value, "any", pid=pid)
    instance.handle_new_event(
        EventLogEntry(None, "DEBUG", "", run.run_id, when, dagster_event=event)
    )
    return run.run_id


def test_a_run_is_lost_if_its_process_is_gone_from_this_machine(tmp_path: Path) -> None:
    config = {"run_launcher": {"module": "ecommerce_assets.orchestration.local_runs",
                               "class": "LocalRunLauncher"}}  # fmt: skip
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    mine = psutil.Process()
    for name, settings in (("here", config), ("elsewhere", {})):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "dagster.yaml").write_text(yaml.safe_dump(settings))
        with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder))) as instance:
            lives = started(instance, mine.pid, mine.create_time() + 1)
            gone = started(instance, ended.pid, time.time())
            # Its number belongs to another process by now.
            reused = started(instance, mine.pid, mine.create_time() - 3600)
            told = end_lost_runs(instance)
            failed = {
                run.run_id
                for run in instance.get_runs()
                if run.status == dg.DagsterRunStatus.FAILURE
            }
        assert failed == ({gone, reused} if name == "here" else set())
        assert len(told) == len(failed)
        assert lives not in failed
