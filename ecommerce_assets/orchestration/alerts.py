"""A chat message for each failed run: what failed, which checks, how many rows, a link."""

import json
from collections.abc import Sequence
from html import escape
from typing import Any

import dagster as dg

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.orchestration.failures import reason_of
from ecommerce_assets.settings import Settings

TIMEOUT_SECONDS = 10
LONGEST_REASON = 700
LONGEST_SAMPLE = 300
SAMPLES = 1


def failure_sensor(settings: Settings) -> dg.SensorDefinition:
    """Posts to the webhook of `settings` after each failed run; enabled in the UI.

    Uses Slack's format, which Mattermost and others accept. If the webhook refuses a message, the
    tick fails, so that the UI shows why.
    """

    @dg.run_failure_sensor(
        name="failure_alert",
        description="Sends one message to the chat's webhook for each failed run.",
        minimum_interval_seconds=30,
    )
    def alert(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
        url = webhook(settings)
        if not url:
            return dg.SkipReason(
                "no webhook: set ECOMMERCE_ALERT_WEBHOOK, or ECOMMERCE_ALERT_SECRET to a secret "
                "and put the URL there (`aws secretsmanager put-secret-value`)"
            )
        send(url, message(context.instance, context.dagster_run, settings.ui_url))
        return None

    return alert


def webhook(settings: Settings) -> str:
    """The webhook's URL, from the environment or from Secrets Manager; empty without one.

    Raises:
        PipelineError: the secret can't be read.
    """
    if settings.alert_webhook or not settings.alert_secret:
        return settings.alert_webhook
    from botocore.exceptions import ClientError

    from ecommerce_assets.aws.clients import client, code_of, explained

    secrets = client("secretsmanager")
    with explained(f"reading the secret {settings.alert_secret}"):
        try:
            answer = secrets.get_secret_value(SecretId=settings.alert_secret)
        except ClientError as error:
            # Terraform creates the secret, and a person puts the value in, or does not.
            if code_of(error) != "ResourceNotFoundException":
                raise
            secrets.describe_secret(SecretId=settings.alert_secret)
            return ""
    return str(answer["SecretString"]).strip()


def send(url: str, text: str) -> None:
    """Post a message.

    Raises:
        PipelineError: the webhook refuses it; the message leaves out the URL, a secret.
    """
    import requests  # not needed to load the code location

    try:
        answer = requests.post(url, json={"text": text}, timeout=TIMEOUT_SECONDS)
    except requests.RequestException as error:
        raise PipelineError(f"the alert webhook can't be reached: {type(error).__name__}") from None
    if not answer.ok:
        raise PipelineError(
            f"the alert webhook refused the message: {answer.status_code} {answer.text[:200]}"
        )


def message(instance: dg.DagsterInstance, run: dg.DagsterRun, ui_url: str) -> str:
    """What failed in a run, in Slack's markup."""
    records = instance.get_records_for_run(
        run.run_id,
        of_type={dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.ASSET_CHECK_EVALUATION},
    ).records
    events = [record.event_log_entry.dagster_event for record in records]
    blocked = [event for event in events if event and _blocked(event)]
    checks = [_check(event) for event in blocked]
    told = [event.asset_check_evaluation_data.description or "" for event in blocked]
    steps = [
        f"*{event.step_key}*: {_without(told, reason_of(event))[:LONGEST_REASON]}"
        for event in events
        if event and event.is_step_failure
    ]
    lines = [f":red_circle: *{run.job_name}* failed{_dates(run)}", *checks, *steps]
    # Slack treats these three characters as markup.
    return "\n".join([*(escape(part, quote=False) for part in lines), _link(run, ui_url)])


def _without(told: Sequence[str], reason: str) -> str:
    """A step's reason without what the checks have told already."""
    for text in filter(None, told):
        reason = reason.replace(text, "see above")
    return reason


def _blocked(event: dg.DagsterEvent) -> bool:
    if event.event_type != dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        return False
    evaluation = event.asset_check_evaluation_data
    return not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR


def _check(event: dg.DagsterEvent) -> str:
    evaluation = event.asset_check_evaluation_data
    sample = evaluation.metadata.get("sample")
    rows: Any = sample.value if sample is not None else []
    where = f"`{evaluation.check_name}` of `{evaluation.asset_key.to_user_string()}`"
    lines = [f"• check {where}: {evaluation.description or 'failed'}"]
    lines += [f"  example: `{_short(_filled(row))}`" for row in _first(rows)]
    return "\n".join(lines)


def _first(rows: Any) -> Sequence[Any]:
    return rows[:SAMPLES] if isinstance(rows, list) else []


def _filled(row: Any) -> str:
    """The row's bad values and where it is; without known reasons, all of its values but empty
    ones and `_ingested_at`.
    """
    if isinstance(row, dict):
        bad = [str(reason).partition(":")[0] for reason in row.get("_reasons") or ()]
        shown = [*bad, "_source_file", "_line", "_reasons"]
        if bad and all(name in row for name in bad):
            row = {name: row[name] for name in shown if name in row}
            return json.dumps(row, default=str, ensure_ascii=False)
        row = {name: value for name, value in row.items() if value is not None}
        row.pop("_ingested_at", None)
    return json.dumps(row, default=str, ensure_ascii=False)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_SAMPLE else f"{text[:LONGEST_SAMPLE]} ..."


def _dates(run: dg.DagsterRun) -> str:
    first = run.tags.get("dagster/asset_partition_range_start") or run.tags.get("dagster/partition")
    last = run.tags.get("dagster/asset_partition_range_end") or first
    if not first:
        return ""
    return f" for {first}" if first == last else f" for {first} to {last}"


def _link(run: dg.DagsterRun, ui_url: str) -> str:
    return f"<{ui_url.rstrip('/')}/runs/{run.run_id}|Run {run.run_id[:8]}>"
