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
REASONS = 5
# The KPIs of the report: query and number of rows.
KPIS = {
    "monthly_revenue": ("select * from gold.monthly_revenue order by month_start_date desc", 3),
    "daily_revenue": ("select * from gold.daily_revenue order by order_date desc", 5),
    "top_products": (
        "select revenue_rank, product_id, name, category, units, orders, revenue "
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
    print_table("What became of the delivered rows", found["tables"])
    print_table("Most common reasons for quarantine", found["reasons"])
    for name in KPIS:
        print_table(f"gold.{name}", found[name])
    injected = [
        f"{row['table']} {row['injected']:,}" for row in found["tables"] if "injected" in row
    ]
    if injected:
        print(f"Broken rows injected by the generator, from its manifest: {', '.join(injected)}")


def _tables(connection: duckdb.DuckDBPyConnection, settings: Settings) -> list[dict[str, Any]]:
    injected = _injected(Path(settings.landing) / MANIFEST)
    found = []
    for table in fed_tables():
        conditions = {feed.bronze: selected(feed, on_aws=False) for feed in feeds_of(table)}
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
        if table.name in injected:
            row["injected"] = sum(injected[table.name].values())
        found.append(row)
    return found


def _count(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    return int(_rows(connection, f"select count(*) as n from {relation}")[0]["n"])


def _reasons(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    names = [f"{table.identifier}_quarantine" for table in fed_tables()]
    union = " union all ".join(
        f"select '{name}' as quarantine, unnest(_reasons) as reason from {name}" for name in names
    )
    return _rows(
        connection,
        f"select quarantine, reason, count(*) as rows from ({union}) group by all "
        f"order by rows desc, quarantine, reason limit {REASONS}",
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
