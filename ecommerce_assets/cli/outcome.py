"""What a run did, table by table: for `--json` and for the final warnings."""

from typing import Any

import dagster as dg

SHOWN_WARNINGS = 10


def outcome(result: dg.ExecuteInProcessResult) -> list[dict[str, Any]]:
    """By table of the run: what was recomputed, row counts, seconds, and the results of checks.

    A table that was not published has no `refresh`.
    """
    tables: dict[str, dict[str, Any]] = {}

    def of(key: dg.AssetKey) -> dict[str, Any]:
        name = ".".join(key.path)
        return tables.setdefault(name, {"table": name, "checks": []})

    for evaluation in result.get_asset_check_evaluations():
        of(evaluation.asset_key)["checks"].append(
            {
                "name": evaluation.check_name,
                "passed": evaluation.passed,
                "severity": evaluation.severity.value,
                "message": evaluation.description,
            }
        )
    for event in result.get_asset_materialization_events():
        metadata = event.materialization.metadata
        figures = {
            name: metadata[source].value
            for name, source in (
                ("refresh", "refresh"), ("rows", "dagster/row_count"),
                ("rows_written", "rows_written"), ("seconds", "seconds"),
            )
            if source in metadata
        }  # fmt: skip
        assert event.asset_key is not None
        of(event.asset_key).update(figures)
    return list(tables.values())


def warnings_of(tables: list[dict[str, Any]]) -> list[str]:
    """The first warnings, as lines for people."""
    lines = [
        f"Warning: {table['table']} {check['name']}: {check['message']}"
        for table in tables
        for check in table["checks"]
        if not check["passed"] and check["severity"] == dg.AssetCheckSeverity.WARN.value
    ]
    more = len(lines) - SHOWN_WARNINGS
    shown = lines[:SHOWN_WARNINGS]
    return [*shown, f"... and {more} more warnings: see `--json`"] if more > 0 else shown
