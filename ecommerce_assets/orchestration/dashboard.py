"""The dashboard as an asset: made anew after gold, its file or link in the run's metadata."""

import dagster as dg

from ecommerce_assets.jobs.reporting import tell_progress
from ecommerce_assets.orchestration.metadata import BY_NINE, asset_key
from ecommerce_assets.settings import Settings
from ecommerce_assets.tables import tables_of
from ecommerce_assets.tables.declaration import OWNER

GROUP = "dashboard"
NAME = "sales_dashboard"


def dashboard_asset(
    settings: Settings, partitions: dg.DailyPartitionsDefinition
) -> dg.AssetsDefinition:
    """`sales_dashboard`, from the gold tables.

    It has their partitions, though it shows all of their dates: so a run of the tables and it, for
    whatever dates, is one run.
    """

    @dg.multi_asset(
        name=NAME,
        specs=[
            dg.AssetSpec(
                key=NAME,
                # Its page of data quality reads silver, too, which gold comes after.
                deps=[asset_key(table.identifier) for table in tables_of("gold")],
                group_name=GROUP,
                kinds={"html"},
                owners=[OWNER],
                freshness_policy=BY_NINE,
                description="One HTML file that needs no network.\n\nSales by day, week and month, "
                "products, categories, countries and customers; and a page of data quality.",
            )
        ],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=GROUP,
    )
    def sales_dashboard(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        # DuckDB, pyiceberg and the charting library are loaded by the run that makes the page.
        from ecommerce_assets.dashboard.build import build_dashboard

        built = build_dashboard(settings)
        context.log.info(f"Dashboard: {built.link}")
        tell_progress(f"{NAME:<32}{built.size / 1e6:>14.1f} MB {built.seconds:6.1f} s")
        return dg.MaterializeResult(
            metadata={
                "link": dg.MetadataValue.url(built.link),
                "location": dg.MetadataValue.path(built.location),
                "bytes": built.size,
                "days_of_sales": built.days,
                "seconds": round(built.seconds, 2),
            }
        )

    return sales_dashboard
