"""Dagster's SQLite storage with open connections: for the instance on a laptop (dagster.yaml).

Dagster 1.13 makes a new database engine for every statement to its SQLite event log, and so
compiles every statement anew and opens and closes the file. A range run writes two events for each
table and date, and that took as long as the tables themselves. Here an engine is kept for each of
the last few databases; the tables, files and statements are Dagster's own.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as db
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import StaticPool

KEPT_ENGINES = 8
BUSY_TIMEOUT_SECONDS = 60


class KeptEnginesEventLog(SqliteEventLogStorage):
    """The SQLite event log, one engine a database (the index, and one a run)."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        super().__init__(base_dir, inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        # The lock makes one connection serve all threads, as in the method this replaces.
        with self._db_lock:
            engine = self._engine(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def _engine(self, shard: str) -> Engine:
        if shard not in self._engines:
            engine = db.create_engine(
                self.conn_string_for_shard(shard),
                poolclass=StaticPool,
                connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
            )
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            self._engines[shard] = engine
            if len(self._engines) > KEPT_ENGINES:
                self._engines.popitem(last=False)[1].dispose()
        self._engines.move_to_end(shard)
        return self._engines[shard]

    def dispose(self) -> None:
        """Close the databases."""
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1].dispose()
        super().dispose()


class LocalDagsterStorage(DagsterSqliteStorage):
    """Runs, events and schedules in SQLite; `base_dir` may be relative to where Dagster starts."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        super().__init__(str(Path(base_dir).absolute()), inst_data)
        self._event_log_storage = KeptEnginesEventLog(self._event_log_storage._base_dir)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "LocalDagsterStorage":
        """What dagster.yaml asks for."""
        return cls.from_local(inst_data=inst_data, **config_value)
