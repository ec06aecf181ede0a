"""Dagster's storage on a laptop (dagster.yaml): SQLite, fast for ranges of dates."""

import logging
import os
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

HOME = ".dagster"
EVENTS_A_BATCH = 1000
# The minor version of Dagster whose private methods `local_event_log` overrides.
TESTED = "1.13."

_log = logging.getLogger(__name__)


class LocalDagsterStorage(DagsterSqliteStorage):
    """Runs, events and schedules in SQLite, in DAGSTER_HOME or else here (see `home`).

    With a version of Dagster that it was not tested with, it is Dagster's own storage, and says so.

    Args:
        base_dir: another folder.
    """

    def __init__(self, base_dir: str = "", inst_data: Any = None) -> None:
        folder = Path(base_dir or os.environ.get("DAGSTER_HOME") or home()).absolute()
        super().__init__(str(folder), inst_data)
        if not dg.__version__.startswith(TESTED):
            _log.warning(
                "Dagster %s: the fast local event log is only tested with %sx, so Dagster's own is "
                "used, and runs of many dates take longer",
                dg.__version__,
                TESTED,
            )
            return
        from ecommerce_assets.orchestration.local_event_log import KeptEnginesEventLog

        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", str(EVENTS_A_BATCH))
        own = self._event_log_storage
        self._event_log_storage = KeptEnginesEventLog(own._base_dir)

    @classmethod
    def config_type(cls) -> Any:
        """The keys in dagster.yaml."""
        return {"base_dir": dg.Field(dg.StringSource, is_required=False)}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "LocalDagsterStorage":
        """The storage for the values in dagster.yaml."""
        return cls(inst_data=inst_data, **config_value)


def home() -> str:
    """The folder of Dagster's history here: `.dagster`, or `.dagster-NAME` of an environment,
    whose assets have the same keys.
    """
    environment = os.environ.get("ECOMMERCE_ENVIRONMENT", "").strip()
    return f"{HOME}-{environment}" if environment else HOME


def why_slow(instance: dg.DagsterInstance) -> str:
    """Advice if the instance stores events in Dagster's own SQLite event log, else nothing.

    Storing a range's events takes as long as computing its tables there.
    """
    history = instance.event_log_storage
    if type(history) is not SqliteEventLogStorage or not dg.__version__.startswith(TESTED):
        return ""
    return (
        "DAGSTER_HOME has no dagster.yaml with this project's storage, so runs of many dates take "
        "up to twice as long: copy the project's dagster.yaml there"
    )
