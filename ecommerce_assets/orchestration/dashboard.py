"""The dashboard as an asset: rebuilt after gold, and where it is in the run's metadata."""

from typing import Any

import dagster as dg

from ecommerce_assets.jobs.reporting import log_progress
from ecommerce_assets.model.table import OWNER
from ecommerce_assets.orchestration.metadata import asset_key
from ecommerce_assets.settings import Settings
from ecommerce_assets.tables import tables_of

GROUP = "dashboard"
NAME = "sales_dashboard"
NOTHING_NEW = "no table that it shows has changed"


def dashboard_asset(
    settings: Settings, partitions: dg.DailyPartitionsDefinition
) -> dg.AssetsDefinition:
    """The asset `sales_dashboard`, built from the gold tables.

    It has their partitions although it shows all dates, so that the tables and the dashboard can be
    materialized in one run.
    """

    @dg.multi_asset(
        name=NAME,
        specs=[
            dg.AssetSpec(
                key=NAME,
                # Its quality page also reads silver, which is upstream of gold.
                deps=[asset_key(table.identifier) for table in tables_of("gold")],
                group_name=GROUP,
                kinds={"html"},
                owners=[OWNER],
                description="One HTML file that needs no network.\n\nSales by day, week and month, "
                "products, categories, countries and customers; and a page of data quality.",
            )
        ],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=GROUP,
    )
    def sales_dashboard(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        # Imported here, since DuckDB, pyiceberg and the charting library are slow to load.
        from ecommerce_assets.dashboard.build import build_dashboard, link_to

        built = build_dashboard(settings)
        context.log.info(f"Dashboard: {built.location}")
        note = f"   {NOTHING_NEW}" if built.unchanged else ""
        log_progress(f"{NAME:<32}{built.size / 1e6:>14.1f} MB {built.seconds:6.1f} s{note}")
        metadata: dict[str, Any] = {
            "location": dg.MetadataValue.path(built.location),
            # A link that is signed here would end with the credentials of this run's task.
            "open": dg.MetadataValue.text("ecommerce dashboard --link")
            if settings.on_aws
            else dg.MetadataValue.url(link_to(built.location)),
            "bytes": built.size,
            "refresh": NOTHING_NEW if built.unchanged else "built from the published tables",
            "seconds": round(built.seconds, 2),
        }
        if not built.unchanged:
            metadata["days_of_sales"] = built.days
        return dg.MaterializeResult(metadata=metadata)

    return sales_dashboard
