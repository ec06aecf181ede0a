"""What the dashboard shows, asked of the tables by SQL that DuckDB and Athena both take.

Figures by day are whole numbers in lists that begin with the first day, so that the page adds up
any range of days exactly: amounts in cents, and orders, of which each belongs to one day.
Customers can't be added up: `customer_days` says how to count them.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from ecommerce_assets.query.asking import Ask
from ecommerce_assets.tables import all_tables, tables_of

FACTS = "gold.fact_sales"
KEPT_DAYS = 731  # a year, and the one before to compare it with
TOP_PRODUCTS = 20
EXAMPLES = 3
PERSONAL = ("email", "first_name", "last_name", "phone", "address", "city", "postal_code")
GOLD = (
    FACTS,
    "gold.dim_customer",
    "gold.dim_product",
    "gold.top_products",
    "gold.customer_lifetime_value",
)
# Upper bounds of the classes of customers by lifetime value, EUR.
VALUE_CLASSES = (50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)


def sources() -> list[str]:
    """Names of the tables that are delivered and have a contract."""
    return [table.name for table in tables_of("bronze") if f"silver.{table.name}" in all_tables()]


def reads() -> list[str]:
    """The tables that the statements here read."""
    silver = [f"silver.{source}{kind}" for kind in ("", "_quarantine") for source in sources()]
    return [*GOLD, *silver]


def figures(
    ask: Ask, states: Mapping[str, Mapping[str, Any] | None], made: datetime
) -> dict[str, Any]:
    """Everything that the page shows, as JSON can hold it.

    Args:
        ask: runs a statement where the tables are.
        states: by table, its published state (see `last_states`).
        made: when the page is made.
    """
    return {
        "made": made.astimezone(UTC).isoformat(timespec="seconds"),
        "sales": _sales(ask, made.date()),
        "products": _rows(
            ask,
            "SELECT product_id, name, category, units, orders, revenue FROM gold.top_products "
            f"WHERE revenue_rank <= {TOP_PRODUCTS} ORDER BY revenue_rank",
        ),
        "segments": _rows(
            ask,
            "SELECT segment, count(*) AS customers, sum(orders) AS orders, "
            "sum(lifetime_value) AS value FROM gold.customer_lifetime_value GROUP BY segment "
            "ORDER BY value DESC, segment",
        ),
        "values": _values(ask),
        "quality": _quality(ask, states),
    }


def _sales(ask: Ask, today: date) -> dict[str, Any] | None:
    """Sales by day; None where nothing was ever ordered.

    A date to come is a mistake of the shop's: it must not push the real ones off the page.
    """
    (span,) = ask(
        f"SELECT min(order_date) AS earliest, max(order_date) AS latest FROM {FACTS} "
        f"WHERE order_date <= DATE '{today}'"
    ).to_pylist()
    if span["latest"] is None:
        return None
    last = span["latest"]
    first = max(span["earliest"], last - timedelta(days=KEPT_DAYS - 1))
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    facts = f"(SELECT * FROM {FACTS} WHERE order_date BETWEEN DATE '{first}' AND DATE '{last}') f"
    by_day = ask(
        "SELECT order_date, sum(CASE WHEN is_sale THEN revenue END) AS revenue, "
        "count(DISTINCT CASE WHEN is_sale THEN order_id END) AS orders, "
        f"count(DISTINCT order_id) AS placed FROM {facts} GROUP BY order_date"
    ).to_pylist()
    found = {row["order_date"]: row for row in by_day}
    none: dict[str, Any] = {}
    columns = {
        name: [_plain(found.get(day, none).get(name)) or 0 for day in days]
        for name in ("revenue", "orders", "placed")
    }
    return {
        "first": first.isoformat(),
        **columns,
        "customer_days": _customer_days(ask, facts, first, len(days)),
        "categories": _by_day_and(
            ask, facts, "category", "JOIN gold.dim_product d USING (product_key)", days
        ),
        "countries": _by_day_and(
            ask, facts, "country", "JOIN gold.dim_customer d USING (customer_key)", days
        ),
    }


def _customer_days(ask: Ask, facts: str, first: date, days: int) -> list[list[int]]:
    """By day: how many of its customers bought last on which day before.

    Item 0 of a day's list counts those who had not bought before, item n + 1 those whose last day
    before was day n. The customers of the days a to b are all those of these days whose day
    before is earlier than a: items 0 to a of the lists a to b.
    """
    counts = [[0] * (day + 1) for day in range(days)]
    rows = ask(
        "SELECT order_date, earlier, count(*) AS customers FROM (SELECT order_date, "
        "lag(order_date) OVER (PARTITION BY customer_key ORDER BY order_date) AS earlier FROM "
        f"(SELECT DISTINCT customer_key, order_date FROM {facts} WHERE is_sale) d) e "
        "GROUP BY order_date, earlier"
    )
    for row in rows.to_pylist():
        earlier = row["earlier"]
        item = 0 if earlier is None else (earlier - first).days + 1
        counts[(row["order_date"] - first).days][item] = row["customers"]
    return counts


def _by_day_and(
    ask: Ask, facts: str, column: str, join: str, days: list[date]
) -> dict[str, list[int]]:
    """Revenue by day of each value of a dimension's column, in cents."""
    rows = ask(
        f"SELECT coalesce({column}, 'unknown') AS name, order_date, sum(revenue) AS revenue "
        f"FROM {facts} {join} WHERE is_sale GROUP BY 1, 2 ORDER BY 1"
    )
    found: dict[str, list[int]] = {}
    for row in rows.to_pylist():
        amounts = found.setdefault(row["name"], [0] * len(days))
        amounts[(row["order_date"] - days[0]).days] = _plain(row["revenue"])
    return found


def _values(ask: Ask) -> list[dict[str, Any]]:
    """Customers by class of lifetime value: `to` None is more than all."""
    classes = " ".join(f"WHEN lifetime_value <= {to} THEN {to}" for to in (0, *VALUE_CLASSES))
    rows = ask(
        f"SELECT CASE {classes} END AS class, count(*) AS customers "
        "FROM gold.customer_lifetime_value GROUP BY 1"
    )
    counts = {row["class"]: row["customers"] for row in rows.to_pylist()}
    return [{"to": to, "customers": counts.get(to, 0)} for to in (0, *VALUE_CLASSES, None)]


def _quality(ask: Ask, states: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Any]:
    waiting = (
        "FROM silver.order_items i LEFT JOIN silver.orders o ON o.order_id = i.order_id "
        "WHERE o.order_id IS NULL"
    )
    (count,) = _rows(ask, f"SELECT count(*) AS items {waiting}")
    return {
        "tables": [
            {"table": name, "layer": table.layer, **_state(states.get(name))}
            for name, table in all_tables().items()
        ],
        "quarantined": [row for source in sources() for row in _quarantined(ask, source)],
        "examples": [row for source in sources() for row in _examples(ask, source)],
        "late": [row for source in sources() for row in _late(ask, source)],
        "waiting": {
            "items": count["items"],
            "examples": _rows(
                ask,
                "SELECT i.order_item_id, i.order_id, i._source_file, i._row_number "
                f"{waiting} ORDER BY i.order_item_id LIMIT {EXAMPLES}",
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
    """Amounts in cents, days as texts; sums that Athena or DuckDB widened as whole numbers."""
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        return int(value) if exponent == 0 else int(value.scaleb(2))
    return value.isoformat() if isinstance(value, date) else value
