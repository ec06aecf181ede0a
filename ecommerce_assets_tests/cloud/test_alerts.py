"""The message to the chat: a real failed run, a real HTTP server, moto's Secrets Manager."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer

import boto3
import dagster as dg
import pytest

from ecommerce_assets.definitions import build_definitions
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.orchestration.alerts import send, webhook
from ecommerce_assets.settings import Settings
from ecommerce_assets_tests.aws_stand_in import moto_server
from ecommerce_assets_tests.shop import DAY, Shop


@dataclass
class Chat:
    """A webhook that keeps what it gets."""

    url: str = ""
    status: int = 200
    got: list[str] = field(default_factory=list)


@pytest.fixture
def chat() -> Iterator[Chat]:
    chat = Chat()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            chat.got.append(json.loads(body)["text"])
            self.send_response(chat.status)
            self.end_headers()
            self.wfile.write(b"told by the chat")

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    chat.url = f"http://127.0.0.1:{server.server_port}/hook"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield chat
    server.shutdown()
    server.server_close()


def failed_tick(shop: Shop, **settings: str) -> dg.SkipReason | None:
    """Run what has landed, which fails, and tick the sensor as the daemon does for it."""
    given = Settings(landing=str(shop.landing), lakehouse=str(shop.lakehouse), **settings)
    definitions = build_definitions(given)
    repository = definitions.get_repository_def()
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions.resolve_job_def("ecommerce_daily")
        result = job.execute_in_process(instance=instance, partition_key=DAY, raise_on_error=False)
        assert not result.success
        context = dg.build_run_status_sensor_context(
            sensor_name="failure_alert",
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            dagster_event=result.get_run_failure_event(),
            repository_def=repository,
        ).for_run_failure()
        return repository.get_sensor_def("failure_alert")(context)  # type: ignore[return-value]


def test_a_failed_check_is_told_with_rows_and_a_link(shop: Shop, chat: Chat) -> None:
    shop.deliver_one_of_each()
    shop.deliver("orders", {"order_id": "O2", "status": "lost & <found>", "city": "X" * 400})
    failed_tick(shop, alert_webhook=chat.url, ui_url="https://dagster.example/")
    (text,) = chat.got
    first, *lines = text.splitlines()
    assert first == f":red_circle: *ecommerce_daily* failed for {DAY}"
    assert any("check `quarantine_share` of `silver/orders_quarantine`" in line or
               "check `quarantine_share` of `silver/orders" in line for line in lines)  # fmt: skip
    assert "example: `" in text, text
    # The bad value, whatever else is in the row; and each thing once.
    assert 'example: `{"status": "lost &amp; &lt;found&gt;", "_source_file"' in text
    assert text.count("broke the contract") == len([line for line in lines if "• check" in line])
    assert "lost &amp; &lt;found&gt;" in text
    assert "<https://dagster.example/runs/" in lines[-1]
    assert len(text) < 4000


def test_bad_input_is_told_with_file_and_column(shop: Shop, chat: Chat) -> None:
    shop.deliver_one_of_each()
    shop.file("orders").write_text("x\n1\n")
    failed_tick(shop, alert_webhook=chat.url)
    (text,) = chat.got
    assert "*bronze*" in text
    assert "orders/ingestion_date=2024-01-01/rows.csv: the header lacks the required column" in text
    assert "<http://localhost:3000/runs/" in text


def test_without_a_webhook_it_says_what_to_set(shop: Shop) -> None:
    shop.file("orders").write_text("x\n1\n")
    skipped = failed_tick(shop)
    assert skipped is not None
    assert "ECOMMERCE_ALERT_WEBHOOK" in str(skipped.skip_message)


def test_a_webhook_that_refuses_fails_and_keeps_its_url_to_itself(chat: Chat) -> None:
    chat.status = 403
    with pytest.raises(PipelineError, match="refused the message: 403 told by the chat") as caught:
        send(chat.url, "x")
    assert chat.url not in str(caught.value)
    with pytest.raises(PipelineError, match="can't be reached: ConnectionError") as caught:
        send("http://127.0.0.1:9/secret", "x")
    assert "secret" not in str(caught.value)


def test_the_webhook_comes_from_secrets_manager() -> None:
    with moto_server() as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        boto3.client("secretsmanager").create_secret(Name="shop/hook", SecretString=" https://x \n")
        assert webhook(Settings(alert_secret="shop/hook")) == "https://x"
        assert webhook(Settings(alert_secret="shop/hook", alert_webhook="https://y")) == "https://y"
        # Terraform creates it without a value.
        boto3.client("secretsmanager").create_secret(Name="shop/empty")
        assert webhook(Settings(alert_secret="shop/empty")) == ""
        with pytest.raises(PipelineError, match="reading the secret other"):
            webhook(Settings(alert_secret="other"))
    assert webhook(Settings()) == ""
