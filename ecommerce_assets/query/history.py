"""The published states of a table: when, by which run, how many rows, from what."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse.metadata import CODE_VERSION, RUN, SOURCES
from ecommerce_assets.query.local import open_catalog
from ecommerce_assets.tables import all_tables, table_named

if TYPE_CHECKING:
    from pyiceberg.table.snapshots import Snapshot

SHOWN_DATES = 3
# States that no run of the pipeline made, by Iceberg's name of what was done.
UNMARKED = {"append": "created", "replace": "maintenance"}


def published_states(lakehouse: str, table: str) -> list[dict[str, Any]]:
    """The states of a table, the newest first, as rows for people and for `--as-of`.

    Maintenance forgets old ones. A state that only compacts files changes no row.

    Raises:
        PipelineError: there is no such table, or it is not there yet.
    """
    from pyiceberg.exceptions import NoSuchTableError

    with open_catalog(lakehouse) as catalog:
        identifier = table_named(table).identifier
        try:
            found = catalog.load_table(identifier)
        except NoSuchTableError as error:
            raise PipelineError(
                f"{identifier} is not there yet: make it by `ecommerce run --select {identifier}`"
            ) from error
        by_id = {snapshot.snapshot_id: snapshot for snapshot in found.snapshots()}
        states = []
        current = found.current_snapshot()
        while current is not None:
            states.append(_row(current))
            current = by_id.get(current.parent_snapshot_id or -1)
        return states


def last_states(lakehouse: str) -> dict[str, dict[str, Any] | None]:
    """By table that is there: its state, as a row of `published_states`; None if it has none yet.

    A state that maintenance made stands for the one before: its rows, its time, its run.

    Raises:
        PipelineError: there is no lakehouse.
    """
    from pyiceberg.exceptions import NoSuchTableError

    last: dict[str, dict[str, Any] | None] = {}
    with open_catalog(lakehouse) as catalog:
        for identifier in all_tables():
            try:
                table = catalog.load_table(identifier)
            except NoSuchTableError:
                continue
            current = made = table.current_snapshot()
            while made is not None and _operation(made) == "replace":
                made = table.snapshot_by_id(made.parent_snapshot_id or -1)
            # Of a state that maintenance has forgotten, only what it made of it tells.
            last[identifier] = _row(made or current) if current else None
    return last


def _operation(snapshot: "Snapshot") -> str:
    return snapshot.summary.operation.value if snapshot.summary else ""


def _row(snapshot: "Snapshot") -> dict[str, Any]:
    given = snapshot.summary.additional_properties if snapshot.summary else {}
    made_from = json.loads(given.get(SOURCES, "null"))
    return {
        "published": datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC).replace(tzinfo=None),
        "state": str(snapshot.snapshot_id),
        "run": given.get(RUN, "").split("_")[0][:8],
        "rows": int(given.get("total-records", 0)),
        "written": int(given.get("added-records", 0)),
        "removed": int(given.get("deleted-records", 0)),
        "made_from": _told(made_from)
        if made_from is not None
        else UNMARKED.get(_operation(snapshot), ""),
        "code_version": given.get(CODE_VERSION, ""),
    }


def _told(made_from: dict[str, Any]) -> str:
    """Dates of the deliveries that were read; or the states of the tables."""
    if all("." in name for name in made_from):
        return ", ".join(f"{name} {state}" for name, state in made_from.items())
    dates = sorted(made_from)
    if len(dates) <= SHOWN_DATES:
        return ", ".join(dates)
    return f"{len(dates)} dates, {dates[0]} to {dates[-1]}"
