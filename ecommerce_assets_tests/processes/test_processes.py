"""Dagster as users start it: `dagster dev` with its API, `dagster asset materialize`, the
documents' commands."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecommerce_assets_tests.console import ecommerce
from ecommerce_assets_tests.dagster_dev import (
    BACKFILL,
    BIN,
    LAUNCH,
    LOCATION,
    REPOSITORY,
    SENSOR,
    Server,
    environment,
    workplace,
)
from ecommerce_assets_tests.shop import Shop


def materialize(shop: Shop, folder: Path, *args: str) -> subprocess.CompletedProcess:
    call = [
        str(BIN / "dagster"),
        "asset",
        "materialize",
        "-m",
        "ecommerce_assets.definitions",
        *args,
    ]
    return subprocess.run(call, cwd=workplace(folder), env=environment(shop), capture_output=True,
                          text=True, timeout=280, check=False)  # fmt: skip


def test_asset_materialize_exit_codes(shop: Shop, tmp_path: Path) -> None:
    shop.deliver_one_of_each()
    done = materialize(shop, tmp_path, "--select", 'key:"bronze/products" or key:"silver/products"',
                       "--partition-range", "2024-01-01...2024-01-03")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(shop.content("silver.products")) == 1
    shop.deliver("products", {"price": "free"})
    done = materialize(shop, tmp_path, "--select", 'key:"bronze/products" or key:"silver/products"',
                       "--partition", "2024-01-01")  # fmt: skip
    assert done.returncode == 1
    assert "quarantine_share" in done.stderr
    assert len(shop.content("silver.products")) == 1


def test_a_reversed_range_is_refused(shop: Shop, tmp_path: Path) -> None:
    done = materialize(shop, tmp_path, "--select", 'key:"bronze/products"', "--partition-range",
                       "2024-01-03...2024-01-01")  # fmt: skip
    assert done.returncode == 1
    assert "2024-01-03...2024-01-01 ends before it starts: swap the dates" in done.stderr
    assert not shop.lakehouse.exists()


@pytest.fixture
def killed(shop: Shop, tmp_path: Path) -> None:
    """A run of `ecommerce run` that was killed; it holds the pools of its layers."""
    shop.deliver_one_of_each()
    call = [sys.executable, "-c", "from ecommerce_assets.cli.main import main; main()", "run"]
    process = subprocess.Popen(call, cwd=workplace(tmp_path), env=environment(shop), text=True,
                               stderr=subprocess.PIPE, start_new_session=True)  # fmt: skip
    for line in process.stderr:
        if line.startswith("bronze."):
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def server(shop: Shop, tmp_path: Path, killed: None) -> Iterator[Server]:
    server = Server(shop, tmp_path)
    try:
        server.wait_until_loaded()
        yield server
    finally:
        server.stop()


def test_dagster_dev_a_table_a_partition_a_backfill_and_the_sensor(
    shop: Shop, server: Server
) -> None:
    """After a run that was killed, which is found, so that the others need not wait for it."""
    (run,) = server.wait_for_runs(1)
    assert run["status"] == "FAILURE"
    days = ["2024-01-01", "2024-01-02", "2024-01-03"]
    for number, day in enumerate(days):
        shop.deliver_one_of_each(day)
        shop.deliver("orders", {"order_id": f"O{number}", "order_date": day}, day=day)
        shop.deliver(
            "order_items", {"order_item_id": f"I{number}", "order_id": f"O{number}"}, day=day
        )
    started = server.ask(LAUNCH, params={
        "selector": {**LOCATION, "pipelineName": "__ASSET_JOB",
                     "assetSelection": [{"path": ["bronze", "orders"]}]},
        "mode": "default",
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": days[1]}]},
    })  # fmt: skip
    assert started["launchPipelineExecution"]["__typename"] == "LaunchRunSuccess", started
    assert [run["status"] for run in server.wait_for_runs(2)] == ["SUCCESS", "FAILURE"]
    landed = shop.query(
        "select cast(_ingestion_date as varchar) as d, order_id from bronze.orders "
        f"where _ingestion_date >= date '{days[1]}'"
    )
    assert landed == [{"d": days[1], "order_id": "O1"}]

    nodes = server.ask("{ assetNodes { assetKey { path } isMaterializable groupName } }")[
        "assetNodes"
    ]
    keys = [node["assetKey"] for node in nodes if node["isMaterializable"]]
    assert {node["groupName"] for node in nodes} == {"bronze", "silver", "gold", "dashboard"}
    started = server.ask(BACKFILL, params={"assetSelection": keys, "partitionNames": days})
    assert started["launchPartitionBackfill"]["__typename"] == "LaunchBackfillSuccess", started
    *runs, _ = server.wait_for_runs(3)
    assert [run["status"] for run in runs] == ["SUCCESS"] * 2
    # One run for all dates of all tables and the dashboard.
    steps = [[step["stepKey"] for step in run["stepStats"]] for run in runs]
    assert steps == [["bronze", "silver", "gold", "sales_dashboard"], ["bronze"]]
    assert shop.dashboard.exists()
    revenue = shop.query("select cast(order_date as varchar) as d, orders from gold.daily_revenue "
                         "order by 1")  # fmt: skip
    assert revenue == [{"d": day, "orders": 1} for day in days]

    # A delivery that comes late is found by the sensor, which the daemon asks.
    shop.deliver("orders", {"order_id": "late", "order_date": days[0]}, day=days[1], name="2.csv")
    shop.deliver(
        "order_items", {"order_item_id": "late", "order_id": "late"}, day=days[1], name="2.csv"
    )
    for file in shop.landing.rglob("*.csv"):
        os.utime(file, (time.time() - 600, time.time() - 600))
    started = server.ask(SENSOR, sensor={**LOCATION, "sensorName": "landing_sensor"})
    assert started["startSensor"]["__typename"] == "Sensor", started
    assert [run["status"] for run in server.wait_for_runs(4)] == [*["SUCCESS"] * 3, "FAILURE"]
    assert shop.query("select sum(orders) as n from gold.daily_revenue") == [{"n": 4}]


# In the order in which a new user meets them.
PAGES = ("README.md", "docs/tutorial.md", "docs/how-to/run.md", "docs/how-to/deliveries.md",
         "docs/how-to/kpi.md", "docs/how-to/read.md", "docs/how-to/operate.md")  # fmt: skip


def blocks(language: str) -> list[str]:
    """The code blocks of the pages; those within a list without its indent."""
    found = []
    for page in PAGES:
        text = (REPOSITORY / page).read_text("utf-8")
        found += re.findall(rf"^ *```{language}\n(.*?)```", text, re.M | re.S)
    return [textwrap.dedent(block) for block in found]


def commands() -> list[str]:
    return [line for block in blocks("sh") for line in block.strip().splitlines()]


def test_every_command_of_the_documents(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order in which they stand there, after what `make demo` has made."""
    folder = workplace(tmp_path / "place")
    monkeypatch.chdir(folder)
    program = {
        "dagster": [str(BIN / "dagster")],
        "python": [sys.executable],
    }
    demo = ("ecommerce generate --output data/landing --records 300 --days 10 --defects 0.02 "
            "--end-date yesterday")  # fmt: skip
    whole = "ecommerce run"
    shop.landing, shop.lakehouse = folder / "data/landing", folder / "data/lakehouse"
    day = ""
    for command in [demo, whole, *commands()]:
        if command.strip().startswith("DAY="):
            day = subprocess.check_output(
                ["sh", "-c", f"{command}; echo $DAY"], cwd=folder, text=True
            )
            continue
        words = shlex.split(command.replace("$DAY", day.strip()))
        if words[0] == "ecommerce":
            ecommerce(*words[1:], environment=environment(shop))
            continue
        call = [*program[words[0]], *words[1:]]
        done = subprocess.run(call, cwd=folder, env=environment(shop), capture_output=True,
                              text=True, timeout=250, check=False)  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert (folder / "quarantine.csv").exists()
    assert shop.dashboard.exists()
    reading = [block for block in blocks("python") if "print(" in block]
    assert len(reading) == 2
    for code in reading:
        done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True,
                              text=True, timeout=60, check=False)  # fmt: skip
        assert done.returncode == 0, f"{code}\n{done.stderr}"
        assert done.stdout.strip()
    assert (folder / "shop/landing/orders/ingestion_date=2024-02-01/orders.csv").exists()


