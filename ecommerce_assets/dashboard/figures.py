"""What the dashboard shows, asked of the tables by SQL that DuckDB and Athena both take."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

from ecommerce_assets.dashboard.sales import READS, sales
from ecommerce_assets.query.asking import Ask
from ecommerce_assets.tables import all_tables, tables_of

EXAMPLES = 3
WAITING_EXAMPLES = 100
PERSONAL = ("email", "first_name", "last_name", "phone", "address", "city", "postal_code")


def sources() -> list[str]:
    """Names of the tables that are delivered and have a contract."""
    return [table.name for table in tables_of("bronze") if f"silver.{table.name}" in all_tables()]


def reads() -> list[str]:
    """The tables that the statements here read."""
    silver = [f"silver.{source}{kind}" for kind in ("", "_quarantine") for source in sources()]
    return sorted({*READS, *silver})


def figures(
    ask: Ask,
    states: Mapping[str, Mapping[str, Any] | None],
    made: datetime,
    most_lines: int,
) -> dict[str, Any]:
    """Everything that the page shows, as JSON can hold it.

    Args:
        ask: runs a statement where the tables are.
        states: by table, its published state (see `last_states`).
        made: when the page is made.
        most_lines: order lines that the page holds at most.

    Raises:
        PipelineError: the tables were published while they were read.
    """
    return {
        "made": made.astimezone(UTC).isoformat(timespec="seconds"),
        "sales": sales(ask, made.date(), most_lines),
        "delivered": {source: _delivered(ask, source) for source in sources()},
        "quality": _quality(ask, states),
    }


def _delivered(ask: Ask, source: str) -> str | None:
    """The latest ingestion date with a row, good or quarantined."""
    (latest,) = _rows(
        ask,
        "SELECT max(day) AS day FROM ("
        f"SELECT max(_ingestion_date) AS day FROM silver.{source} UNION ALL "
        f"SELECT max(_ingestion_date) AS day FROM silver.{source}_quarantine) d",
    )
    return latest["day"]


def _quality(ask: Ask, states: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Any]:
    waiting = (
        "FROM (SELECT i.order_item_id, i.order_id, i._source_file, i._row_number, "
        "CASE WHEN q.order_id IS NULL THEN 'it has not come' ELSE 'it is in quarantine' END AS why "
        "FROM silver.order_items i LEFT JOIN silver.orders o ON o.order_id = i.order_id "
        "LEFT JOIN (SELECT DISTINCT order_id FROM silver.orders_quarantine) q "
        "ON q.order_id = i.order_id WHERE o.order_id IS NULL) w"
    )
    counts = {
        row["why"]: row["items"]
        for row in _rows(ask, f"SELECT why, count(*) AS items {waiting} GROUP BY 1")
    }
    return {
        "tables": [
            {"table": name, "layer": table.layer, **_state(states.get(name))}
            for name, table in all_tables().items()
        ],
        "quarantined": [row for source in sources() for row in _quarantined(ask, source)],
        "quarantined_rows": [row for source in sources() for row in _quarantined_rows(ask, source)],
        "examples": [row for source in sources() for row in _examples(ask, source)],
        "late": [row for source in sources() for row in _late(ask, source)],
        "waiting": {
            "items": sum(counts.values()),
            "quarantined": counts.get("it is in quarantine", 0),
            "examples": _rows(
                ask,
                f"SELECT * {waiting} ORDER BY order_item_id LIMIT {WAITING_EXAMPLES}",
            ),
        },
    }


def _state(state: Mapping[str, Any] | None) -> dict[str, Any]:
    if state is None:
        return {"rows": 0, "published": None, "run": None}
    published = state["published"].replace(tzinfo=UTC).isoformat(timespec="seconds")
    return {"rows": state["rows"], "published": published, "run": state["run"]}


def _quarantined(ask: Ask, source: str) -> list[dict[str, Any]]:
    """Rows in quarantine by ingestion date and reason; a row of several counts for each."""
    return _rows(
        ask,
        f"SELECT '{source}' AS source, _ingestion_date AS day, r.reason, count(*) AS number "
        f"FROM silver.{source}_quarantine CROSS JOIN UNNEST(_reasons) AS r (reason) "
        "GROUP BY 2, 3 ORDER BY 2, 3",
    )


def _quarantined_rows(ask: Ask, source: str) -> list[dict[str, Any]]:
    """Rows in quarantine by ingestion date, whatever their reasons."""
    return _rows(
        ask,
        f"SELECT '{source}' AS source, _ingestion_date AS day, count(*) AS number "
        f"FROM silver.{source}_quarantine GROUP BY 2 ORDER BY 2",
    )


def _examples(ask: Ask, source: str) -> Iterator[dict[str, Any]]:
    """For each reason the latest rows: where they came from, and the values that it names.

    No more of a row than that, and nothing that tells of a person: a dashboard is passed on.
    """
    (key,) = all_tables()[f"silver.{source}"].key
    names = [name for name in all_tables()[f"bronze.{source}"].columns if not name.startswith("_")]
    rows = ask(
        f"SELECT * FROM (SELECT {', '.join(names)}, _source_file, _row_number, r.reason, "
        "row_number() OVER (PARTITION BY r.reason ORDER BY _ingestion_date DESC, _source_file, "
        f"_row_number) AS n FROM silver.{source}_quarantine "
        f"CROSS JOIN UNNEST(_reasons) AS r (reason)) e WHERE n <= {EXAMPLES} ORDER BY reason, n"
    )
    for row in rows.to_pylist():
        words = set(row["reason"].replace(":", " ").split())
        shown = [name for name in names if name == key or (name in words and name not in PERSONAL)]
        yield {
            "source": source,
            "reason": row["reason"],
            "file": row["_source_file"],
            "row": row["_row_number"],
            "values": {name: row[name] for name in shown},
        }


def _late(ask: Ask, source: str) -> list[dict[str, Any]]:
    """Current rows by ingestion date that came after the day on which the shop changed them.

    The first delivery of all brings what is older, so its date is not counted.
    """
    if "updated_at" not in all_tables()[f"silver.{source}"].columns:
        return []
    return _rows(
        ask,
        f"SELECT '{source}' AS source, _ingestion_date AS day, count(*) AS number "
        f"FROM silver.{source} WHERE CAST(updated_at AS date) < _ingestion_date "
        f"AND _ingestion_date > (SELECT min(_ingestion_date) FROM silver.{source}) "
        "GROUP BY 2 ORDER BY 2",
    )


def _rows(ask: Ask, statement: str) -> list[dict[str, Any]]:
    return [
        {name: _plain(value) for name, value in row.items()} for row in ask(statement).to_pylist()
    ]


def _plain(value: Any) -> Any:
    """Days as texts."""
    return value.isoformat() if isinstance(value, date) else value
