"""Maintenance of every table in the lakehouse; snapshots that other tables still need are kept.

Also the Glue job ecommerce-maintenance.
"""

import argparse
import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import cache, partial

from ecommerce_assets.engine.relation import Engine, Overwrite
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.jobs.engines import open_engine
from ecommerce_assets.jobs.reporting import open_pipes
from ecommerce_assets.lakehouse.catalog import open_lakehouse
from ecommerce_assets.lakehouse.data_files import damaged
from ecommerce_assets.lakehouse.history import History, existing
from ecommerce_assets.lakehouse.local_catalog import checkpoint, metadata_files, must_be_there
from ecommerce_assets.lakehouse.maintenance import KEPT_DAYS, Maintained, maintain
from ecommerce_assets.lakehouse.staging import Write
from ecommerce_assets.model.table import Table
from ecommerce_assets.tables import all_tables

_log = logging.getLogger("ecommerce_assets.jobs")


def maintain_lakehouse(
    lakehouse: str,
    now: datetime | None = None,
    *,
    environment: str = "",
    kept_days: int = KEPT_DAYS,
    engine: str = "duckdb",
) -> Iterator[tuple[Table, Maintained]]:
    """Maintain every existing table; yields what was done to each.

    Args:
        now: ages of snapshots are measured at this time; default: the current time.
        environment: on Glue, the environment whose databases the tables are in.
        kept_days: days that snapshots are kept for time travel.
        engine: what compacts; only started if there is something to compact.

    Raises:
        PipelineError: there is no lakehouse, or its tables lie outside it, before anything is
            changed; or, in the end, tables have lost data files.
    """
    is_local, lost = "://" not in lakehouse, dict[str, int]()
    if is_local:
        must_be_there(lakehouse)
        files = metadata_files(lakehouse)
        lost = {name: len(bad) for name, bad in damaged(files, all_tables()).items()}
    opened = open_lakehouse(lakehouse, environment)
    found = existing(opened, all_tables())
    there = [all_tables()[name] for name in found]
    needed: dict[str, set[int]] = defaultdict(set)
    for table in there:
        record = found[table.identifier].record
        for upstream in table.upstream:
            if record and record.sources.get(upstream) is not None:
                needed[upstream].add(record.sources[upstream])

    stack = ExitStack()

    @cache
    def started() -> Engine:
        return stack.enter_context(open_engine(engine, opened))

    def rewriting(base: History, condition: str) -> Write:
        rows = started().table(base.identifier, base.snapshot_id).where(condition)
        return partial(started().overwrite, Overwrite(base, rows, base.table.schema(), condition))

    try:
        for table in there:
            name = table.identifier
            done = maintain(
                opened, name, needed[name], rewriting, now, kept_days, lost=lost.get(name, 0)
            )
            _log.info("%-32s%12s files", name, f"{done.files:,}")
            if done.files_lost:
                lost[name] = done.files_lost
            yield table, done
    finally:
        stack.close()
        if is_local:
            checkpoint(lakehouse)
    if lost:
        tables = ", ".join(f"{name} {files:,}" for name, files in lost.items())
        raise PipelineError(
            f"data files are gone or cut off: {tables}. "
            + (
                "`ecommerce run` mends these tables"
                if is_local
                else "Bring back their last versions in the bucket, or recompute the tables: "
                "`ecommerce run --full-refresh`"
            )
        )


def run_maintenance(argv: Sequence[str]) -> None:
    """Maintain every table, reporting each as a Pipes message `{table: what was done}`.

    Args:
        argv: `--lakehouse LOCATION [--environment NAME] [--snapshot-days DAYS]`.

    Raises:
        PipelineError: the lakehouse can't be opened.
    """
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--lakehouse", required=True)
    parser.add_argument("--environment", default="")
    parser.add_argument("--snapshot-days", type=int, default=KEPT_DAYS)
    given, rest = parser.parse_known_args(argv)
    with open_pipes(rest) as context:
        for table, done in maintain_lakehouse(
            given.lakehouse,
            environment=given.environment,
            kept_days=given.snapshot_days,
            engine="spark",
        ):
            if context:
                context.report_custom_message({table.identifier: done.metadata()})
