"""The command line as a user calls it, in processes of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from ecommerce_assets_tests.shop import Shop

REPOSITORY = Path(__file__).parents[1]


def ecommerce(
    shop: Shop, *args: str, code: int = 0, **environment: str
) -> subprocess.CompletedProcess:
    """Run the command; its exit code must be `code`."""
    call = [sys.executable, "-c", "from ecommerce_assets.cli.main import main; main()", *args]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "ECOMMERCE_LANDING": str(shop.landing),
           "ECOMMERCE_LAKEHOUSE": str(shop.lakehouse), **environment}  # fmt: skip
    done = subprocess.run(call, capture_output=True, text=True, env=env, timeout=280, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def published(module_shop: Shop) -> Shop:
    module_shop.deliver_one_of_each()
    module_shop.deliver("products", {"name": 'Lamp, "big"'})
    module_shop.run_all()
    return module_shop


def test_query_as_table(published: Shop):
    done = ecommerce(published, "query", "select order_date, revenue from gold.daily_revenue")
    assert "2024-01-01" in done.stdout
    assert "10.00" in done.stdout
    assert done.stderr == ""


def test_query_as_csv_and_json(published: Shop):
    sql = "select product_id, name, price from silver.products"
    done = ecommerce(published, "query", sql, "--format", "csv")
    assert done.stdout == 'product_id,name,price\nP1,"Lamp, ""big""",10.00\n'
    done = ecommerce(published, "query", sql, "--format", "json")
    assert json.loads(done.stdout) == [{"product_id": "P1", "name": 'Lamp, "big"', "price": 10.0}]


def test_query_to_a_parquet_file_keeps_types(published: Shop, tmp_path: Path):
    file = tmp_path / "revenue.parquet"
    ecommerce(published, "query", "select * from gold.daily_revenue", "--format", "parquet",
              "--output", str(file))  # fmt: skip
    types = duckdb.sql(f"describe select * from '{file}'").fetchall()
    assert ("revenue", "DECIMAL(18,2)") in [row[:2] for row in types]


def test_query_reads_quarantine_and_empty_tables(published: Shop):
    done = ecommerce(published, "query", "select count(*) as n from silver.orders_quarantine",
                     "--format", "csv")  # fmt: skip
    assert done.stdout == "n\n0\n"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("select * from gold.nonsense", "nonsense"),
        ("selekt 1", "syntax error"),
        ("create table x as select 1", "reading"),
    ],
)
def test_query_errors_are_lines(published: Shop, sql: str, said: str):
    assert said in ecommerce(published, "query", sql, code=1).stderr


def test_no_lakehouse_yet(shop: Shop):
    assert "ecommerce run" in ecommerce(shop, "query", "select 1", code=1).stderr


@pytest.mark.slow
def test_run_and_report(shop: Shop, tmp_path: Path):
    ecommerce(shop, "generate", "--output", str(shop.landing), "--records", "200", "--days", "3")
    done = ecommerce(shop, "run", "--from", "2024-01-01", "--to", "2024-01-03")
    assert done.stderr.startswith("Starting Dagster and Spark ...\n23 tables")
    assert "gold.category_performance" in done.stderr
    assert done.stdout == ""
    told = ecommerce(shop, "report").stdout
    assert "gold.top_products" in told
    assert "Injected by the generator, by its manifest: 0" in told
    shop.file("orders", "2024-01-02").write_text("x\n1\n")
    failed = ecommerce(shop, "run", "--layer", "bronze", "--from", "2024-01-02", code=1)
    assert "orders/ingestion_date=2024-01-02/rows.csv: the header lacks" in failed.stderr
    assert "Warning" not in failed.stderr


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("--layer", "iron"), 2, "iron"),
        (("--layer", "gold", "--select", "gold.dim_date"), 2, "exclude each other"),
        (("--from", "2024-01-02", "--to", "2024-01-01"), 2, "is before --from"),
        (("--from", "1.2.2024"), 2, "must be a date like 2024-01-31"),
        (("--from", "2023-12-31"), 1, "ECOMMERCE_START_DATE"),
        (("--select", "gold.nonsense"), 1, "there are bronze.customers"),
        ((), 1, "nothing has landed"),
    ],
)
def test_run_refuses(shop: Shop, args: tuple[str, ...], code: int, said: str):
    assert said in ecommerce(shop, "run", *args, code=code).stderr


def test_a_wrong_setting_is_a_line(shop: Shop):
    done = ecommerce(shop, "run", code=1, ECOMMERCE_QUARANTINE_LIMIT="much")
    assert "ECOMMERCE_QUARANTINE_LIMIT is 'much'" in done.stderr


def test_land(shop: Shop, tmp_path: Path):
    source = tmp_path / "raw"
    source.mkdir()
    (source / "orders.csv").write_text("a\n1\n")
    (source / "products.csv.gz").write_bytes(b"x")
    done = ecommerce(shop, "land", "--source", str(source), "--date", "2024-02-01")
    landed = shop.landing / "orders" / "ingestion_date=2024-02-01" / "orders.csv"
    assert str(landed) in done.stdout.splitlines()
    assert landed.read_text() == "a\n1\n"
    (source / "orders.csv").write_text("a\n2\n")
    ecommerce(shop, "land", "--source", str(source), "--date", "2024-02-01")
    assert landed.read_text() == "a\n2\n"
    assert [path.name for path in landed.parent.iterdir()] == ["orders.csv"]


def test_land_without_tables(shop: Shop, tmp_path: Path):
    done = ecommerce(shop, "land", "--source", str(tmp_path), "--date", "2024-02-01", code=1)
    assert "has none of customers.csv" in done.stderr
