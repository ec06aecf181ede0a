"""One multi-asset per layer: any selection of its tables is one run of the layer's job."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import date
from typing import Any

import dagster as dg
from pydantic import Field

from ecommerce_assets.jobs.reporting import ROWS_BY_DATE
from ecommerce_assets.orchestration.check_reporting import CheckReporting, ReportingContext
from ecommerce_assets.orchestration.deliveries import report_delivery
from ecommerce_assets.orchestration.glue_jobs import GlueJobs, JobRequest
from ecommerce_assets.orchestration.local_storage import why_slow
from ecommerce_assets.orchestration.metadata import asset_spec, check_specs
from ecommerce_assets.tables import tables_of
from ecommerce_assets.thresholds import Thresholds

# On AWS, after a fault of the infrastructure; `dg.Failure` says of a user's that it is none.
RETRIES, RETRY_SECONDS = 2, 60


@contextmanager
def tried_again(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Have Dagster try the step again after a fault of the infrastructure, with waits that double.

    A retried step continues with the Glue run that it had started, if that still runs. This is no
    `RetryPolicy`: by one, Dagster would also try a step again that a person has ended.
    """
    try:
        yield
    except dg.DagsterError:
        raise
    except Exception as error:
        if isinstance(error, dg.Failure) and not error.allow_retries:
            raise
        wait = RETRY_SECONDS * 2**context.op_execution_context.retry_number
        raise dg.RetryRequested(RETRIES, wait) from error


class RunConfig(dg.Config):
    """Run configuration of a layer's materialization."""

    full_refresh: bool = Field(
        default=False,
        description="Recompute the tables as a whole instead of updating them.",
    )
    allow_removal: bool = Field(
        default=False,
        description="Give up rows whose deliveries are gone from landing, and many rows at once.",
    )


def layer_assets(
    layer: str,
    partitions: dg.DailyPartitionsDefinition,
    thresholds: Thresholds,
    *,
    retried: bool = False,
) -> dg.AssetsDefinition:
    """The assets of a layer's tables, with their checks.

    Args:
        thresholds: the limits that the checks' descriptions name.
        retried: whether a step is tried again after a fault of the infrastructure.
    """
    tables = tables_of(layer)
    checks = [spec for table in tables for spec in check_specs(table, thresholds)]

    @dg.multi_asset(
        name=layer,
        specs=[asset_spec(table) for table in tables],
        check_specs=checks,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        can_subset=True,
        pool=layer,
        op_tags={"layer": layer},
    )
    def materialize_layer(
        context: dg.AssetExecutionContext,
        config: RunConfig,
        glue_jobs: dg.ResourceParam[GlueJobs],
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckEvaluation]:
        first, last = _dates(context)
        if first != last and (advice := why_slow(context.instance)):
            context.log.warning(advice)
        selected = tuple(
            table.name
            for table in tables
            if dg.AssetKey([table.layer, table.name]) in context.selected_asset_keys
        )
        request = JobRequest(
            layer, selected, first, last, config.full_refresh, config.allow_removal
        )
        reporting = CheckReporting(context, checks, Thresholds(**glue_jobs.thresholds))
        again = tried_again(context) if retried else nullcontext()
        with again, reporting.of_unfinished_run():
            for result in glue_jobs.run(ReportingContext(context), request):
                if isinstance(result, dg.AssetCheckResult):
                    yield reporting.evaluated(result)
                else:
                    yield from reporting.standing(result)
                    report_delivery(context.instance, result)
                    yield _spread_over_partitions(context, result)

    return materialize_layer


def _dates(context: dg.AssetExecutionContext) -> tuple[date, date]:
    """First and last ingestion date of the run.

    Raises:
        dagster.Failure: the range ends before it starts, which Dagster does not check.
    """
    keys = context.partition_key_range
    first, last = date.fromisoformat(keys.start), date.fromisoformat(keys.end)
    if last < first:
        raise dg.Failure(
            f"the partition range {first}...{last} ends before it starts: swap the dates",
            allow_retries=False,
        )
    return first, last


def _spread_over_partitions(
    context: dg.AssetExecutionContext, result: dg.MaterializeResult[Any]
) -> dg.MaterializeResult[Any]:
    """The result without metadata, which is added to partitions.

    Dagster would copy it to every partition of a range, which makes most of its history. Each
    partition gets its own row count; the newest, which the asset's page shows, gets the rest.
    """
    metadata = dict(result.metadata or {})
    counts = metadata.pop(ROWS_BY_DATE, None)
    days = context.partition_keys
    if isinstance(counts, dg.JsonMetadataValue) and isinstance(counts.value, dict):
        for day in days:
            if day in counts.value:
                context.add_asset_metadata(
                    {"dagster/partition_row_count": counts.value[day]}, result.asset_key, day
                )
    context.add_asset_metadata(metadata, result.asset_key, days[-1])
    return result._replace(metadata={})
