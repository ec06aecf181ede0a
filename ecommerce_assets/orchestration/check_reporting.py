"""Reporting check results to Dagster, so that its Checks page is correct.

Results are separate events instead of outputs of the step, without a target materialization. A
result that is an output belongs to the partitions of its run: Dagster then shows one for an older
date as "not evaluated" beside a newer date's materialization, and one row for each date of a range.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, cast

import dagster as dg
from dagster import AssetCheckEvaluation

from ecommerce_assets.jobs.reporting import JUDGED, MESSAGE, SNAPSHOT
from ecommerce_assets.model.shares import Share, limit_of
from ecommerce_assets.orchestration.metadata import check_specs
from ecommerce_assets.tables import all_tables
from ecommerce_assets.thresholds import Thresholds

FIRST_PAGE, PAGE = 3, 25  # records read at a time; the one looked for is mostly the second
NOTE = "not_re_evaluated"
VERDICT = "verdict"  # of an evaluation that is repeated, if it has changed


class CheckReporting:
    """The checks of one step.

    Args:
        context: the step's.
        specs: the checks of its tables.
        thresholds: the limits in force.
    """

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        specs: Sequence[dg.AssetCheckSpec],
        thresholds: Thresholds,
    ) -> None:
        self._instance, self._run_id = context.instance, context.run_id
        self._thresholds = thresholds
        self._specs = {spec.key: spec for spec in specs}
        self._told: set[dg.AssetCheckKey] = set()

    def evaluated(self, result: dg.AssetCheckResult) -> AssetCheckEvaluation:
        """Report a result of the job."""
        assert result.asset_key is not None
        assert result.check_name is not None
        key = dg.AssetCheckKey(result.asset_key, result.check_name)
        self._told.add(key)
        metadata = dict(result.metadata or {})
        message = metadata.pop(MESSAGE, None)
        return AssetCheckEvaluation(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=bool(result.passed),
            severity=result.severity,
            metadata=metadata,
            description=str(message.value) if isinstance(message, dg.MetadataValue) else None,
            blocking=self._specs[key].blocking,
        )

    def standing(self, result: dg.MaterializeResult[Any]) -> Iterator[AssetCheckEvaluation]:
        """For an unchanged table: repeat the evaluations of its published snapshot, by the limits
        in force.

        A check without an earlier evaluation stays unevaluated.
        """
        metadata = result.metadata or {}
        snapshot = metadata.get(SNAPSHOT)
        for key in self._specs:
            if key.asset_key != result.asset_key or key in self._told:
                continue
            wanted = str(snapshot.value) if isinstance(snapshot, dg.MetadataValue) else ""
            said = self._last(key, wanted)
            if said is not None:
                yield said

    def _last(self, key: dg.AssetCheckKey, snapshot: str) -> AssetCheckEvaluation | None:
        """The newest evaluation of the snapshot, to be repeated."""
        for said, when in evaluations(self._instance, key):
            found = said.metadata.get(SNAPSHOT)
            if found is not None and str(found.value) == snapshot:
                return again(said, when, self._thresholds)
        return None

    @contextmanager
    def of_unfinished_run(self) -> Iterator[None]:
        """After a failure, repeat the last evaluations of checks that the run did not reach.

        Dagster shows a check as failed if a failed run had planned it and not evaluated it.
        """
        try:
            yield
        except Exception:
            for table in all_tables().values():
                for spec in check_specs(table, self._thresholds):
                    self._say_again_if_only_planned(spec.key)
            raise

    def _say_again_if_only_planned(self, key: dg.AssetCheckKey) -> None:
        newest = self._instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
        if not newest or newest[0].run_id != self._run_id:
            return
        if not isinstance(newest[0].evaluation, AssetCheckEvaluation):
            for said, when in evaluations(self._instance, key):
                repeated = again(said, when, self._thresholds)
                self._instance.report_runless_asset_event(repeated)
                break


class ReportingContext(dg.AssetExecutionContext):
    """The step's context for Pipes, which then expects no outputs for checks."""

    def __init__(self, context: dg.AssetExecutionContext) -> None:
        super().__init__(context.op_execution_context)

    def set_requires_typed_event_stream(self, *, error_message: str | None = None) -> None:
        """No check is an output."""


def evaluations(
    instance: dg.DagsterInstance, key: dg.AssetCheckKey
) -> Iterator[tuple[AssetCheckEvaluation, datetime]]:
    """Evaluations of a check with their times, newest first, without planned ones."""
    history = instance.event_log_storage.get_asset_check_execution_history
    cursor, page = None, FIRST_PAGE
    while records := history(key, limit=page, cursor=cursor):
        for record in records:
            if isinstance(record.evaluation, AssetCheckEvaluation) and record.event:
                # The record itself is as old as the plan of the run.
                yield record.evaluation, datetime.fromtimestamp(record.event.timestamp, UTC)
        cursor, page = records[-1].id, PAGE


def again(
    said: AssetCheckEvaluation, when: datetime, thresholds: Thresholds
) -> AssetCheckEvaluation:
    """An evaluation, repeated with its original date; a share is judged by the limit in force.

    What is published already can't be kept back by a lowered limit: it is shown as failed, and
    fails no step.
    """
    note = dg.MetadataValue.text(f"The table has not changed since {when:%Y-%m-%d %H:%M} UTC.")
    earlier = said.metadata.get(NOTE, note)  # of a repeated one, the first
    passed, severity, description = said.passed, said.severity, said.description
    metadata = {**said.metadata, NOTE: earlier}
    metadata.pop(VERDICT, None)
    judged, limit = said.metadata.get(JUDGED), said.metadata.get("limit")
    if isinstance(judged, dg.JsonMetadataValue) and isinstance(limit, dg.FloatMetadataValue):
        fields = dict(cast("dict[str, Any]", judged.value))
        message, advice = fields.pop("message"), fields.pop("advice")
        share, was = Share(**fields), limit.value or 0.0
        now = share.limit(thresholds)
        passed = share.passes(thresholds)
        severity = dg.AssetCheckSeverity(share.severity(thresholds))
        message = message.replace(limit_of(was), limit_of(now))
        description = message if passed else f"{message} {advice}"
        if (passed, severity) != (said.passed, said.severity):
            metadata[VERDICT] = dg.MetadataValue.text("Another one than before, by another limit.")
        metadata |= {
            "limit": dg.MetadataValue.float(now),
            JUDGED: dg.MetadataValue.json({**fields, "message": message, "advice": advice}),
        }
    return AssetCheckEvaluation(
        asset_key=said.asset_key,
        check_name=said.check_name,
        passed=passed,
        severity=severity,
        metadata=metadata,
        description=description,
        blocking=said.blocking and (passed or severity == dg.AssetCheckSeverity.WARN),
    )
