"""What a run did, table by table: for `--json` and for the final warnings."""

import re
from typing import Any

import dagster as dg

from ecommerce_assets.orchestration.check_reporting import NOTE, VERDICT

SHOWN_WARNINGS = 10
NAMED_WARNINGS = 3
END_OF_SENTENCE = re.compile(r"(?<!e\.g)(?<!E\.g)\. (?=[A-Z])")
TOLD_WHOLE = 3  # of more warnings, only the first sentence is shown


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
                "repeated": NOTE in evaluation.metadata and VERDICT not in evaluation.metadata,
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
    """The warnings, as lines for people: the first that this run found, and how many still stand.

    A check of a table that has not changed repeats what an earlier run found.
    """
    found, standing = [], []
    for table in tables:
        for check in table["checks"]:
            if check["passed"] or check["severity"] != dg.AssetCheckSeverity.WARN.value:
                continue
            name = f"{table['table']} {check['name']}"
            if check["repeated"]:
                standing.append(name)
            else:
                found.append(f"Warning: {name}: {check['message']}")
    if len(found) > TOLD_WHOLE:
        found = [f"{END_OF_SENTENCE.split(line)[0].rstrip('.')}." for line in found]
    lines = found[:SHOWN_WARNINGS]
    if len(found) > SHOWN_WARNINGS:
        lines.append(f"... and {len(found) - SHOWN_WARNINGS} more warnings.")
    if len(found) > TOLD_WHOLE:
        lines.append("What to do about each: --json, or the table's checks in Dagster (make dev).")
    if standing:
        more = f" and {len(standing) - NAMED_WARNINGS} more" * (len(standing) > NAMED_WARNINGS)
        lines.append(
            f"{len(standing)} warning{'s' * (len(standing) > 1)} of earlier runs still "
            f"stand{'s' * (len(standing) == 1)}, of tables that have not changed: "
            f"{', '.join(standing[:NAMED_WARNINGS])}{more}"
        )
    return lines
