"""The landing sensor: real ticks on a real folder, and on S3."""

import os
import time
from collections.abc import Iterator, Mapping
from datetime import date, timedelta

import boto3
import dagster as dg
import pytest

from ecommerce_assets.definitions import build_definitions
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.landing.watch import from_cursor, look, to_cursor
from ecommerce_assets.settings import Settings
from ecommerce_assets.shop import current_shop
from ecommerce_assets_tests.aws_stand_in import moto_server
from ecommerce_assets_tests.iam import Recorder
from ecommerce_assets_tests.shop import ORDERS, Shop

LONG_AGO = time.time() - 3600


class Watch:
    """The sensor of a shop, tick after tick, as the daemon calls it."""

    def __init__(self, shop: Shop, instance: dg.DagsterInstance, landing_days: int = 0) -> None:
        self.shop, self.instance, self.cursor = shop, instance, ""
        self.definitions = build_definitions(
            Settings(
                landing=str(shop.landing),
                lakehouse=str(shop.lakehouse),
                dashboard=str(shop.dashboard),
                landing_days=landing_days,
            )
        )

    def tick(self) -> tuple[list[tuple[str, str]], str]:
        """The requested ranges, and why there are none."""
        repository = self.definitions.get_repository_def()
        sensor = repository.get_sensor_def("landing_sensor")
        context = dg.build_sensor_context(
            self.instance, cursor=self.cursor or None, repository_def=repository
        )
        data = sensor.evaluate_tick(context)
        self.cursor = data.cursor or self.cursor
        self.requests = data.run_requests or []
        ranges = [
            (request.tags["dagster/asset_partition_range_start"],
             request.tags["dagster/asset_partition_range_end"])
            for request in self.requests
        ]  # fmt: skip
        return ranges, data.skip_message or ""

    def deliver(self, table: str, day: str, *rows: dict[str, str], age: float = 3600) -> None:
        self.shop.deliver(table, *rows, day=day)
        written = time.time() - age
        os.utime(self.shop.file(table, day), (written, written))


@pytest.fixture
def watch(shop: Shop) -> Iterator[Watch]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Watch(shop, instance)


def test_what_landing_does_not_keep_is_no_change(shop: Shop) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        watch = Watch(shop, instance, landing_days=10)
        watch.deliver("orders", "2024-01-03", {})
        assert watch.tick()[0] == [("2024-01-03", "2024-01-03")]
        shop.file("orders", "2024-01-03").unlink()
        assert watch.tick()[0] == []
        # What is new is requested: bronze says whether it reads it.
        watch.deliver("orders", "2024-01-03", {"order_id": "O2"})
        assert watch.tick()[0] == [("2024-01-03", "2024-01-03")]


def test_what_came_changed_or_vanished_is_requested_once(watch: Watch) -> None:
    assert watch.tick() == ([], "nothing has changed among 0 dates")
    watch.deliver("orders", "2024-01-03", {})
    watch.deliver("products", "2024-01-05", {})
    assert watch.tick()[0] == [("2024-01-03", "2024-01-05")]
    assert watch.tick()[0] == []
    watch.deliver("orders", "2024-01-03", {"order_id": "O2"})
    assert watch.tick()[0] == [("2024-01-03", "2024-01-03")]
    watch.shop.file("products", "2024-01-05").unlink()
    assert watch.tick()[0] == [("2024-01-05", "2024-01-05")]
    assert watch.tick()[0] == []


def test_the_same_change_has_the_same_key_and_another_has_another(watch: Watch) -> None:
    watch.deliver("orders", "2024-01-03", {})
    watch.tick()
    (first,) = watch.requests
    watch.cursor = ""  # the daemon died before it kept the cursor
    watch.tick()
    (again,) = watch.requests
    assert again.run_key == first.run_key
    watch.deliver("orders", "2024-01-03", {"order_id": "O2"}, age=1800)
    watch.tick()
    assert watch.requests[0].run_key != first.run_key


def test_many_dates_are_one_run_and_far_apart_ones_two(watch: Watch) -> None:
    for day in ("2024-01-03", "2024-01-10", "2024-02-09", "2024-06-01"):
        watch.deliver("orders", day, {})
    assert watch.tick()[0] == [("2024-01-03", "2024-02-09"), ("2024-06-01", "2024-06-01")]


def test_a_file_that_is_being_written_waits(watch: Watch) -> None:
    watch.deliver("orders", "2024-01-03", {})
    watch.deliver("orders", "2024-01-04", {}, age=1)
    assert watch.tick()[0] == [("2024-01-03", "2024-01-03")]
    assert watch.tick() == (
        [],
        "nothing has changed among 2 dates; 1 dates are still being written",
    )
    os.utime(watch.shop.file("orders", "2024-01-04"), (LONG_AGO, LONG_AGO))
    assert watch.tick()[0] == [("2024-01-04", "2024-01-04")]