def test_a_kpi_is_added_as_the_page_says(tmp_path: Path) -> None:
    """One file, `make docs`, and what the suite knows of all tables is still true."""
    for name in ("ecommerce_assets", "ecommerce_assets_tests", "terraform", "tools", "docs"):
        shutil.copytree(REPOSITORY / name, tmp_path / name,
                        ignore=shutil.ignore_patterns("__pycache__", ".terraform*"))  # fmt: skip
    for name in ("README.md", "pyproject.toml", "Makefile"):
        shutil.copy(REPOSITORY / name, tmp_path)
    text = (tmp_path / "docs/how-to/kpi.md").read_text("utf-8")
    saved = re.findall(r"[Ss]ave this as\s+`(.*?)`:\n\n```python\n(.*?)```", text, re.S)
    assert len(saved) == 2
    for path, code in saved:
        (tmp_path / path).write_text(code, "utf-8")
    own_test = saved[1][0]
    (docs,) = re.findall(
        r"^docs:.*?\n\t\$\(BIN\)/ecommerce (.*)$", (tmp_path / "Makefile").read_text(), re.M
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    for call in (
        ["-c", "from ecommerce_assets.cli.main import main; main()", *docs.split()],
        ["-m", "ruff", "check", *[path for path, _ in saved]],
        ["-m", "pytest", "-q", "-p", "no:cacheprovider", own_test,
         "ecommerce_assets_tests/unit/test_declarations.py",
         "--deselect", "ecommerce_assets_tests/unit/test_declarations.py::test_a_kpi_is_one_module",
         # What an added table could break: what is known of all tables.
         "ecommerce_assets_tests/unit/test_code_version.py", "ecommerce_assets_tests/unit/test_docs.py",
         "ecommerce_assets_tests/processes/test_cli.py::test_run_and_report",
         "ecommerce_assets_tests/processes/test_cli.py::test_every_table_is_completed",
         "ecommerce_assets_tests/processes/test_dagster.py::test_the_graph",
         "ecommerce_assets_tests/cloud/test_deployment.py::test_the_costs_in_the_documents_follow_from_the_price_list",
         "ecommerce_assets_tests/processes/test_safety.py::test_nothing_changed_nothing_written"],
    ):  # fmt: skip
        done = subprocess.run([sys.executable, *call], cwd=tmp_path, env=env, capture_output=True,
                              text=True, timeout=900, check=False)  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_every_make_target_that_the_documents_name_exists() -> None:
    pages = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md"]
    pages += (REPOSITORY / "docs").rglob("*.md")
    text = "\n".join(page.read_text("utf-8") for page in pages)
    named = {a or b for a, b in re.findall(r"`make ([a-z-]+)`|^make ([a-z-]+)$", text, re.M)}
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    assert named
    assert {name for name in named if not re.search(rf"^{name}:", makefile, re.M)} == set()
