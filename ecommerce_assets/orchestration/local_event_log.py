"""Dagster's SQLite event log with open connections and batches in one transaction.

Dagster 1.13 creates a database engine for each statement to its SQLite event log, and so compiles
each statement again and opens and closes the file. A run of a range writes two events per table and
date, which took as long as the tables themselves. Here the engines of the last few databases stay
open, and events that arrive together are written in one transaction; tables, files and statements
are Dagster's own.

The module overrides private methods of Dagster: `local_storage` imports it only for a version of
Dagster that it was tested with.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as db
from dagster._core.events import DagsterEventType
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetKeyTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster_shared.serdes import serialize_value
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import StaticPool

KEPT_ENGINES = 8
BUSY_TIMEOUT_SECONDS = 60
RUN_ID_LENGTH = 36  # of a UUID; the index is a file of another name beside those of the runs


class _Batch(threading.local):
    """What a thread has open while it writes a batch of events."""

    transactions: ExitStack | None = None
    connections: dict[str, Connection]
    latest: dict[Any, tuple[Connection, EventLogEntry, int]]


def _sync_seldom(connection: Any, _: Any) -> None:
    """Only a power cut can lose the last events; a killed process still can't."""
    connection.execute("PRAGMA synchronous=NORMAL")


class KeptEnginesEventLog(SqliteEventLogStorage):
    """The SQLite event log, with one engine per database (the index, and one per run)."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._batch = _Batch()
        self._tables: set[str] = set()
        super().__init__(base_dir, inst_data)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Write all of the events or, if one can't be written, none."""
        with self._all_or_none():
            super().store_event_batch(events)

    def store_event(self, event: EventLogEntry) -> None:
        """Write the event to the run's database and to the index, or to neither."""
        with self._all_or_none():
            super().store_event(event)
            if event.dagster_event and event.dagster_event.is_job_failure:
                self._forget_what_never_started(event.run_id)

    def _forget_what_never_started(self, run_id: str) -> None:
        """Take back the plan of a failed run for assets whose step it never started.

        Dagster would show each of them as failed, for every date of the run, though nothing is
        wrong with it. The run's own log keeps its plan.
        """
        events, keys = SqlEventLogStorageTable.c, AssetKeyTable.c
        is_start = events.dagster_event_type == DagsterEventType.STEP_START.value
        with self.run_connection(run_id) as connection:
            started = connection.execute(db.select(events.step_key).where(is_start)).scalars().all()
        planned = db.and_(
            events.run_id == run_id,
            events.dagster_event_type == DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value,
            events.step_key.not_in(started),
        )
        made = events.dagster_event_type == DagsterEventType.ASSET_MATERIALIZATION.value
        with self.index_connection() as connection:
            assets = connection.execute(db.select(events.asset_key).where(planned).distinct())
            for key in assets.scalars().all():
                last = db.select(events.run_id).where(made, events.asset_key == key)
                last = last.order_by(events.id.desc()).limit(1)
                connection.execute(
                    AssetKeyTable.update()
                    .where(keys.asset_key == key, keys.last_run_id == run_id)
                    .values(last_run_id=last.scalar_subquery())
                )
            connection.execute(SqlEventLogStorageTable.delete().where(planned))

    @contextmanager
    def _all_or_none(self) -> Iterator[None]:
        """One transaction per database for everything that this thread writes inside."""
        if self._batch.transactions is not None:
            yield
            return
        with self._db_lock, ExitStack() as transactions:
            self._batch.transactions = transactions
            self._batch.connections, self._batch.latest = {}, {}
            try:
                yield
                for latest in self._batch.latest.values():
                    super()._store_asset_event(*latest)
            finally:
                self._batch.transactions = None

    def _store_asset_event(self, conn: Connection, event: EventLogEntry, event_id: int) -> None:
        if self._batch.transactions is None:
            super()._store_asset_event(conn, event, event_id)
            return
        # An asset's row holds its latest event of each kind: of a batch, only the last one counts.
        happened = event.get_dagster_event()
        kind = happened.event_type, happened.asset_key
        self._batch.latest.pop(kind, None)
        self._batch.latest[kind] = conn, event, event_id

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        if self._batch.transactions is None:
            # One connection serves all threads, under the lock, as in the overridden method.
            with self._db_lock, self._transaction(shard) as connection:
                yield connection
            return
        opened = self._batch.connections
        if shard not in opened:
            opened[shard] = self._batch.transactions.enter_context(self._transaction(shard))
        yield opened[shard]

    @contextmanager
    def _transaction(self, shard: str) -> Iterator[Connection]:
        with self._engine(shard).connect() as connection, connection.begin():
            yield connection

    def has_table(self, table_name: str) -> bool:
        """Whether the index has the table; cached, since Dagster asks for each event."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def _has_asset_key_index_cols_on_connection(self, conn: Connection) -> bool:
        # Dagster reads the schema again for each event.
        return True

    def _store_asset_check_evaluation_planned(
        self, event: EventLogEntry, event_id: int | None
    ) -> None:
        # Dagster writes a row for each partition of the run. These checks are of whole tables: one
        # row, which the result then fills.
        planned: Any = event.get_dagster_event().event_specific_data
        row = {
            "partition": None,
            "asset_key": planned.asset_key.to_string(),
            "check_name": planned.check_name,
            "run_id": event.run_id,
            "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
            "evaluation_event": serialize_value(event),
            "evaluation_event_timestamp": self._event_insert_timestamp(event),
            "evaluation_event_storage_id": event_id,
        }
        with self.index_connection() as connection:
            connection.execute(AssetCheckExecutionsTable.insert(), row)

    def _engine(self, shard: str) -> Engine:
        if shard not in self._engines:
            engine = db.create_engine(
                self.conn_string_for_shard(shard),
                poolclass=StaticPool,
                connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
            )
            db.event.listen(engine, "connect", _sync_seldom)
            # Another process may have removed it, see forget_logs_of_runs.
            is_there = Path(self.path_for_shard(shard)).exists()
            if shard not in self._initialized_dbs or not is_there:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            self._engines[shard] = engine
            if len(self._engines) > KEPT_ENGINES:
                self._engines.popitem(last=False)[1].dispose()
        self._engines.move_to_end(shard)
        return self._engines[shard]

    def forget_logs_of_runs(self, before: float) -> list[str]:
        """Remove the databases of runs last written to before a time; returns the runs' ids.

        The runs stay in the list of runs, and the index keeps the history of their assets:
        materializations, checks, observations. Dagster itself never removes these files, 0.3 to
        1 MB per daily run.

        Args:
            before: seconds since 1970.
        """
        forgotten = []
        with self._db_lock:
            for file in Path(self._base_dir).glob("*.db"):
                if len(file.stem) != RUN_ID_LENGTH or file.stat().st_mtime >= before:
                    continue
                if engine := self._engines.pop(file.stem, None):
                    engine.dispose()
                for name in (file.name, f"{file.name}-wal", f"{file.name}-shm"):
                    file.with_name(name).unlink(missing_ok=True)
                forgotten.append(file.stem)
        return forgotten

    def dispose(self) -> None:
        """Close the databases."""
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1].dispose()
        super().dispose()
