"""Write-audit-publish (WAP) of tables that are published together.

Each table is written to a branch that readers do not see, and audited there. Only if every table of
the group passes is any of them published, each by one atomic commit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from time import perf_counter
from types import TracebackType
from typing import Any, Self

from ecommerce_assets.engine.relation import Engine, Overwrite
from ecommerce_assets.errors import PipelineError, raised_in_worker
from ecommerce_assets.jobs import audit
from ecommerce_assets.jobs.arguments import JobArguments
from ecommerce_assets.jobs.members import members_that_leave
from ecommerce_assets.jobs.outcome import AuditFailed, Published, TableFailed, unchanged
from ecommerce_assets.jobs.scope import Written, scope_of
from ecommerce_assets.jobs.side_by_side import Skipped, in_order
from ecommerce_assets.lakehouse import staging
from ecommerce_assets.lakehouse.catalog import Lakehouse
from ecommerce_assets.lakehouse.history import History, history_of
from ecommerce_assets.lakehouse.schemas import schema_with
from ecommerce_assets.landing.store import DeliveryChanged
from ecommerce_assets.model.table import Table
from ecommerce_assets.refresh.decide import decide, note_of, record_of
from ecommerce_assets.refresh.decision import LandingEvidence, Nothing
from ecommerce_assets.refresh.inputs import Inputs
from ecommerce_assets.refresh.planners import planner_of
from ecommerce_assets.refresh.run_cache import RunCache
from ecommerce_assets.refresh.upstream import offer_changed_rows
from ecommerce_assets.tables import all_tables


class PublishGroup:
    """A context manager: on leaving, whatever was written and not published is dropped.

    Args:
        tables: in dependency order; usually one.
    """

    def __init__(
        self,
        engine: Engine,
        lakehouse: Lakehouse,
        tables: Sequence[Table],
        arguments: JobArguments,
        cache: RunCache,
    ) -> None:
        self._engine = engine
        self._lakehouse = lakehouse
        self._tables = {table.identifier: table for table in tables}
        self._arguments = arguments
        self._cache = cache
        self._attempt = arguments.attempt()
        self._published: list[History] = []
        self._snapshots: dict[str, int | None] = {}
        self._written: dict[str, Written] = {}
        self._branches: dict[str, staging.Staged] = {}
        self._outcomes: dict[str, Published] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for branch in self._branches.values():
            branch.drop()

    def write(self) -> None:
        """Write each table's new snapshot to a branch, after those of the group that it reads.

        Raises:
            PublishConflict: another run published one of the tables meanwhile.
            DeliveryChanged: what has landed changed while it was read.
            TableFailed: any other error; that of the first table that failed.
        """
        own = self._tables.keys()
        needs = {name: set(table.upstream) & own for name, table in self._tables.items()}
        self._work(needs, self._write)

    def audit(self) -> None:
        """Audit every written snapshot.

        Raises:
            PublishConflict: another run published one of the tables meanwhile.
            TableFailed: a blocking check failed, or a check could not be evaluated.
        """
        self._work({name: set() for name in self._written}, self._audit)

    def publish(self) -> list[Published]:
        """Publish in reverse order: dimensions before facts.

        A dimension is first published with the members that it loses, and without them once the
        facts are published: at every moment, each published fact finds its members.

        Raises:
            PublishConflict: another run published one of the tables since this one read it.
        """
        branches = [self._branches[name] for name in self._tables if name in self._branches]
        for branch in reversed(branches):
            branch.publish()
        for branch in branches:
            branch.finish()
        return [
            replace(outcome, snapshot=self._branches[name].snapshot)
            if outcome.written is not None
            else outcome
            for name, outcome in ((name, self._outcomes[name]) for name in self._tables)
        ]

    def _work(self, needs: dict[str, set[str]], work: Any) -> None:
        def tagged(name: str) -> None:
            with self._engine.counted(self._tag(name)):
                work(name)

        failed = in_order(needs, tagged, max(len(needs), 1), next(iter(self._tables)))
        for name in self._tables:  # in dependency order: the first error caused the others
            error = failed.get(name)
            if error is not None and not isinstance(error, Skipped):
                raise self._cause(self._tables[name], error) from error

    def _tag(self, name: str) -> str:
        return f"{self._attempt} {name}"

    def _cause(self, table: Table, error: Exception) -> Exception:
        if isinstance(error, staging.PublishConflict):
            return error
        if changed := raised_in_worker(error, DeliveryChanged):
            return changed
        if not isinstance(error, PipelineError) and any(map(staging.moved, self._published)):
            # Another run published and dropped this run's branch.
            return staging.PublishConflict(str(error))
        return TableFailed(table, error)

    def _histories(self, names: Iterable[str]) -> dict[str, History]:
        """Tables as published, or, if they belong to the group, as this run wrote them."""
        return {
            name: history_of(self._lakehouse, name, self._snapshots.get(name)) for name in names
        }

    def _write(self, name: str) -> None:
        started = perf_counter()
        table = self._tables[name]
        published = history_of(self._lakehouse, name)
        self._published.append(published)
        inputs = Inputs(
            table,
            published,
            self._histories(table.upstream),
            self._arguments.request,
            self._engine,
            self._lakehouse,
            all_tables(),
            self._cache,
            self._arguments.limits,
        )
        inputs.must_have_columns()
        decision = decide(planner_of(table), inputs)
        if isinstance(decision, Nothing):
            if note := note_of(inputs, decision, self._attempt):
                self._branches[name] = staging.stage(published, None, note)
            self._outcomes[name] = unchanged(table, inputs, decision, started)
            self._snapshots[name] = published.snapshot_id
            return
        schema = audit.schema_finding(table, decision.written)
        if schema.blocks:
            raise AuditFailed(table, [schema])
        large = self._arguments.limits.large_table
        apart = audit.key_checked_apart(table, decision.affected, published.rows, large)
        rows, observation = audit.observed(table, decision.written, apart=apart)
        record = replace(
            record_of(inputs, decision, self._attempt), is_mended=name in self._arguments.damaged
        )
        columns = schema_with(
            name, published.table, table.kinds, table.comments, whole=decision.is_whole
        )
        write = Overwrite(
            published,
            rows,
            columns,
            decision.replace,
            stays=decision.stays,
            in_order=decision.in_order,
            whole=decision.is_whole,
        )
        branch = staging.stage(
            published, partial(self._engine.overwrite, write), record, whole=decision.is_whole
        )
        self._branches[name], self._snapshots[name] = branch, branch.snapshot
        if decision.rewritten is not None:
            offer_changed_rows(inputs, decision.rewritten, branch.snapshot)
        seconds = perf_counter() - started
        self._written[name] = Written(
            inputs, decision, branch, observation, apart, schema, columns, seconds
        )

    def _audit(self, name: str) -> None:
        started = perf_counter()
        table, written = self._tables[name], self._written[name]
        branch, days = written.branch, self._arguments.days
        if isinstance(written.decision.evidence, LandingEvidence):
            days = sorted({*days, *written.decision.dates})  # mended dates may lie outside the run
        against = self._histories(set(table.reads) - written.inputs.upstream.keys())
        back = max((audit.looks_back for audit in table.audits), default=timedelta())
        earlier = [days[0] - timedelta(days=n) for n in range(back.days, 0, -1)]
        counted = written.inputs.rows_by_date(branch.snapshot, [*earlier, *days])
        scope = scope_of(written, counted, against, self._arguments)
        findings = [
            written.schema,
            *audit.row_findings(table, scope, apart=written.key_apart),
            *audit.kept_findings(
                table,
                written.inputs.published.rows,
                branch.rows,
                scope.thresholds,
                allowed=self._arguments.allow_removal,
            ),
        ]
        own = audit.own_findings(table, scope)
        of_run = {day: rows for day, rows in counted.items() if day >= days[0]}
        findings += own.findings
        if any(finding.blocks for finding in findings):
            raise AuditFailed(table, findings)
        if version := audit.totals_version(table):
            branch.remember(own.totals, version)
        # Of this group, the tables whose rows must find theirs in this one.
        facts = {name for own_audit in table.audits for name in own_audit.against} & {*self._tables}
        if facts and (left := members_that_leave(written)):
            more = Overwrite(written.inputs.published, left, written.columns, replace="false")
            branch.keep(partial(self._engine.overwrite, more, summary={}))
        seconds = perf_counter() - started
        self._outcomes[name] = Published(
            table,
            rows=branch.rows,
            written=branch.added,
            why=written.decision.why,
            rows_by_date=own.rows_by_date | of_run,
            metrics=own.metrics,
            findings=findings,
            snapshot=written.inputs.published.checked_id,
            seconds=written.seconds + seconds,
            seconds_checking=seconds,
            spark_jobs=self._engine.jobs_of(self._tag(name)),
        )
