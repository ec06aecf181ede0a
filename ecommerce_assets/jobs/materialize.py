"""One table from its upstream tables: plan, stage, audit, publish."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, timedelta
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ecommerce_assets.errors import PipelineError, raised_in_worker
from ecommerce_assets.jobs import audit
from ecommerce_assets.jobs.arguments import JobArguments
from ecommerce_assets.jobs.deliveries import plan_deliveries
from ecommerce_assets.jobs.plan import Plan, Planner
from ecommerce_assets.jobs.shared import Shared, kept
from ecommerce_assets.lakehouse import staging
from ecommerce_assets.lakehouse import tables as lakehouse
from ecommerce_assets.lakehouse.history import History, Marker
from ecommerce_assets.lakehouse.lineage import Lineage
from ecommerce_assets.landing.files import line_in
from ecommerce_assets.landing.store import DeliveryChanged
from ecommerce_assets.tables.audits import Filled, Finding, Report, Scope
from ecommerce_assets.tables.audits.bronze import all_files_read
from ecommerce_assets.tables.declaration import Table
from ecommerce_assets.tables.source import INGESTION_DATE

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ATTEMPTS = 10


class AuditFailed(PipelineError):
    """A blocking check failed: nothing was published. `findings` holds every finding so far."""

    def __init__(self, table: Table, findings: list[Finding]) -> None:
        self.findings = findings
        failed = [finding for finding in findings if finding.blocks]
        reasons = "; ".join(f"{finding.check.name}: {finding.told}" for finding in failed)
        super().__init__(
            f"{table.identifier} was not published, its last state stays: failed {reasons}"
        )


@dataclass(frozen=True)
class Published:
    """What a table's materialization did.

    Attributes:
        table: the table.
        rows: its rows.
        written: rows that the run wrote; None where there was nothing to do.
        why: what was made, and why.
        rows_by_date: rows by judged ingestion date.
        metrics: figures of its audits.
        findings: results of its checks; none where there was nothing to do.
        lineage: column lineage.
        snapshot: id of the state that the findings are of; None for a table without one.
        seconds: how long it took.
        seconds_checking: how much of it was for checks beyond those that are judged while the
            rows are written.
    """

    table: Table
    rows: int
    written: int | None
    why: str
    rows_by_date: dict[date, int]
    metrics: dict[str, float]
    findings: list[Finding]
    lineage: Lineage
    snapshot: int | None
    seconds: float
    seconds_checking: float = 0.0


def materialize(
    spark: "SparkSession", tables: Sequence[Table], arguments: JobArguments, shared: Shared
) -> list[Published]:
    """Bring tables up to date that are published together, in dependency order (mostly just one).

    All are staged and audited first. Then they are published, each by one atomic commit, the last
    one made first. A lost race against another run is run again.

    Raises:
        TableFailed: an error of one of them; nothing was published.
    """
    for table in tables:
        lakehouse.create_table(
            spark,
            table.identifier,
            table.struct,
            table.partitioned_by,
            table.description,
            clustered=table.unit_is_partition,
        )
    for _ in range(ATTEMPTS):
        attempt = _Attempt(spark, arguments, shared)
        try:
            return attempt.publish(attempt.stage(tables))
        except staging.PublishConflict:
            attempt.drop()
            why = f"other runs published {ATTEMPTS} times while this one worked"
        except DeliveryChanged as error:
            attempt.drop()
            why = f"what has landed changed {ATTEMPTS} times while it was read, at last: {error}"
        except BaseException:
            attempt.drop()
            raise
    names = ", ".join(table.identifier for table in tables)
    raise PipelineError(f"{names}: {why}; run it again when that is over")


class TableFailed(PipelineError):
    """One of several tables that are published together failed, so none of them was published."""

    def __init__(self, table: Table, error: Exception) -> None:
        super().__init__(str(error))
        self.table = table
        self.error = error


class _Attempt:
    """Tables staged side by side: each is written as soon as what it is made from is."""

    def __init__(self, spark: "SparkSession", arguments: JobArguments, shared: Shared) -> None:
        self.spark = spark
        self.arguments = arguments
        self.shared = shared
        self._bases: list[History] = []
        self._states: dict[str, Future[int | None]] = {}
        self._staged: dict[str, staging.Staged] = {}

    def stage(self, tables: Sequence[Table]) -> list[Published]:
        """Stage and audit the tables; an error is that of the first table that failed."""
        self._states = {table.identifier: Future() for table in tables}
        first, *others = tables
        with ThreadPoolExecutor(len(tables), thread_name_prefix=first.name) as pool:
            made = [pool.submit(self._stage_or_tell, table) for table in others]
            own = self._stage_or_tell(first)
        # In dependency order: the first error is the one that the others come from.
        return [own, *[future.result() for future in made]]

    def publish(self, made: list[Published]) -> list[Published]:
        """Publish what was staged, the tables made last first: the facts after the dimensions.

        A dimension is published with the members that leave it, and without them once the facts
        are: at every moment, each published fact finds its members.
        """
        staged = [self._staged[name] for name in self._states if name in self._staged]
        for state in reversed(staged):
            state.publish()
        for state in staged:
            state.finish()
        return [
            replace(result, snapshot=self._staged[result.table.identifier].snapshot)
            if result.written is not None
            else result
            for result in made
        ]

    def drop(self) -> None:
        """Drop what was staged and not published."""
        for state in self._staged.values():
            state.drop()

    def _stage_or_tell(self, table: Table) -> Published:
        """Stage the table; on an error tell those that wait for its state."""
        try:
            return self._stage(table)
        except BaseException as error:
            told = self._told(table, error)
            if not self._states[table.identifier].done():
                self._states[table.identifier].set_exception(told)
            raise told from error

    def _told(self, table: Table, error: BaseException) -> BaseException:
        if isinstance(error, staging.PublishConflict) or not isinstance(error, Exception):
            return error
        if changed := raised_in_worker(error, DeliveryChanged):
            return changed
        if not isinstance(error, PipelineError) and any(map(staging.moved, self._bases)):
            # Another run published, and dropped what this one had staged.
            return staging.PublishConflict(str(error))
        return TableFailed(table, error)

    def _histories(self, names: Iterable[str]) -> dict[str, History]:
        """Tables as published or, of those staged here, as soon as they are, as staged."""
        return {
            name: History(
                self.spark, name, self._states[name].result() if name in self._states else None
            )
            for name in names
        }

    def _stage(self, table: Table) -> Published:
        spark = self.spark
        upstream = self._histories(table.upstream)
        started = perf_counter()
        base = History(spark, table.identifier)
        self._bases.append(base)
        planner = Planner(spark, table, base, upstream, self.arguments, self.shared)
        if table.layer == "bronze":
            plan = plan_deliveries(spark, table, base, self.arguments)
        else:
            plan = planner.plan()
        if plan.written is None:
            self._states[table.identifier].set_result(base.snapshot_id)
            self._note(planner, plan)
            own = Report([], self._rows_by_date(base, base.snapshot_id, self.arguments.days))
            findings = [all_files_read(plan.unread)] if table.layer == "bronze" else []
            return _published(planner, plan, base.rows, None, own, findings, started)
        schema = audit.schema_finding(table, plan.written)
        if schema.blocks:
            raise AuditFailed(table, [schema])
        apart = audit.judged_apart(table, plan.touched, base.rows)
        frame, observation = audit.observed(table, plan.written, apart=apart)
        marker = Marker(plan.made_from, table.code_version, self.arguments.attempt())
        state = staging.stage(spark, base, frame, plan.replace, marker)
        self._staged[table.identifier] = state
        planner.offer_changes(plan, state.snapshot)
        self._states[table.identifier].set_result(state.snapshot)
        written = perf_counter()
        against = self._histories(set(table.reads) - upstream.keys())
        checking = perf_counter()
        started += checking - written  # waiting for tables that are staged side by side
        # Without a row there is nothing to observe, and nothing may have been observed.
        seen = observation.get if state.added else defaultdict(lambda: None)
        days = self.arguments.days
        back = max((audit.looks_back for audit in table.audits), default=timedelta())
        earlier = [days[0] - timedelta(days=n) for n in range(back.days, 0, -1)]
        counted = self._rows_by_date(base, state.snapshot, [*earlier, *days])
        scope = self._scope(planner, plan, state, seen, counted, upstream | against)
        findings = [schema, *audit.row_findings(table, scope, seen, apart=apart)]
        own = audit.own_findings(table, scope)
        of_run = {day: rows for day, rows in counted.items() if day >= days[0]}
        own = replace(own, rows_by_date=own.rows_by_date | of_run)
        findings += own.findings
        if any(finding.blocks for finding in findings):
            raise AuditFailed(table, findings)
        self._keep_those_that_leave(table, base, plan, state)
        made = _published(planner, plan, state.rows, state.added, own, findings, started)
        return replace(made, seconds_checking=perf_counter() - checking)

    def _keep_those_that_leave(
        self, table: Table, base: History, plan: Plan, state: staging.Staged
    ) -> None:
        """Members that a dimension has no more are kept until the facts are published."""
        facts = next(iter(self._states))
        if table.identifier == facts or base.current is None:
            return
        now, then = plan.rewritten or (
            state.frame, lakehouse.read(self.spark, table.identifier, base.snapshot_id)
        )  # fmt: skip
        left = then.join(now.select(*table.key), list(table.key), "left_anti")
        left = kept(left.select(*table.columns))
        if not left.isEmpty():
            state.keep(left)

    @staticmethod
    def _rows_by_date(
        table: History, snapshot: int | None, days: Sequence[date]
    ) -> dict[date, int]:
        """Rows of each of the dates, where the table is partitioned by them."""
        if not table.partitioned_by(INGESTION_DATE):
            return {}
        return dict.fromkeys(days, 0) | table.rows_by_date(snapshot, INGESTION_DATE, days)

    def _note(self, planner: Planner, plan: Plan) -> None:
        """Upstream moved on, and nothing that matters here did: the next run looks back less."""
        marker = planner.base.marker
        if marker and plan.made_from and marker.made_from != plan.made_from:
            version, attempt = planner.table.code_version, self.arguments.attempt()
            note = Marker(plan.made_from, version, attempt, is_note=True)
            self._staged[planner.table.identifier] = staging.stage(
                self.spark, planner.base, None, plan.replace, note
            )

    def _scope(
        self,
        planner: Planner,
        plan: Plan,
        state: staging.Staged,
        seen: Mapping[str, Any],
        counted: Mapping[date, int],
        upstream: Mapping[str, History],
    ) -> Scope:
        frames = {
            name: lakehouse.read(self.spark, name, found.snapshot_id)
            for name, found in upstream.items()
        }
        return Scope(
            state=state.frame,
            rows=state.rows,
            upstream=frames,
            touched=plan.touched,
            dates=plan.dates,
            candidates=plan.candidates,
            received=_received(planner, plan),
            observed=seen,
            figure=lambda name, what, compute: self.shared.figure(
                (name, upstream[name].snapshot_id, what), lambda: compute(frames[name])
            ),
            rows_by_date=counted,
            upstream_rows=lambda name: upstream[name].rows,
            thresholds=self.arguments.thresholds,
            rows_before=self._rows_by_date(planner.base, planner.base.snapshot_id, sorted(counted)),
            unread=plan.unread,
            filled=lambda days: {
                day: Filled(*found)
                for day, found in planner.base.filled_columns(
                    state.snapshot, INGESTION_DATE, days
                ).items()
            },
            delivered_before=plan.delivered_before,
            consult=self._consult,
            line_of=lambda file, number: line_in(self.arguments.landing, file, number),
        )

    def _consult(self, name: str) -> "DataFrame | None":
        if not lakehouse.exists(self.spark, name):
            return None
        return lakehouse.read(self.spark, name, History(self.spark, name).snapshot_id)


def _received(planner: Planner, plan: Plan) -> dict[date, int]:
    """Rows of bronze by judged date."""
    if plan.candidates is None:
        return {}
    (bronze,) = planner.table.upstream
    history = planner.upstream[bronze]
    return history.rows_by_date(history.snapshot_id, INGESTION_DATE, plan.dates)


def _published(
    planner: Planner,
    plan: Plan,
    rows: int,
    written: int | None,
    own: Report,
    findings: list[Finding],
    started: float,
) -> Published:
    table = planner.table
    return Published(
        table,
        rows,
        written,
        plan.why,
        own.rows_by_date,
        own.metrics,
        findings,
        planner.lineage(plan),
        planner.base.judged_id,
        perf_counter() - started,
    )
