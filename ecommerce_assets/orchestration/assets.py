"""One multi-asset a layer: any selection of its tables is one run of the layer's job."""

from collections.abc import Iterator
from datetime import date

import dagster as dg
from pydantic import Field

from ecommerce_assets.jobs.reporting import LINEAGE, ROWS_BY_DATE
from ecommerce_assets.orchestration.glue_jobs import GlueJobs, JobRequest, Result
from ecommerce_assets.orchestration.metadata import asset_spec, check_specs
from ecommerce_assets.tables import tables_of

LOOKED_BACK = 20  # results of a check, to find the last one that is not only planned


class RunConfig(dg.Config):
    """What can be chosen when a layer is materialized, in the launchpad or by `run_config`."""

    full_refresh: bool = Field(
        default=False,
        description="Make the tables anew instead of bringing them up to date with what changed.",
    )


def layer_assets(layer: str, partitions: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    """The assets of a layer's tables, with their checks."""
    tables = tables_of(layer)

    @dg.multi_asset(
        name=layer,
        specs=[asset_spec(table) for table in tables],
        check_specs=[spec for table in tables for spec in check_specs(table)],
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
    ) -> Iterator[Result]:
        first, last = _dates(context)
        selected = tuple(
            table.name
            for table in tables
            if dg.AssetKey([table.layer, table.name]) in context.selected_asset_keys
        )
        request = JobRequest(layer, selected, first, last, config.full_refresh)
        judged = set()
        for result in glue_jobs.run(context, request):
            if isinstance(result, dg.AssetCheckResult):
                judged.add(result.asset_key)
            elif result.asset_key not in judged:
                yield from _judged_before(context, result.asset_key)
            if isinstance(result, dg.MaterializeResult):
                result = _spread_over_partitions(context, result)
            yield result

    return materialize_layer


def _dates(context: dg.AssetExecutionContext) -> tuple[date, date]:
    """First and last ingestion date of the run.

    Raises:
        dagster.Failure: the range ends before it begins, which Dagster itself lets pass.
    """
    keys = context.partition_key_range
    first, last = date.fromisoformat(keys.start), date.fromisoformat(keys.end)
    if last < first:
        raise dg.Failure(
            f"the partition range {first}...{last} ends before it begins: swap the dates",
            allow_retries=False,
        )
    return first, last


def _judged_before(
    context: dg.AssetExecutionContext, asset_key: dg.AssetKey | None
) -> Iterator[dg.AssetCheckResult]:
    """The checks of a table that had nothing to do; Dagster asks for a result of each.

    Its state is as it was published, so it passed those that block; of the others, what they last
    said still holds.
    """
    for check in context.selected_asset_check_keys:
        if check.asset_key != asset_key:
            continue
        spec = context.assets_def.get_spec_for_check_key(check)
        passed, severity, metadata = True, dg.AssetCheckSeverity.ERROR, {}
        if not spec.blocking:
            # The newest is that of this run, only planned yet.
            history = context.instance.event_log_storage.get_asset_check_execution_history(
                check, limit=LOOKED_BACK
            )
            evaluations = [record.evaluation for record in history]
            for found in evaluations:
                if isinstance(found, dg.AssetCheckEvaluation):
                    passed, severity = found.passed, found.severity
                    metadata = dict(found.metadata)
                    break
        note = {"judged": "when the state was published; nothing has changed since"}
        yield dg.AssetCheckResult(
            asset_key=asset_key,
            check_name=check.name,
            passed=passed,
            severity=severity,
            metadata={**metadata, **note},
        )


def _spread_over_partitions(
    context: dg.AssetExecutionContext, result: dg.MaterializeResult
) -> dg.MaterializeResult:
    """The result without what belongs to single partitions: that is added to those.

    Dagster copies a result's metadata to every partition of a range. Each gets its own row count,
    and the newest, which is the one that the asset's page shows, the column lineage.
    """
    metadata = dict(result.metadata or {})
    counts = metadata.pop(ROWS_BY_DATE, None)
    lineage = metadata.pop(LINEAGE, None)
    days = context.partition_keys
    if isinstance(counts, dg.JsonMetadataValue) and isinstance(counts.value, dict):
        for day in days:
            if day in counts.value:
                context.add_asset_metadata(
                    {"dagster/partition_row_count": counts.value[day]}, result.asset_key, day
                )
    if lineage is not None:
        context.add_asset_metadata({LINEAGE: lineage}, result.asset_key, days[-1])
    return result._replace(metadata=metadata)
