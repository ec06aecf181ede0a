"""`ecommerce upload` and `ecommerce package --publish` against moto's S3."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectionClosedError
from click.testing import CliRunner, Result

from ecommerce_assets.aws import release
from ecommerce_assets.aws import upload as uploads
from ecommerce_assets.aws.release import this_release
from ecommerce_assets.cli.main import ecommerce
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.landing.files import digested, fingerprints, landed, landed_dates
from ecommerce_assets_tests.aws_stand_in import Faulty, client_error, moto_server, publish_code
from ecommerce_assets_tests.iam import REGION
from ecommerce_assets_tests.shop import ORDERS, SOURCES, Shop

LOCATION = "s3://shop/landing"
DAY = date(2024, 1, 1)


@pytest.fixture(scope="module")
def aws() -> Iterator[None]:
    with moto_server() as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield


@pytest.fixture
def s3(aws: None) -> Iterator[Any]:
    client = boto3.client("s3")
    place = {"LocationConstraint": client.meta.region_name}
    client.create_bucket(Bucket="shop", CreateBucketConfiguration=place)
    yield client
    bucket = boto3.resource("s3").Bucket("shop")
    bucket.objects.delete()
    bucket.delete()


def keys(s3: Any) -> list[str]:
    return [item["Key"] for item in s3.list_objects_v2(Bucket="shop").get("Contents", ())]


def run(*words: str) -> Result:
    return CliRunner().invoke(ecommerce, words)


def test_the_landing_layout_is_kept_and_nothing_is_done_twice(s3: Any, shop: Shop) -> None:
    shop.deliver_one_of_each()
    shop.file("orders", "2024-01-02", "notes.txt").write_text("not a delivery")
    words = ("upload", "--bucket", "shop", "--source", str(shop.landing))
    dry = run(*words, "--dry-run")
    assert dry.stdout.count("would upload") == 4
    assert keys(s3) == []
    assert "uploaded 4" in run(*words).stderr
    assert "landing/orders/ingestion_date=2024-01-01/rows.csv" in keys(s3)
    assert len(keys(s3)) == 4
    shop.deliver("orders", {"order_id": "O2"})
    assert "unchanged 3, uploaded 1" in run(*words).stderr


def test_flat_files_get_their_date(s3: Any, tmp_path: Path) -> None:
    (tmp_path / "orders.csv.gz").write_bytes(b"x")
    words = ("upload", "--bucket", "shop", "--source", str(tmp_path))
    assert "give the date of the delivery by --date" in str(run(*words).exception)
    assert run(*words, "--date", "2024-02-03").exit_code == 0
    assert keys(s3) == ["landing/orders/ingestion_date=2024-02-03/orders.csv.gz"]


def test_what_is_uploaded_lands(s3: Any, shop: Shop) -> None:
    shop.deliver_one_of_each()
    list(
        uploads.upload_all(
            uploads.find_uploads(shop.landing, LOCATION, None, SOURCES), LOCATION, dry_run=False
        )
    )
    assert list(landed_dates(LOCATION, ORDERS)) == [DAY]
    (file,) = digested(LOCATION, landed(LOCATION, ORDERS, SOURCES, DAY, DAY).files)
    assert file.source_file == "orders/ingestion_date=2024-01-01/rows.csv"
    before = fingerprints([file], [DAY])
    s3.put_object(Bucket="shop", Key=file.entry.path, Body=b"other")
    (changed,) = digested(LOCATION, landed(LOCATION, ORDERS, SOURCES, DAY, DAY).files)
    assert fingerprints([changed], [DAY]) != before
    with pytest.raises(PipelineError, match="no landing folder at s3://shop/elsewhere"):
        landed_dates("s3://shop/elsewhere", ORDERS)


@pytest.mark.parametrize("call", ["head_object", "upload_file"])
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (client_error("AccessDenied", 403), "access denied"),
        (client_error("ExpiredToken"), "credentials have expired"),
        (ConnectionClosedError(endpoint_url="x"), "Connection was closed"),
    ],
)
def test_a_fault_fails_its_file_and_no_other(
    s3: Any, shop: Shop, call: str, fault: Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.deliver_one_of_each()
    monkeypatch.setattr(uploads, "client", lambda _: Faulty(s3, **{call: [None, fault]}))
    failed = run("upload", "--bucket", "shop", "--source", str(shop.landing))
    assert "failed 1, uploaded 3" in failed.stderr
    assert isinstance(failed.exception, PipelineError)
    assert "1 of 4 files were not uploaded" in str(failed.exception)
    assert said in str(failed.exception)
    assert len(keys(s3)) == 3
    monkeypatch.undo()


def test_what_is_missing_is_named(s3: Any, tmp_path: Path, shop: Shop) -> None:
    assert "no folder" in str(run("upload", "--bucket", "b", "--source", "nowhere").exception)
    assert "holds no delivery" in str(
        run("upload", "--bucket", "b", "--source", str(tmp_path)).exception
    )
    assert "--bucket is missing" in str(run("upload", "--source", str(tmp_path)).exception)
    shop.deliver("orders", {})
    nowhere = run("upload", "--bucket", "nowhere", "--source", str(shop.landing)).exception
    assert "there is no such bucket" in str(nowhere)


def test_a_release_is_the_same_bytes_and_published_once(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    this = release.this_release()
    for folder in ("a", "b"):
        release.build(this, tmp_path / folder)
    for name in (release.CODE, release.WHEELS, release.MANIFEST):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    manifest = json.loads((tmp_path / "a" / release.MANIFEST).read_text("utf-8"))
    assert "pandera==0.35.0" in manifest["requirements"]
    needed = {line.partition("==")[0] for line in this.wheels.digests}
    assert "duckdb" in needed
    assert not needed & {"dagster", "pyspark"}

    broken = Faulty(s3, put_object=[None, None, client_error("AccessDenied", 403)])
    with pytest.raises(PipelineError, match=r"uploading .* access denied"):
        release.publish(this, tmp_path / "a", "s3://shop", broken)
    assert not release.is_published(this, "s3://shop")
    first = f"releases/{this.id}/bronze_ingestion.py"
    before = s3.head_object(Bucket="shop", Key=first)["LastModified"]
    # An object of a release is never written again, by whom ever.
    with pytest.raises(s3.exceptions.ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket="shop", Key=first, Body=b"other", IfNoneMatch="*")
    assert release.publish(this, tmp_path / "a", "s3://shop")
    assert s3.head_object(Bucket="shop", Key=first)["LastModified"] == before
    assert not release.publish(this, tmp_path / "a", "s3://shop")
    assert f"releases/{this.id}/silver_transformation.py" in keys(s3)

    monkeypatch.setenv("ECOMMERCE_DEPLOYMENT", "aws")
    monkeypatch.setenv("ECOMMERCE_LANDING", LOCATION)
    monkeypatch.setenv("ECOMMERCE_LAKEHOUSE", "s3://lake")
    monkeypatch.setenv("ECOMMERCE_ARTIFACTS", "s3://shop")
    again = run("package", "--publish")
    assert "is published already, as built here" in again.stderr
    assert again.stdout == f"s3://shop/releases/{this.id}\n"


def test_another_code_is_another_release() -> None:
    this = release.this_release()
    changed = release.Release(
        {**this.sources, "ecommerce_assets/x.py": b""}, this.scripts, this.wheels
    )
    assert changed.id != this.id
    other = replace(this.wheels, archive="0" * 64)
    assert release.Release(this.sources, this.scripts, other).id != this.id


def test_a_release_that_somebody_else_put_there_first_is_refused(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    this = release.this_release()
    release.build(this, tmp_path)
    s3.create_bucket(Bucket="taken", CreateBucketConfiguration={"LocationConstraint": REGION})
    key = f"releases/{this.id}/{release.WHEELS}"
    s3.put_object(Bucket="taken", Key=key, Body=b"their own", ChecksumAlgorithm="SHA256")
    with pytest.raises(PipelineError, match=r"gluewheels\.zip is not what is built from the code"):
        release.publish(this, tmp_path, "s3://taken")


def test_a_wheel_that_is_another_one_is_refused(tmp_path: Path) -> None:
    this = release.this_release()

    def with_wheels(**changed: Any) -> release.Release:
        return release.Release(this.sources, this.scripts, replace(this.wheels, **changed))

    other = {**this.wheels.digests, "mdurl==0.1.2": "0" * 64}
    with pytest.raises(PipelineError, match=r"mdurl==0\.1\.2.*(?s:.*)Expected sha256 0000"):
        release.build(with_wheels(digests=other), tmp_path)
    with pytest.raises(PipelineError, match="is not the pinned one"):
        release.build(with_wheels(archive="0" * 64), tmp_path)
    older = {**this.wheels.digests, "mdurl==0.1.1": "0" * 64}
    del older["mdurl==0.1.2"]
    with pytest.raises(PipelineError, match=r"mdurl==0\.1\.1, mdurl==0\.1\.2: installed here or"):
        release.build(with_wheels(digests=older), tmp_path)


def test_what_a_job_would_install_is_checked_before_it_starts(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_code("shop")
    this = release.this_release()
    release.must_be_this(this, "s3://shop", "gold", s3)
    s3.put_object(Bucket="shop", Key=f"releases/{this.id}/{release.WHEELS}", Body=b"their own",
                  ChecksumAlgorithm="SHA256")  # fmt: skip
    with pytest.raises(PipelineError, match=r"gluewheels\.zip is not what is built from the code"):
        release.must_be_this(this, "s3://shop", "gold", s3)


def test_a_release_is_built_by_the_python_of_glue(monkeypatch: pytest.MonkeyPatch) -> None:
    this_release.cache_clear()
    monkeypatch.setattr("platform.python_version", lambda: "3.13.1")
    with pytest.raises(PipelineError, match=r"Glue has Python 3\.11, and this is 3\.13\.1"):
        this_release()
