"""Why a step of a Dagster run failed, as text."""

import dagster as dg


def reason_of(event: dg.DagsterEvent) -> str:
    """The reason of a step's failure: the description that the step gave, else its error."""
    failure = event.step_failure_data
    given = failure.user_failure_data and failure.user_failure_data.description
    return (given or (failure.error.to_string() if failure.error else "no reason given")).strip()
