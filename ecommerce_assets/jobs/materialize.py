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
from ecommerce_assets.lakehouse import staging
from ecommerce_assets.lakehouse import tables as lakehouse
from ecommerce_assets.lakehouse.history import History
from ecommerce_assets.lakehouse.lineage import Lineage, column_lineage, lineage_of_code
from ecommerce_assets.lakehouse.metadata import BuildRecord
from ecommerce_assets.landing.files import line_in
from ecommerce_assets.landing.layout import INGESTION_DATE
from ecommerce_assets.landing.store import DeliveryChanged
from ecommerce_assets.refresh.decide import decide
from ecommerce_assets.refresh.decision import Nothing, Rows
from ecommerce_assets.refresh.inputs import Inputs
from ecommerce_assets.refresh.run_cache import Figure, RunCache, checkpointed
from ecommerce_assets.refresh.upstream import offer_changed_rows
from ecommerce_assets.tables import all_tables
from ecommerce_assets.tables.audits import Filled, Finding, Report, Scope
from ecommerce_assets.tables.audits.bronze import all_files_read
from ecommerce_assets.tables.declaration import Table

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
    spark: "SparkSession", tables: Sequence[Table], arguments: JobArguments, cache: RunCache
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
            clustered=table.refreshed_by_partition,
        )
    for _ in range(ATTEMPTS):
        attempt = _Attempt(spark, arguments, cache)
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

    def __init__(self, spark: "SparkSession", arguments: JobArguments, cache: RunCache) -> None:
        self.spark = spark
        self.arguments = arguments
        self.cache = cache
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
        inputs = Inputs(
            spark,
            table,
            base,
            upstream,
            all_tables(),
            self.arguments.request,
            self.cache,
            self.arguments.limits,
        )
        decision = decide(table.refresh, inputs)
        if isinstance(decision, Nothing):
            self._states[table.identifier].set_result(base.snapshot_id)
            self._note(inputs)
            return self._nothing(inputs, decision, started)
        schema = audit.schema_finding(table, decision.written)
        if schema.blocks:
            raise AuditFailed(table, [schema])
        large = self.arguments.limits.large_table
        apart = audit.key_checked_apart(table, decision.affected, base.rows, large)
        frame, observation = audit.observed(table, decision.written, apart=apart)
        sources = decision.fingerprints or inputs.source_snapshots
        record = BuildRecord(dict(sources), table.code_version, self.arguments.attempt())
        state = staging.stage(spark, base, frame, decision.replace, record)
        self._staged[table.identifier] = state
        if decision.rewritten is not None:
            offer_changed_rows(inputs, decision.rewritten, state.snapshot)
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
        scope = self._scope(inputs, decision, state, seen, counted, upstream | against)
        findings = [schema, *audit.row_findings(table, scope, seen, apart=apart)]
        own = audit.own_findings(table, scope)
        of_run = {day: rows for day, rows in counted.items() if day >= days[0]}
        own = replace(own, rows_by_date=own.rows_by_date | of_run)
        findings += own.findings
        if any(finding.blocks for finding in findings):
            raise AuditFailed(table, findings)
        self._keep_those_that_leave(table, base, decision, state)
        made = _published(inputs, decision, state.rows, state.added, own, findings, started)
        return replace(made, seconds_checking=perf_counter() - checking)

    def _nothing(self, inputs: Inputs, decision: Nothing, started: float) -> Published:
        base, days = inputs.published, self.arguments.days
        own = Report([], self._rows_by_date(base, base.snapshot_id, days))
        is_bronze = not inputs.table.upstream
        findings = [all_files_read(decision.unread)] if is_bronze else []
        return _published(inputs, decision, base.rows, None, own, findings, started)

    def _keep_those_that_leave(
        self, table: Table, base: History, decision: Rows, state: staging.Staged
    ) -> None:
        """Members that a dimension has no more are kept until the facts are published."""
        facts = next(iter(self._states))
        if table.identifier == facts or base.current is None:
            return
        now, then = decision.rewritten or (
            state.frame, lakehouse.read(self.spark, table.identifier, base.snapshot_id)
        )  # fmt: skip
        left = then.join(now.select(*table.key), list(table.key), "left_anti")
        left = checkpointed(left.select(*table.columns))
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

    def _note(self, inputs: Inputs) -> None:
        """Record upstream snapshots that do not affect this table: the next diff is shorter."""
        record, sources = inputs.published.record, inputs.source_snapshots
        if record and sources and record.sources != sources:
            attempt = self.arguments.attempt()
            note = BuildRecord(sources, inputs.table.code_version, attempt, is_note=True)
            self._staged[inputs.table.identifier] = staging.stage(
                self.spark, inputs.published, None, "false", note
            )

    def _scope(
        self,
        inputs: Inputs,
        decision: Rows,
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
            affected=decision.affected,
            dates=decision.dates,
            candidates=decision.candidates,
            received=_received(inputs, decision),
            observed=seen,
            figure=lambda name, what, compute: self.cache.figure(
                Figure(name, upstream[name].snapshot_id, what), lambda: compute(frames[name])
            ),
            rows_by_date=counted,
            upstream_rows=lambda name: upstream[name].rows,
            thresholds=self.arguments.thresholds,
            rows_before=self._rows_by_date(
                inputs.published, inputs.published.snapshot_id, sorted(counted)
            ),
            unread=decision.unread,
            filled=lambda days: {
                day: Filled(*found)
                for day, found in inputs.published.filled_columns(
                    state.snapshot, INGESTION_DATE, days
                ).items()
            },
            delivered_before=decision.replaced_deliveries,
            consult=self._consult,
            line_of=lambda file, number: line_in(self.arguments.landing, file, number),
        )

    def _consult(self, name: str) -> "DataFrame | None":
        if not lakehouse.exists(self.spark, name):
            return None
        return lakehouse.read(self.spark, name, History(self.spark, name).snapshot_id)


def _received(inputs: Inputs, decision: Rows) -> dict[date, int]:
    """Rows of bronze by checked date."""
    if decision.candidates is None:
        return {}
    (bronze,) = inputs.table.upstream
    history = inputs.upstream[bronze]
    return history.rows_by_date(history.snapshot_id, INGESTION_DATE, decision.dates)


def _published(
    inputs: Inputs,
    decision: Nothing | Rows,
    rows: int,
    written: int | None,
    own: Report,
    findings: list[Finding],
    started: float,
) -> Published:
    assert isinstance(inputs.table, Table)
    return Published(
        inputs.table,
        rows,
        written,
        decision.why,
        own.rows_by_date,
        own.metrics,
        findings,
        _lineage(inputs.table, inputs, decision),
        inputs.published.checked_id,
        perf_counter() - started,
    )


def _lineage(table: Table, inputs: Inputs, decision: Nothing | Rows) -> Lineage:
    """Column lineage: by what the transformation does with its upstream tables as a whole."""
    found: Lineage = {name: [] for name in table.columns}
    if inputs.upstream:

        def analyzed() -> Lineage:
            if isinstance(decision, Rows) and decision.is_whole:
                return column_lineage(decision.written)
            frames = {name: inputs.taken(name) for name in table.upstream}
            return column_lineage(inputs.transformed(frames))

        found = lineage_of_code(inputs.published, table.code_version, analyzed)
    if table.copies:
        found |= {name: [(table.copies, name)] for name in table.copied_columns}
    return found
