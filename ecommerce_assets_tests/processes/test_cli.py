"""The command line as a user calls it: the console script, where it matters as a process."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from ecommerce_assets.cli.options import TableOption
from ecommerce_assets.errors import machine_fault
from ecommerce_assets.tables import all_tables
from ecommerce_assets_tests import console
from ecommerce_assets_tests.console import Done
from ecommerce_assets_tests.shop import Shop

REPOSITORY = Path(__file__).parents[2]


def places(shop: Shop) -> dict[str, str]:
    return {"ECOMMERCE_LANDING": str(shop.landing), "ECOMMERCE_LAKEHOUSE": str(shop.lakehouse)}


def ecommerce(shop: Shop, *args: str, code: int = 0, **environment: str) -> Done:
    """Call the console script in this process; its exit code must be `code`."""
    return console.ecommerce(*args, environment={**places(shop), **environment}, code=code)


def process(shop: Shop, *args: str, code: int = 0) -> Done:
    """Call it as a process of its own; its exit code must be `code`."""
    call = [sys.executable, "-c", "from ecommerce_assets.cli.main import main; main()", *args]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), **places(shop)}
    done = subprocess.run(call, capture_output=True, text=True, env=env, timeout=280, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return Done(done.stdout, done.stderr)


@pytest.fixture(scope="module")
def published(module_shop: Shop) -> Shop:
    module_shop.deliver_one_of_each()
    module_shop.deliver("products", {"name": 'Lamp, "big"'})
    module_shop.run_all()
    return module_shop


def test_query_as_table(published: Shop) -> None:
    done = ecommerce(published, "query", "select order_date, revenue from gold.daily_revenue")
    assert "2024-01-01" in done.stdout
    assert "10.00" in done.stdout
    assert done.stderr == ""


def test_query_as_csv_and_json(published: Shop) -> None:
    sql = "select product_id, name, price from silver.products"
    done = ecommerce(published, "query", sql, "--format", "csv")
    assert done.stdout == 'product_id,name,price\nP1,"Lamp, ""big""",10.0000\n'
    done = ecommerce(published, "query", sql, "--format", "json")
    assert json.loads(done.stdout) == [{"product_id": "P1", "name": 'Lamp, "big"', "price": 10.0}]


def test_query_to_a_parquet_file_keeps_types(published: Shop, tmp_path: Path) -> None:
    file = tmp_path / "revenue.parquet"
    ecommerce(published, "query", "select * from gold.daily_revenue", "--format", "parquet",
              "--output", str(file))  # fmt: skip
    types = duckdb.sql(f"describe select * from '{file}'").fetchall()
    assert ("revenue", "DECIMAL(18,2)") in [row[:2] for row in types]


def test_query_reads_quarantine_and_empty_tables(published: Shop) -> None:
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
def test_query_errors_are_lines(published: Shop, sql: str, said: str) -> None:
    assert said in ecommerce(published, "query", sql, code=1).stderr


def test_wrong_words_are_answered_with_the_nearest_ones(published: Shop) -> None:
    assert "Did you mean query?" in ecommerce(published, "qurey", "select 1", code=2).stderr
    done = ecommerce(published, "query", "select * from gold.daily_revenu", code=1)
    assert 'Did you mean "daily_revenue"' in done.stderr
    told = json.loads(ecommerce(published, "history", "daily_revenue", "--json").stdout)
    assert told[0]["rows"] == 1


def test_show_tables_explain_and_who_reads_only_the_beginning(published: Shop) -> None:
    shown = ecommerce(published, "query", "show tables", "--format", "csv").stdout.splitlines()
    assert shown[:2] == ["layer,name", "bronze,customers"]
    assert len(shown) == 1 + len(all_tables())
    assert "Projections" in ecommerce(published, "query", "explain select 1").stdout
    call = f"{sys.executable} -c 'from ecommerce_assets.cli.main import main; main()'"
    done = subprocess.run(
        f"{call} query 'select * from range(5000)' | head -n 1", shell=True, capture_output=True,
        text=True, check=False, env={**os.environ, "PYTHONPATH": str(REPOSITORY),
                                     "ECOMMERCE_LAKEHOUSE": str(published.lakehouse)},
    )  # fmt: skip
    assert done.stderr == ""


def test_a_lakehouse_that_can_only_be_read(
    published: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commits that are still in SQLite's log are seen, and nothing is written beside the catalog."""
    files = sorted(path.name for path in published.lakehouse.iterdir())
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert published.one("select orders from gold.daily_revenue") == {"orders": 1}
    assert sorted(path.name for path in published.lakehouse.iterdir()) == files


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device", "x"), "the disk is full"),
        (OSError(30, "Read-only file system", "x"), "can only be read"),
        (
            ExceptionGroup("failed", [ValueError("Java: No space left on device\n at x")]),
            "the disk is full",
        ),
        (
            RuntimeError("NotFoundException: Location does not exist: s3://lake/gold/x.parquet"),
            "a file of a table is gone or cut off. Bring it back",
        ),
        (ValueError("else"), None),
    ],
)
def test_faults_of_the_machine_are_lines(error: Exception, said: str | None) -> None:
    told = machine_fault(error)
    assert told is None if said is None else said in str(told)


@pytest.mark.parametrize("sign", "%?#")
def test_a_lakehouse_path_that_the_catalog_would_misread(shop: Shop, sign: str) -> None:
    done = ecommerce(shop, "query", "select 1", code=1, ECOMMERCE_LAKEHOUSE=f"/tmp/a{sign}b")
    assert "must not contain %, ? or #" in done.stderr


