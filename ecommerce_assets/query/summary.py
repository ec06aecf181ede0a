"""The summary of a lakehouse: what became of each source's rows, and the latest KPIs."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.query.feeds import selected
from ecommerce_assets.query.local import connect
from ecommerce_assets.query.result import print_table
from ecommerce_assets.settings import Settings
from ecommerce_assets.tables import fed_tables
from ecommerce_assets.tables.silver import feeds_of

MANIFEST = "_manifest.json"
REASONS = 3
# The KPIs of the report: query and number of rows. They fit a terminal of 80 columns.
MEASURES = "revenue, returned, net_revenue, orders"
KPIS = {
    "monthly_revenue": (
        f"select month_start_date, {MEASURES} from gold.monthly_revenue "
        "order by month_start_date desc", 3,
    ),
    "daily_revenue": (
        f"select order_date, {MEASURES} from gold.daily_revenue order by order_date desc", 3,
    ),
    "top_products": (
        "select revenue_rank, name, units, revenue, returned "
        "from gold.top_products order by revenue_rank", 3,
    ),
}  # fmt: skip


def summary(settings: Settings) -> dict[str, Any]:
    """The figures of the report.

    Returns:
        `tables`: by table of silver, rows delivered, not selected, current, superseded and
        quarantined, and what the generator's manifest says of them, if there is one. `reasons`: the
        most common reasons for quarantine. By KPI, its rows as dictionaries.

    Raises:
        PipelineError: there is no lakehouse, or a table of it is missing.
    """
    connection = connect(settings.lakehouse)
    try:
        return {
            "tables": _tables(connection, settings),
            "reasons": _reasons(connection),
            **{name: _rows(connection, f"{sql} limit {n}") for name, (sql, n) in KPIS.items()},
        }
    except duckdb.CatalogException as error:
        raise PipelineError("some tables do not exist yet: run `ecommerce run` first") from error
    finally:
        connection.close()


def print_summary(settings: Settings) -> None:
    """Print the summary, about a screen.

    Raises:
        PipelineError: as `summary`.
    """
    found = summary(settings)
    tables = found["tables"]
    if not any(row["not_selected"] for row in tables):
        tables = [{k: n for k, n in row.items() if k != "not_selected"} for row in tables]
    injected = any("injected" in row for row in tables)
    note = "; injected: made broken by the generator" if injected else ""
    print_table(f"What became of the delivered rows{note}", tables)
    print()
    print_table("Most common reasons for quarantine", found["reasons"])
    for name in KPIS:
        print()
        print_table(f"gold.{name}", found[name])


def _tables(connection: duckdb.DuckDBPyConnection, settings: Settings) -> list[dict[str, Any]]:
    injected = _injected(Path(settings.landing) / MANIFEST)
    # The manifest counts by source, of those that were written; nothing may have come back.
    of_tables = any(table.name in injected for table in fed_tables())
    found = []
    for table in fed_tables():
        conditions = {feed.rows: selected(feed, on_aws=False) for feed in feeds_of(table)}
        filtered = [
            f"{bronze} where not {wanted}" for bronze, wanted in conditions.items() if wanted
        ]
        relations = {
            "delivered": [*conditions],
            "not_selected": filtered,
            "current": [table.identifier],
            "quarantined": [f"{table.identifier}_quarantine"],
        }
        counts = {
            name: sum(_count(connection, relation) for relation in counted)
            for name, counted in relations.items()
        }
        superseded = 2 * counts["delivered"] - sum(counts.values())
        row: dict[str, Any] = {"table": table.name, **counts, "superseded": superseded}
        if of_tables:
            row["injected"] = sum(injected.get(table.name, Counter()).values())
        found.append(row)
    return found


def _count(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    return int(_rows(connection, f"select count(*) as n from {relation}")[0]["n"])


def _reasons(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    union = " union all ".join(
        f"select '{table.name}' as \"table\", unnest(_reasons) as reason "
        f"from {table.identifier}_quarantine"
        for table in fed_tables()
    )
    return _rows(
        connection,
        f'select "table", reason, count(*) as rows from ({union}) group by all '
        f'order by rows desc, "table", reason limit {REASONS}',
    )


def _rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    return list(connection.sql(sql).to_arrow_table().to_pylist())


def _injected(manifest: Path) -> dict[str, Counter[str]]:
    if not manifest.exists():
        return {}
    tables = json.loads(manifest.read_text(encoding="utf-8"))["tables"]
    found: dict[str, Counter[str]] = {}
    for table, days in tables.items():
        found[table] = Counter()
        for counts in days.values():
            found[table].update(counts.get("quarantined", {}))
    return found
