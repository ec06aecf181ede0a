"""Landing: a listing is complete or fails, what is recorded is what was read, nothing is overlooked."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import boto3
import pytest

from ecommerce_assets.boto import boto_client
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.jobs.run import run_layer
from ecommerce_assets.landing import store
from ecommerce_assets.landing.files import digested, landed, line_in
from ecommerce_assets.landing.store import DeliveryChanged, FolderStore, S3Store
from ecommerce_assets.landing.watch import look
from ecommerce_assets_tests.aws_stand_in import Faulty, client_error, moto_server
from ecommerce_assets_tests.shop import DAY, ORDERS, SOURCES, Shop
from ecommerce_assets_tests.three_days import date, make

DATE = date.fromisoformat(DAY)
NEXT = "2024-01-02"


def statuses(shop: Shop) -> list[str]:
    return [row["status"] for row in shop.query("select status from bronze.orders order by all")]


# ---- what can't be looked at


def dangling(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


def looping(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("place", "spoil", "said"),
    [
        ("orders/link", dangling, "orders/link is a broken link"),
        ("orders/link", looping, "orders/link can't be looked at: Too many levels"),
        (f"orders/ingestion_date={DAY}/late.csv", dangling, "late.csv is a broken link"),
        (f"orders/ingestion_date={NEXT}", dangling, f"ingestion_date={NEXT} is a broken link"),
        ("other", dangling, "other is a broken link"),
    ],
)
def test_an_entry_that_can_not_be_looked_at_fails_the_run_and_is_named(
    shop: Shop, place: str, spoil: Callable[[Path], None], said: str
) -> None:
    """It had emptied every date of the run."""
    shop.deliver("orders", {})
    shop.run("bronze", "orders")
    spoil(shop.landing / place)
    with pytest.raises(PipelineError, match=said):
        shop.run("bronze", "orders")
    assert len(shop.content("bronze.orders")) == 1


def test_a_file_where_a_tables_folder_should_be(shop: Shop) -> None:
    (shop.landing / "orders").write_text("x")
    with pytest.raises(PipelineError, match="landing/orders is a file, and a folder was expected"):
        shop.run("bronze", "orders")


def test_the_sensor_takes_a_landing_folder_that_is_gone_for_no_deletion(shop: Shop) -> None:
    shop.deliver("orders", {})
    look(str(shop.landing), [ORDERS], now=time.time(), settle_seconds=0)
    shop.landing.rename(shop.landing.with_name("unmounted"))
    with pytest.raises(PipelineError, match="no landing folder"):
        look(str(shop.landing), [ORDERS], now=time.time(), settle_seconds=0)


def test_hidden_and_temporary_files_are_skipped(shop: Shop) -> None:
    shop.deliver("orders", {})
    for name in ("._orders.csv", ".orders.csv.swp.csv", "_tmp.csv", "_SUCCESS"):
        shop.file("orders", name=name).write_bytes(b"\xff\x00 no text")
    dangling(shop.landing / "orders" / ".orders.csv.part")
    dangling(shop.file("orders", name=".orders.csv.part"))
    (shop.landing / "_manifest.json").write_text("{}")
    assert make(shop, "bronze.orders", DAY).rows == 1
    found = landed(str(shop.landing), ORDERS, SOURCES, DATE, DATE)
    assert ([file.entry.name for file in found.files], found.unread) == (["rows.csv"], [])


def test_what_is_there_and_not_read_is_named(shop: Shop) -> None:
    shop.deliver("orders", {})
    folder = shop.file("orders").parent
    for path in (folder / "ORDERS.CSV", folder / "orders.csv.zip", shop.landing / "orders_2.CSV",
                 shop.landing / "customers.csv", shop.landing / "orders" / "note.txt",
                 shop.landing / "orders" / f"ingestion_date={NEXT}"):  # fmt: skip
        path.write_text("x")
    for path in (folder / "more", shop.landing / "Orders", shop.landing / "refunds"):
        path.mkdir()
    unread = landed(str(shop.landing), ORDERS, SOURCES, DATE, DATE).unread
    day = f"orders/ingestion_date={DAY}"
    assert sorted(unread) == sorted([
        f"{day}/ORDERS.CSV", f"{day}/orders.csv.zip", f"{day}/more/", "orders_2.CSV", "Orders/",
        "refunds/", "orders/note.txt", f"orders/ingestion_date={NEXT}",
    ])  # fmt: skip
    # Also in a run that has nothing to do: what is not read changes no fingerprint.
    for _ in range(2):
        (finding,) = [
            found for found in make(shop, "bronze.orders", DAY).findings
            if found.check.name == "all_files_read"
        ]  # fmt: skip
        assert (finding.passed, finding.blocks, finding.counts) == (False, False, {"not_read": 8})
        assert "8 files or folders are not read, like" in finding.text


# ---- what changes while it is looked at


def test_an_entry_that_disappears_means_list_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.deliver("orders", {})
    part = shop.file("orders", name="rows.csv.part")
    part.write_text("x")
    seen = []
    scandir = os.scandir

    def between(path: str) -> Any:
        items = list(scandir(path))
        if any(item.name == part.name for item in items):
            seen.append(path)
            part.rename(shop.file("orders", name="more.csv"))
        return items

    monkeypatch.setattr(os, "scandir", between)
    found = landed(str(shop.landing), ORDERS, SOURCES, DATE, DATE)
    assert [file.entry.name for file in found.files] == ["more.csv", "rows.csv"]
    assert seen == [str(part.parent)]


def test_a_folder_that_never_rests_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LONGEST_PAUSE_SECONDS", 0)
    scandir = os.scandir

    def changing(path: str) -> Any:
        os.utime(path, ns=(0, time.time_ns()))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", changing)
    with pytest.raises(PipelineError, match="changed at each of 20 looks"):
        FolderStore(str(tmp_path)).entries(str(tmp_path))


def test_runs_while_another_process_renames_parts_lose_no_row(shop: Shop) -> None:
    """As `ecommerce land` does; runs had published nothing, or died of a traceback."""
    shop.deliver("orders", *[{"order_id": f"O{n}"} for n in range(10)])
    file = shop.file("orders")
    content, stop = file.read_bytes(), threading.Event()

    def land() -> None:
        part = file.with_name(f"{file.name}.part")
        while not stop.is_set():
            part.write_bytes(content)
            part.rename(file)
            time.sleep(0.002)

    other = threading.Thread(target=land)
    other.start()
    try:
        for _ in range(10):
            shop.run("bronze", "orders")
            assert len(shop.content("bronze.orders")) == 10
    finally:
        stop.set()
        other.join()


@pytest.fixture
def two_deliveries(shop: Shop) -> tuple[Path, bytes, bytes]:
    shop.deliver("orders", {"status": "pending"})
    first = shop.file("orders").read_bytes()
    shop.deliver("orders", {"status": "shipped"})
    second = shop.file("orders").read_bytes()
    shop.file("orders").write_bytes(first)
    return shop.file("orders"), first, second


def test_what_is_recorded_is_the_digest_of_what_was_read(
    shop: Shop, two_deliveries: tuple[Path, bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another content after the digest, the first one back after the read: as nothing had changed."""
    file, first, second = two_deliveries
    looked = FolderStore.digest
    flips = iter([True])

    def then_changed(self: FolderStore, entry: store.Entry) -> str:
        digest = looked(self, entry)
        if next(flips, False):
            file.write_bytes(second)
        return digest

    monkeypatch.setattr(FolderStore, "digest", then_changed)
    shop.run("bronze", "orders")
    monkeypatch.undo()
    assert statuses(shop) == ["shipped"]
    file.write_bytes(first)
    shop.run("bronze", "orders")
    assert statuses(shop) == ["pending"]


