"""The published snapshots of a table: when, by which run, how many rows, from what."""

from collections.abc import Iterable, Mapping
from typing import Any

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse.history import History, histories
from ecommerce_assets.lakehouse.local_catalog import is_there, must_be_there
from ecommerce_assets.lakehouse.metadata import Snapshot
from ecommerce_assets.tables import all_tables, table_named

SHOWN_DATES = 3
# Snapshots that no run of the pipeline wrote, by Iceberg's name of the operation.
UNRECORDED = {"append": "created", "replace": "maintenance"}


def published_snapshots(lakehouse: str, table: str, environment: str = "") -> list[dict[str, Any]]:
    """The snapshots of a table, the newest first, as rows for people and for `--as-of`.

    Maintenance expires old ones. A snapshot that only compacts files changes no row.

    Args:
        environment: on AWS, the environment whose table it is.

    Raises:
        PipelineError: there is no such table, or it does not exist yet.
    """
    identifier = table_named(table).identifier
    metadata = _histories(lakehouse, environment, [identifier]).get(identifier)
    if metadata is None:
        raise PipelineError(
            f"{identifier} does not exist yet: create it by `ecommerce run --select {identifier}`"
        )
    return [_row(snapshot) for snapshot in metadata.back_from(metadata.snapshot_id)]


def last_snapshots(lakehouse: str, environment: str = "") -> dict[str, dict[str, Any] | None]:
    """By existing table: its last snapshot, as a row of `published_snapshots`; None if it is empty.

    Snapshots by maintenance are represented by the one before: its rows, its time, its run.

    Args:
        environment: on AWS, the environment whose tables they are.

    Raises:
        PipelineError: there is no lakehouse.
    """
    last: dict[str, dict[str, Any] | None] = {}
    for identifier, metadata in _histories(lakehouse, environment, all_tables()).items():
        # If the snapshot before has expired, only that of maintenance is left.
        shown = metadata.written_at(metadata.snapshot_id) or metadata.current
        last[identifier] = _row(shown) if shown else None
    return last


def has_catalog(lakehouse: str) -> bool:
    """Whether there is a lakehouse, with tables or without; on AWS there always is."""
    return "://" in lakehouse or is_there(lakehouse)


def has_tables(lakehouse: str, environment: str = "") -> bool:
    """Whether any declared table exists.

    Args:
        environment: on AWS, the environment whose tables they are.
    """
    return has_catalog(lakehouse) and bool(_histories(lakehouse, environment, all_tables()))


def _histories(lakehouse: str, environment: str, tables: Iterable[str]) -> dict[str, History]:
    """The histories of those tables that exist.

    Raises:
        PipelineError: there is no lakehouse, or it can't be read, or AWS refuses it or its files.
    """
    if "://" not in lakehouse:
        must_be_there(lakehouse)
        return histories(lakehouse, list(tables))
    from ecommerce_assets.aws.tables import histories_on_aws

    return histories_on_aws(lakehouse, environment, tables)


def _row(snapshot: Snapshot) -> dict[str, Any]:
    record, summary = snapshot.record, snapshot.summary
    return {
        "published": snapshot.committed.replace(tzinfo=None),
        "snapshot": str(snapshot.id),
        "run": record.run.split("_")[0][:8] if record else "",
        "rows": int(summary.get("total-records", 0)),
        "written": int(summary.get("added-records", 0)),
        "removed": int(summary.get("deleted-records", 0)),
        "sources": _described(record.sources) if record else UNRECORDED.get(snapshot.operation, ""),
        "code_version": record.code_version if record else "",
    }


def _described(sources: Mapping[str, Any]) -> str:
    """The dates of the deliveries that were read, or the snapshots of the upstream tables."""
    if all("." in name for name in sources):
        return ", ".join(f"{name} {snapshot}" for name, snapshot in sources.items())
    dates = sorted(sources)
    if len(dates) <= SHOWN_DATES:
        return ", ".join(dates)
    return f"{len(dates)} dates, {dates[0]} to {dates[-1]}"