def test_a_known_date_that_is_being_written_again_waits_too(watch: Watch) -> None:
    watch.deliver("orders", "2024-01-03", {})
    watch.tick()
    watch.deliver("orders", "2024-01-03", {"order_id": "O2"}, age=1)
    assert watch.tick()[0] == []
    os.utime(watch.shop.file("orders", "2024-01-03"), (LONG_AGO, LONG_AGO))
    assert watch.tick()[0] == [("2024-01-03", "2024-01-03")]


def test_dates_that_are_no_partition_wait(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    today = date.today()
    watch.deliver("orders", today.isoformat(), {})
    watch.deliver("orders", "2023-12-31", {})
    assert watch.tick()[0] == []
    early = Settings(landing=str(watch.shop.landing), lakehouse=str(watch.shop.lakehouse),
                     start_date=date(2023, 1, 1))  # fmt: skip
    watch.definitions = build_definitions(early)
    assert watch.tick()[0] == [("2023-12-31", "2023-12-31")]


def test_a_folder_that_is_no_date_fails_the_tick(watch: Watch) -> None:
    folder = watch.shop.landing / "orders" / "ingestion_date=soon"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("x")
    with pytest.raises(PipelineError, match="orders/ingestion_date=soon"):
        watch.tick()


def test_what_is_requested_runs(watch: Watch) -> None:
    watch.shop.deliver_one_of_each()
    for table in ("customers", "products", "orders", "order_items"):
        os.utime(watch.shop.file(table), (LONG_AGO, LONG_AGO))
    watch.tick()
    (request,) = watch.requests
    job = watch.definitions.resolve_job_def("ecommerce_daily")
    result = job.execute_in_process(instance=watch.instance, tags=dict(request.tags))
    assert result.success
    assert watch.shop.one("select orders from gold.daily_revenue") == {"orders": 1}


def test_the_cursor_keeps_all_and_stays_small() -> None:
    first = date(2015, 1, 1)
    known = {
        table: {first + timedelta(days=n): n.to_bytes(6, "big") for n in range(1, 3650)}
        for table in ("a", "b", "c", "d")
    }
    known["empty"] = {}
    text = to_cursor(known)
    assert from_cursor(text) == known
    assert len(text) < 120_000


def test_a_look_on_aws_is_a_list_request_for_each_source_and_one_more() -> None:
    """Requests that cost: docs/how-to/aws-cost.md counts them."""
    seen: list[str] = []

    class Counting(Recorder):
        def record(self, authorization: str, target: str, method: str, path: str, query: str,
                   headers: Mapping[str, str], body: bytes) -> None:  # fmt: skip
            seen.append(f"{method} {path}")

    with moto_server(Counting()) as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        s3 = boto3.client("s3")
        place = {"LocationConstraint": environment["AWS_REGION"]}
        s3.create_bucket(Bucket="shop", CreateBucketConfiguration=place)
        for day in range(1, 29):
            key = f"landing/orders/ingestion_date=2024-02-{day:02}/a.csv"
            s3.put_object(Bucket="shop", Key=key, Body=b"1")
        seen.clear()
        sources = current_shop().sources
        look("s3://shop/landing", sources, now=time.time() + 3600, settle_seconds=60)
    assert seen == ["GET /shop"] * (1 + len(sources))
    settings = Settings(deployment="aws", landing="s3://shop/landing", lakehouse="s3://lake",
                        artifacts="s3://artifacts", dashboard="s3://results/d.html")  # fmt: skip
    repository = build_definitions(settings).get_repository_def()
    sensor = repository.get_sensor_def("landing_sensor")
    assert sensor.minimum_interval_seconds == 5 * 60


def test_on_s3_too() -> None:
    with moto_server() as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        s3 = boto3.client("s3")
        place = {"LocationConstraint": environment["AWS_REGION"]}
        s3.create_bucket(Bucket="shop", CreateBucketConfiguration=place)
        key = "landing/orders/ingestion_date=2024-01-03/a.csv"
        s3.put_object(Bucket="shop", Key=key, Body=b"1")
        s3.put_object(Bucket="shop", Key="landing/orders/_SUCCESS", Body=b"")

        def seen() -> dict[date, bytes]:
            later = time.time() + 3600
            found = look("s3://shop/landing", [ORDERS], now=later, settle_seconds=60)
            assert not found.unsettled
            return dict(found.digests["orders"])

        before = seen()
        assert list(before) == [date(2024, 1, 3)]
        assert seen() == before
        s3.put_object(Bucket="shop", Key=key, Body=b"2")
        assert seen() != before
        now = look("s3://shop/landing", [ORDERS], now=time.time(), settle_seconds=60)
        assert now.unsettled == {"orders": {date(2024, 1, 3)}}