def test_a_file_that_goes_between_listing_and_reading(
    shop: Shop, two_deliveries: tuple[Path, bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, _, second = two_deliveries
    looked, gone = FolderStore.digest, iter([True])

    def then_gone(self: FolderStore, entry: store.Entry) -> str:
        digest = looked(self, entry)
        if next(gone, False):
            file.unlink()
            file.with_name("other.csv").write_bytes(second)
        return digest

    monkeypatch.setattr(FolderStore, "digest", then_gone)
    shop.run("bronze", "orders")
    assert statuses(shop) == ["shipped"]


def test_a_file_that_flips_for_ever_is_published_by_no_run(
    shop: Shop, two_deliveries: tuple[Path, bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, first, second = two_deliveries
    shop.run("bronze", "orders")
    looked = FolderStore.digest

    def then_changed(self: FolderStore, entry: store.Entry) -> str:
        file.write_bytes(second)
        digest = looked(self, entry)
        file.write_bytes(first + b"\n")
        return digest

    monkeypatch.setattr(FolderStore, "digest", then_changed)
    with pytest.raises(PipelineError, match=r"changed while they were read, 10 times: .*rows"):
        shop.run("bronze", "orders")
    assert statuses(shop) == ["pending"]


def test_a_complaint_about_bytes_that_were_not_delivered_is_none(
    shop: Shop, tmp_path: Path
) -> None:
    """A header that is broken because the file was replaced in the middle: list again."""
    shop.deliver("orders", {})
    (file,) = digested(
        str(shop.landing), landed(str(shop.landing), ORDERS, SOURCES, DATE, DATE).files
    )
    shop.file("orders").write_text("nonsense\n1\n")
    delivered = FolderStore(str(shop.landing)).open(file.entry, file.digest)
    with delivered.stream as stream:
        stream.read(3)
        with pytest.raises(DeliveryChanged, match="was written anew while it was read"):
            delivered.verify()


# ---- S3


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    with moto_server() as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        client = boto3.client("s3")
        place = {"LocationConstraint": environment["AWS_REGION"]}
        client.create_bucket(Bucket="deliveries", CreateBucketConfiguration=place)
        yield client


def test_an_object_is_read_as_it_was_listed_or_not_at_all(s3: Any) -> None:
    key = f"landing/orders/ingestion_date={DAY}/a.csv"
    s3.put_object(Bucket="deliveries", Key=key, Body=b"order_id\n1\n")
    s3.put_object(
        Bucket="deliveries", Key=f"landing/orders/ingestion_date={DAY}/_tmp.csv", Body=b""
    )
    s3.put_object(Bucket="deliveries", Key="landing/ORDERS/a.csv", Body=b"x")
    found = landed("s3://deliveries/landing", ORDERS, SOURCES, DATE, DATE)
    assert found.unread == ["ORDERS/"]
    (file,) = digested("s3://deliveries/landing", found.files)
    place = S3Store("s3://deliveries/landing")
    with place.open(file.entry, file.digest).stream as stream:
        assert stream.read() == b"order_id\n1\n"
    assert line_in("s3://deliveries/landing", SOURCES, file.source_file, 1) == 2
    s3.put_object(Bucket="deliveries", Key=key, Body=b"order_id\n2\n")
    with pytest.raises(DeliveryChanged, match="written anew, or removed"):
        place.open(file.entry, file.digest)
    # To a role that may list only some prefixes, what is not there is forbidden.
    place._client = Faulty(s3, get_object=[client_error("AccessDenied", 403)] * 2)
    with pytest.raises(PipelineError, match="can't be looked at, so nothing was read"):
        place.open(file.entry, file.digest)
    s3.delete_object(Bucket="deliveries", Key=key)
    for _ in ("forbidden", "missing"):
        with pytest.raises(DeliveryChanged, match="written anew, or removed"):
            place.open(file.entry, file.digest)


class FailingS3(BaseHTTPRequestHandler):
    """S3 that refuses a listing, at once or from its second page on."""

    answers: ClassVar[list[tuple[int, str]]] = []

    def do_GET(self) -> None:
        status, body = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        text = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        pass


PAGE = (
    "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
    "<KeyCount>1</KeyCount><CommonPrefixes><Prefix>landing/orders/</Prefix></CommonPrefixes>"
    "</ListBucketResult>"
)


def refusal(code: str) -> str:
    return f"<Error><Code>{code}</Code><Message>told by S3</Message></Error>"


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([(403, refusal("AccessDenied"))], "AccessDenied"),
        ([(200, PAGE), (403, refusal("AccessDenied"))], "AccessDenied"),
        ([(200, PAGE), (503, refusal("SlowDown"))], "SlowDown"),
    ],
    ids=["refused", "second page refused", "throttled"],
)
def test_a_listing_that_s3_refuses_is_an_error(
    answers: list[tuple[int, str]], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = HTTPServer(("127.0.0.1", 0), FailingS3)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(FailingS3, "answers", list(answers))
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}", "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_MAX_ATTEMPTS": "1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(store, "boto_client", partial(boto_client, attempts=1))
    try:
        with pytest.raises(PipelineError, match=rf"can't be looked at.*{said}"):
            S3Store("s3://deliveries/landing").entries("landing")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_job_says_it_in_one_line(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    dangling(shop.landing / "orders")
    with pytest.raises(PipelineError) as error:
        run_layer("bronze", ["--from", DAY, "--to", DAY, "--landing", str(shop.landing),
                               "--lakehouse", str(shop.lakehouse), "--tables", "orders"])  # fmt: skip
    assert str(error.value).count("\n") == 0
