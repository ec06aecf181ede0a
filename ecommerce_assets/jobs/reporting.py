"""Reporting results: to Dagster by Pipes when it launched the job; always to the log."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from threading import Lock
from typing import Any, Protocol

from dagster_pipes import (
    DAGSTER_PIPES_CLI_PARSER,
    DAGSTER_PIPES_CONTEXT_ENV_VAR,
    DAGSTER_PIPES_MESSAGES_ENV_VAR,
    PipesContext,
    PipesDefaultContextLoader,
    PipesDefaultMessageWriter,
    PipesMappingParamsLoader,
    PipesMessageWriter,
    PipesS3MessageWriter,
)

from ecommerce_assets.boto import boto_client
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.jobs.outcome import AuditFailed, Published
from ecommerce_assets.model.audit import Finding
from ecommerce_assets.model.table import Table
from ecommerce_assets.tables import all_tables
from ecommerce_assets.tables.personal import without_personal
from ecommerce_assets.tables.queries import lineage_of

PROGRESS_LOG = "ecommerce_assets.jobs"
_log = logging.getLogger(PROGRESS_LOG)

ROWS_BY_DATE = "rows_by_ingestion_date"
LINEAGE = "dagster/column_lineage"
MESSAGE = "message"
ENDED = "ended"  # key of the custom message with the job's error
JUDGED = "judged"  # a share and what is told of it, so that a changed limit can judge it again
SNAPSHOT = "snapshot"
S3_SECONDS = 3  # between two uploads of messages


class Reporter(Protocol):
    """Where results of a job run go; called from several threads."""

    def published(self, result: Published) -> None:
        """A table was published."""

    def failed(self, table: Table, error: Exception) -> None:
        """A table was not published."""

    def ended(self, error: Exception) -> None:
        """The job ends with an error, which says why to whoever launched it."""


@contextmanager
def open_pipes(arguments: Sequence[str]) -> Iterator[PipesContext | None]:
    """The Pipes context for these arguments, over files or S3; None without any."""
    given, _ = DAGSTER_PIPES_CLI_PARSER.parse_known_args(arguments)
    if given.dagster_pipes_context is None:
        yield None
        return
    parameters = PipesMappingParamsLoader(
        {
            DAGSTER_PIPES_CONTEXT_ENV_VAR: given.dagster_pipes_context,
            DAGSTER_PIPES_MESSAGES_ENV_VAR: given.dagster_pipes_messages,
        }
    )
    writer: PipesMessageWriter[Any] = PipesDefaultMessageWriter()
    if "bucket" in parameters.load_messages_params():
        writer = PipesS3MessageWriter(boto_client("s3"), interval=S3_SECONDS)
    # Not `open_dagster_pipes`, which keeps one context for the life of the process.
    with PipesContext(parameters, PipesDefaultContextLoader(), writer) as context:
        yield context


@contextmanager
def open_reporter(arguments: Sequence[str]) -> Iterator[Reporter]:
    """A Pipes reporter if `arguments` carry Pipes parameters, else one that logs."""
    with open_pipes(arguments) as context:
        yield PipesReporter(context) if context else LogReporter()


class LogReporter:
    """One log line per table; used when Dagster did not launch the job."""

    def published(self, result: Published) -> None:
        """Log the table, its row count and its warnings."""
        warnings = [finding.check.name for finding in result.findings if not finding.passed]
        note = f"   warnings: {', '.join(warnings)}" if warnings else ""
        if result.written is None:
            note = f"   {result.why}"
        _log.info(
            "%-32s%12s rows %6.1f s%s",
            result.table.identifier,
            f"{result.rows:,}",
            result.seconds,
            note,
        )

    def failed(self, table: Table, error: Exception) -> None:
        """Log that the table failed; the job's error says why."""
        _log.info("%-32s%12s", table.identifier, "failed")

    def ended(self, error: Exception) -> None:
        """The error is raised, and shown by who called the job."""


def log_progress(line: str) -> None:
    """Log something else that was built, beside the lines of `LogReporter`."""
    _log.info(line)


def show_progress(handler: logging.Handler | None = None) -> None:
    """Send the lines of `LogReporter` to a handler, by default to standard error."""
    handler = handler or logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    _log.handlers = [handler]
    _log.propagate = False
    _log.setLevel(logging.INFO)


class PipesReporter(LogReporter):
    """Materializations and check results as Pipes messages."""

    def __init__(self, context: PipesContext) -> None:
        self._context = context
        self._lock = Lock()

    def published(self, result: Published) -> None:
        """Report the checks and the materialization."""
        super().published(result)
        table = result.table
        metadata: dict[str, Any] = {
            "dagster/row_count": result.rows,
            "dagster/table_name": table.identifier,
            "seconds": round(result.seconds, 3),
            "seconds_checking": round(result.seconds_checking, 3),
            "spark_jobs": result.spark_jobs,
            "rows_written": result.written or 0,
            "refresh": result.why,
            **_snapshot(result.snapshot),
            **result.metrics,
            ROWS_BY_DATE: {
                "type": "json",
                "raw_value": {day.isoformat(): n for day, n in sorted(result.rows_by_date.items())},
            },
            LINEAGE: {
                "type": "table_column_lineage",
                "raw_value": {
                    "deps_by_column": {
                        column: [
                            {"asset_key": source.split("."), "column_name": name}
                            for source, name in origins
                        ]
                        for column, origins in lineage_of(table, all_tables()).items()
                    }
                },
            },
        }
        with self._lock:
            for finding in result.findings:
                self._check(table, finding, result.snapshot)
            self._context.report_asset_materialization(
                metadata=metadata, asset_key=asset_key(table)
            )

    def failed(self, table: Table, error: Exception) -> None:
        """Report the checks that kept the table from being published, and the reason."""
        super().failed(table, error)
        with self._lock:
            if isinstance(error, AuditFailed):
                for finding in error.findings:
                    self._check(table, finding)
            self._context.log.error(str(error))

    def ended(self, error: Exception) -> None:
        """Report the error: the log may not be there yet, and ends with what Spark says of it."""
        reason = {"error": str(error), "by_user": isinstance(error, PipelineError)}
        with self._lock:
            self._context.report_custom_message({ENDED: reason})

    def _check(self, table: Table, finding: Finding, snapshot: int | None = None) -> None:
        metadata: dict[str, Any] = {**finding.counts, **_snapshot(snapshot), MESSAGE: finding.text}
        if finding.share:
            told = {"message": finding.message, "advice": finding.advice}
            metadata[JUDGED] = {"type": "json", "raw_value": asdict(finding.share) | told}
        for name, rows in (("by_date", finding.by_date), ("sample", finding.sample)):
            if rows:
                masked = [without_personal(row) for row in rows]
                metadata[name] = {"type": "json", "raw_value": _plain(masked)}
        self._context.report_asset_check(
            check_name=finding.check.name,
            passed=finding.passed,
            severity=finding.level,
            metadata=metadata,
            asset_key=asset_key(table),
        )


def _snapshot(snapshot: int | None) -> dict[str, str]:
    """As text, since JavaScript's numbers would lose digits."""
    return {} if snapshot is None else {SNAPSHOT: str(snapshot)}


def asset_key(table: Table) -> str:
    """The Dagster asset key of a table, as Pipes writes it."""
    return f"{table.layer}/{table.name}"


def _plain(value: Any) -> Any:
    """JSON's types unchanged; everything else as text."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
