"""The account of a lakehouse: rows by layer, quarantine beside the manifest, the KPIs."""

import json
from collections import Counter
from pathlib import Path

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.query.local import connect
from ecommerce_assets.query.result import as_table
from ecommerce_assets.settings import Settings

MANIFEST = "_manifest.json"
KPIS = {
    "daily_revenue": "order_date",
    "weekly_revenue": "week_start_date",
    "monthly_revenue": "month_start_date",
    "orders_per_customer": "orders desc, customer_id",
    "customer_lifetime_value": "value_rank",
    "top_products": "revenue_rank",
    "category_performance": "month_start_date, revenue desc",
}
FIRST_ROWS = 5


def print_account(settings: Settings) -> None:
    """Print the account to standard output.

    Raises:
        PipelineError: there is no lakehouse, or a table of it is missing.
    """
    connection = connect(settings.lakehouse)
    tables = connection.sql(
        "select schema_name as layer, view_name as name from duckdb_views() where not internal "
        "order by layer, name"
    ).fetchall()
    if {f"gold.{kpi}" for kpi in KPIS} - {f"{layer}.{name}" for layer, name in tables}:
        raise PipelineError("some tables are not there yet: run `ecommerce run` first")
    counts = " union all ".join(
        f"select '{layer}' as layer, '{name}' as name, count(*) as rows from {layer}.{name}"
        for layer, name in tables
    )
    print("Rows by table")
    print(as_table(connection.sql(f"{counts} order by layer, name")))
    injected = _injected(Path(settings.landing) / MANIFEST)
    for source in ("customers", "products", "orders", "order_items"):
        print(f"\nQuarantined in silver.{source}_quarantine, by reason")
        print(
            as_table(
                connection.sql(
                    "select reason, count(*) as rows from (select unnest(_reasons) as reason "
                    f"from silver.{source}_quarantine) group by all order by rows desc, reason"
                )
            )
        )
        if source in injected:
            kinds = ", ".join(f"{kind} {n}" for kind, n in sorted(injected[source].items()))
            total = sum(injected[source].values())
            print(f"Injected by the generator, by its manifest: {total} ({kinds})")
    for kpi, order in KPIS.items():
        print(f"\ngold.{kpi}")
        print(
            as_table(
                connection.sql(f"select * from gold.{kpi} order by {order} limit {FIRST_ROWS}")
            )
        )
    connection.close()


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
