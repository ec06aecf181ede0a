"""The dashboard's figures, by SQL that both DuckDB and Athena understand."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

from ecommerce_assets.dashboard.sales import READS, sales
from ecommerce_assets.query.engine import Query
from ecommerce_assets.query.feeds import key_of_quarantined, received_columns
from ecommerce_assets.shop import current_shop
from ecommerce_assets.shop.model import NEEDED, digits_of
from ecommerce_assets.tables import all_tables, fed_tables
from ecommerce_assets.tables.personal import personal_columns

EXAMPLES = 3
WAITING_EXAMPLES = 100


def sources() -> list[str]:
    """Names of the silver tables that a source feeds."""
    return [table.name for table in fed_tables()]


def reads() -> list[str]:
    """The tables read here."""
    silver = [f"silver.{source}{kind}" for kind in ("", "_quarantine") for source in sources()]
    return sorted({*READS, *silver})


def figures(
    query: Query,
    snapshots: Mapping[str, Mapping[str, Any] | None],
    built_at: datetime,
    most_lines: int,
    *,
    on_aws: bool,
) -> dict[str, Any]:
    """All figures of the page, in JSON's types.

    Args:
        query: runs a statement on the tables.
        snapshots: by table, its published snapshot (see `last_snapshots`).
        built_at: when the page is built.
        most_lines: the most order lines that the page may hold.
        on_aws: whether Athena runs the statements, else DuckDB.

    Raises:
        PipelineError: the tables were published while they were read.
    """
    shop = current_shop()
    digits = digits_of(shop.currency)
    return {
        "built_at": built_at.astimezone(UTC).isoformat(timespec="seconds"),
        "currency": shop.currency,
        "digits": digits,
        "zone": shop.zone,
        "orders": _orders(),
        "sales": sales(query, built_at.date(), most_lines, 10**digits),
        "delivered": {source: _delivered(query, source) for source in sources()},
        "quality": _quality(query, snapshots, on_aws=on_aws),
    }


def _orders() -> dict[str, Any]:
    """Whether a status takes an order out of sales, and the conditions that leave out rows."""
    shop = current_shop()
    left_out = [
        f"tables.{name}.where: {part.where}"
        for name in NEEDED
        for part in shop.declared.tables[name]
        if part.where
    ]
    return {"can_be_lost": bool(shop.not_sold), "left_out": list(dict.fromkeys(left_out))}


def _delivered(query: Query, source: str) -> str | None:
    """The latest ingestion date with a row, valid or quarantined."""
    (latest,) = _rows(
        query,
        "SELECT max(day) AS day FROM ("
        f"SELECT max(_ingestion_date) AS day FROM silver.{source} UNION ALL "
        f"SELECT max(_ingestion_date) AS day FROM silver.{source}_quarantine) d",
    )
    day: str | None = latest["day"]
    return day


def _quality(
    query: Query, snapshots: Mapping[str, Mapping[str, Any] | None], *, on_aws: bool
) -> dict[str, Any]:
    order_id = key_of_quarantined(all_tables()["silver.orders"], on_aws=on_aws)
    waiting = (
        "FROM (SELECT i.order_item_id, i.order_id, i._source_file, i._row_number, "
        "CASE WHEN q.order_id IS NULL THEN 'it has not come' ELSE 'it is in quarantine' END AS why "
        "FROM silver.order_items i LEFT JOIN silver.orders o ON o.order_id = i.order_id "
        f"LEFT JOIN (SELECT DISTINCT {order_id} AS order_id FROM silver.orders_quarantine) q "
        "ON q.order_id = i.order_id WHERE o.order_id IS NULL) w"
    )
    counts = {
        row["why"]: row["items"]
        for row in _rows(query, f"SELECT why, count(*) AS items {waiting} GROUP BY 1")
    }
    return {
        "tables": [
            {"table": name, "layer": table.layer, **_snapshot(snapshots.get(name))}
            for name, table in all_tables().items()
        ],
        "quarantined": [row for source in sources() for row in _quarantined(query, source)],
        "quarantined_rows": [
            row for source in sources() for row in _quarantined_rows(query, source)
        ],
        "examples": [row for source in sources() for row in _examples(query, source)],
        "late": [row for source in sources() for row in _late(query, source)],
        "waiting": {
            "items": sum(counts.values()),
            "quarantined": counts.get("it is in quarantine", 0),
            "examples": _rows(
                query,
                f"SELECT * {waiting} ORDER BY order_item_id LIMIT {WAITING_EXAMPLES}",
            ),
        },
    }


def _snapshot(snapshot: Mapping[str, Any] | None) -> dict[str, Any]:
    if snapshot is None:
        return {"rows": 0, "published": None, "run": None}
    published = snapshot["published"].replace(tzinfo=UTC).isoformat(timespec="seconds")
    return {"rows": snapshot["rows"], "published": published, "run": snapshot["run"]}


def _quarantined(query: Query, source: str) -> list[dict[str, Any]]:
    """Quarantined rows by ingestion date and reason; a row counts once per reason."""
    return _rows(
        query,
        f"SELECT '{source}' AS source, _ingestion_date AS day, r.text AS reason, "
        "count(*) AS number "
        f"FROM silver.{source}_quarantine CROSS JOIN UNNEST(_reasons) AS r (text) "
        "GROUP BY 2, 3 ORDER BY 2, 3",
    )


def _quarantined_rows(query: Query, source: str) -> list[dict[str, Any]]:
    """Quarantined rows by ingestion date."""
    return _rows(
        query,
        f"SELECT '{source}' AS source, _ingestion_date AS day, count(*) AS number "
        f"FROM silver.{source}_quarantine GROUP BY 2 ORDER BY 2",
    )


def _examples(query: Query, source: str) -> Iterator[dict[str, Any]]:
    """For each reason, the latest rows: their file and row, and the values concerned.

    No other values, and no personal data: dashboards are passed on.
    """
    table = all_tables()[f"silver.{source}"]
    received = received_columns(table)
    personal, (key,) = personal_columns(), table.key
    names = sorted({name for read in received.values() for name in read})
    names = [name for name in names if name.lower() not in personal]
    names = list({name.lower(): name for name in names}.values())
    columns = "".join(f'"{name}", ' for name in names)
    rows = query(
        f"SELECT * FROM (SELECT {columns}_source_file, _row_number, r.text AS why, "
        "row_number() OVER (PARTITION BY r.text ORDER BY _ingestion_date DESC, _source_file, "
        f"_row_number) AS n FROM silver.{source}_quarantine "
        f"CROSS JOIN UNNEST(_reasons) AS r (text)) e WHERE n <= {EXAMPLES} ORDER BY why, n"
    )
    for row in rows.to_pylist():
        words = row["why"].replace(":", " ").split()
        concerned = [name for word in words for name in received.get(word, ())]
        shown = [name for name in (*received[key], *concerned) if name.lower() not in personal]
        values = {name.lower(): value for name, value in row.items()}
        yield {
            "source": source,
            "reason": row["why"],
            "file": row["_source_file"],
            "row": row["_row_number"],
            "values": {name: values[name.lower()] for name in dict.fromkeys(shown)},
        }


def _late(query: Query, source: str) -> list[dict[str, Any]]:
    """Current rows delivered after the day on which they were changed, by ingestion date.

    The first date is not counted, since an initial load contains old rows.
    """
    if "updated_at" not in all_tables()[f"silver.{source}"].columns:
        return []
    return _rows(
        query,
        f"SELECT '{source}' AS source, _ingestion_date AS day, count(*) AS number "
        f"FROM silver.{source} WHERE CAST(updated_at AS date) < _ingestion_date "
        f"AND _ingestion_date > (SELECT min(_ingestion_date) FROM silver.{source}) "
        "GROUP BY 2 ORDER BY 2",
    )


def _rows(query: Query, statement: str) -> list[dict[str, Any]]:
    return [
        {name: _plain(value) for name, value in row.items()} for row in query(statement).to_pylist()
    ]


def _plain(value: Any) -> Any:
    """Dates as text."""
    return value.isoformat() if isinstance(value, date) else value