def test_maintenance_without_a_lakehouse(shop: Shop) -> None:
    assert "no lakehouse at" in ecommerce(shop, "maintain", code=1).stderr


def test_no_lakehouse_yet(shop: Shop) -> None:
    assert "ecommerce run" in ecommerce(shop, "query", "select 1", code=1).stderr


def test_run_and_report(shop: Shop, tmp_path: Path) -> None:
    ecommerce(shop, "generate", "--output", str(shop.landing), "--records", "200", "--days", "3")
    done = process(shop, "run", "--from", "2024-01-01", "--to", "2024-01-03")
    tables = len(all_tables())
    assert done.stderr.startswith(f"Starting Dagster: {tables} tables and the dashboard")
    assert "gold.category_performance" in done.stderr
    assert done.stdout == ""
    told = ecommerce(shop, "report").stdout
    assert "gold.top_products" in told
    assert "What became of the delivered rows; injected: made broken by the generator" in told
    assert (
        json.loads(ecommerce(shop, "report", "--json").stdout)["tables"][0]["table"] == "customers"
    )
    shop.file("orders", "2024-01-02").write_text("x\n1\n")
    verbose = ecommerce(shop, "run", "-v", "--select", "bronze.orders", "--from", "2024-01-01")
    assert "RUN_SUCCESS" in verbose.stderr
    failed = process(shop, "run", "--layer", "bronze", "--from", "2024-01-02", code=1)
    assert "orders/ingestion_date=2024-01-02/rows.csv: the header lacks" in failed.stderr
    assert "Warning" not in failed.stderr
    # Of a range in which one date is bad, the command that runs the others.
    failed = ecommerce(
        shop, "run", "--layer", "bronze", "--from", "2024-01-01", "--to", "2024-01-03", code=1
    )
    assert (
        "To run the dates but 2024-01-02: ecommerce run --from 2024-01-01 --to 2024-01-01 && ecommerce run --from 2024-01-03 --to 2024-01-03"
        in failed.stderr
    )
    # A date that nobody can have meant changes nothing.
    before = shop.state()
    for day in ("2024-02-01", "2023-12-31"):
        missing = ecommerce(shop, "run", "--layer", "bronze", "--from", day, code=1,
                            ECOMMERCE_START_DATE="2023-01-01")  # fmt: skip
        assert (
            f"nothing has landed for {day}: deliveries are from 2024-01-01 to 2024-01-03. Nothing "
            "was run" in missing.stderr
        )
    assert shop.state() == before
    ecommerce(shop, "run", "--layer", "bronze", "--from", "2024-02-01", "--allow-empty")
    shutil.rmtree(shop.landing / "orders" / "ingestion_date=2024-01-02")
    within = ("run", "--select", "bronze.orders", "--from", "2024-01-02")
    assert "--allow-removal" in ecommerce(shop, *within, code=1).stderr
    assert "Note: nothing" not in ecommerce(shop, *within, "--allow-removal").stderr


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("--layer", "iron"), 2, "iron"),
        (("--layer", "gold", "--select", "gold.dim_date"), 2, "exclude each other"),
        (("--from", "2024-01-02", "--to", "2024-01-01"), 2, "is before --from"),
        (("-q", "-v"), 2, "-q and -v exclude each other"),
        (("--from", "1.2.2024"), 2, "must be a date like 2024-01-31"),
        (("--from", "2023-12-31"), 1, "ECOMMERCE_START_DATE"),
        (("--select", "gold.nonsense"), 1, "There are: bronze.customers"),
        (("--select", "daily_revenu"), 1, "Did you mean gold.daily_revenue?"),
        (("--from", "2999-01-01"), 1, "--to 2999-01-01 is in the future (today is"),
        ((), 1, "nothing has landed"),
    ],
)
def test_run_refuses(shop: Shop, args: tuple[str, ...], code: int, said: str) -> None:
    told = ecommerce(shop, "run", *args, code=code).stderr
    assert said in told
    assert "Starting" not in told


def test_a_wrong_setting_is_a_line(shop: Shop) -> None:
    done = ecommerce(shop, "run", code=1, ECOMMERCE_QUARANTINE_LIMIT="much")
    assert "ECOMMERCE_QUARANTINE_LIMIT is 'much'" in done.stderr


def test_land(shop: Shop, tmp_path: Path) -> None:
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


def test_land_without_tables(shop: Shop, tmp_path: Path) -> None:
    done = ecommerce(shop, "land", "--source", str(tmp_path), "--date", "2024-02-01", code=1)
    assert "has none of customers.csv" in done.stderr


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("history gold.daily", ["gold.daily_revenue"]),
        ("trace --table dim_p", ["dim_product"]),
        ("run --select silver.orders,gold.weekly", ["silver.orders,gold.weekly_revenue"]),
        ("qu", ["query"]),
    ],
)
def test_the_shell_completes(typed: str, completed: list[str]) -> None:
    words = ["ecommerce", *typed.split()]
    environment = {**os.environ, "_ECOMMERCE_COMPLETE": "bash_complete",
                   "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}  # fmt: skip
    call = [sys.executable, "-c", "import sys; sys.argv = ['ecommerce']; "
            "from ecommerce_assets.cli.main import main; main(); "
            "sys.exit('pyspark' in sys.modules)"]  # fmt: skip
    done = subprocess.run(call, capture_output=True, text=True, env=environment, check=False)
    assert [line.split(",", 1)[1] for line in done.stdout.splitlines()] == completed
    assert done.returncode == 0, done.stderr


def test_every_table_is_completed() -> None:
    found = TableOption().shell_complete(None, None, "")
    assert {item.value for item in found} == set(all_tables())
