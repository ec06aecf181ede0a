"""Dagster as users start it: `dagster dev` with its API, `dagster asset materialize`, the README."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from ecommerce_assets_tests.shop import Shop

REPOSITORY = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
pytestmark = pytest.mark.slow


def environment(shop: Shop) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "ECOMMERCE_LANDING": str(shop.landing),
        "ECOMMERCE_LAKEHOUSE": str(shop.lakehouse),
        "ECOMMERCE_DASHBOARD": str(shop.dashboard),
    }


def workplace(folder: Path) -> Path:
    """A folder to start Dagster in, with the repository's configuration."""
    folder.mkdir(exist_ok=True)
    for name in ("workspace.yaml", "dagster.yaml", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, folder)
    return folder


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


def test_asset_materialize_exit_codes(shop: Shop, tmp_path: Path):
    shop.deliver_one_of_each()
    done = materialize(shop, tmp_path, "--select", 'key:"bronze/products" or key:"silver/products"',
                       "--partition-range", "2024-01-01...2024-01-03")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(shop.content("silver.products")) == 1
    shop.deliver("products", {"price": "free"})
    done = materialize(shop, tmp_path, "--select", 'key:"bronze/products" or key:"silver/products"',
                       "--partition", "2024-01-01")  # fmt: skip
    assert done.returncode != 0
    assert "quarantine_share" in done.stderr
    assert len(shop.content("silver.products")) == 1


def test_a_reversed_range_is_refused(shop: Shop, tmp_path: Path):
    done = materialize(shop, tmp_path, "--select", 'key:"bronze/products"', "--partition-range",
                       "2024-01-03...2024-01-01")  # fmt: skip
    assert done.returncode != 0


class Server:
    """`dagster dev` as real processes: webserver, daemon, code server."""

    def __init__(self, shop: Shop, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._url = f"http://127.0.0.1:{port}/graphql"
        self._log = open(folder / "dev.log", "w")  # noqa: SIM115
        self._process = subprocess.Popen(
            [str(BIN / "dagster"), "dev", "--port", str(port)], cwd=workplace(folder),
            env=environment(shop), stdout=self._log, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip

    def ask(self, query: str, **variables: Any) -> Any:
        answer = requests.post(self._url, json={"query": query, "variables": variables}, timeout=60)
        body = answer.json()
        assert "errors" not in body, body
        return body["data"]

    def wait_until_loaded(self) -> None:
        for _ in range(120):
            assert self._process.poll() is None, Path(self._log.name).read_text()
            try:
                if self.ask("{ assetNodes { id } }")["assetNodes"]:
                    return
            except requests.ConnectionError:
                pass
            time.sleep(0.5)
        raise AssertionError("dagster dev did not come up: " + Path(self._log.name).read_text())

    def wait_for_runs(self, number: int) -> list[dict[str, Any]]:
        for _ in range(480):
            runs = self.ask("{ runsOrError { ... on Runs { results { runId status stepStats "
                            "{ stepKey status } } } } }")["runsOrError"]["results"]  # fmt: skip
            done = [run for run in runs if run["status"] in ("SUCCESS", "FAILURE", "CANCELED")]
            if len(done) >= number:
                return runs
            time.sleep(0.5)
        raise AssertionError(f"{runs}\n" + Path(self._log.name).read_text()[-3000:])

    def stop(self) -> None:
        os.killpg(self._process.pid, signal.SIGINT)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._log.close()


@pytest.fixture
def server(shop: Shop, tmp_path: Path) -> Iterator[Server]:
    server = Server(shop, tmp_path)
    try:
        server.wait_until_loaded()
        yield server
    finally:
        server.stop()


LAUNCH = """
mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
BACKFILL = """
mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""


def test_dagster_dev_a_table_a_partition_and_a_backfill(shop: Shop, server: Server):
    days = ["2024-01-01", "2024-01-02", "2024-01-03"]
    for number, day in enumerate(days):
        shop.deliver_one_of_each(day)
        shop.deliver("orders", {"order_id": f"O{number}", "order_date": day}, day=day)
        shop.deliver(
            "order_items", {"order_item_id": f"I{number}", "order_id": f"O{number}"}, day=day
        )
    location = {
        "repositoryLocationName": "ecommerce_assets",
        "repositoryName": "__repository__",
    }
    started = server.ask(LAUNCH, params={
        "selector": {**location, "pipelineName": "__ASSET_JOB",
                     "assetSelection": [{"path": ["bronze", "orders"]}]},
        "mode": "default",
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": days[1]}]},
    })  # fmt: skip
    assert started["launchPipelineExecution"]["__typename"] == "LaunchRunSuccess", started
    assert [run["status"] for run in server.wait_for_runs(1)] == ["SUCCESS"]
    landed = shop.query("select cast(_ingestion_date as varchar) as d, order_id from bronze.orders")
    assert landed == [{"d": days[1], "order_id": "O1"}]

    nodes = server.ask("{ assetNodes { assetKey { path } isMaterializable groupName } }")[
        "assetNodes"
    ]
    keys = [node["assetKey"] for node in nodes if node["isMaterializable"]]
    assert {node["groupName"] for node in nodes} == {"bronze", "silver", "gold", "dashboard"}
    started = server.ask(BACKFILL, params={"assetSelection": keys, "partitionNames": days})
    assert started["launchPartitionBackfill"]["__typename"] == "LaunchBackfillSuccess", started
    runs = server.wait_for_runs(2)
    assert [run["status"] for run in runs] == ["SUCCESS", "SUCCESS"]
    steps = [step["stepKey"] for step in runs[0]["stepStats"]]
    assert steps == ["bronze", "silver", "gold", "sales_dashboard"]
    assert shop.dashboard.exists()
    revenue = shop.query("select cast(order_date as varchar) as d, orders from gold.daily_revenue "
                         "order by 1")  # fmt: skip
    assert revenue == [{"d": day, "orders": 1} for day in days]


def readme_commands() -> list[str]:
    text = (REPOSITORY / "README.md").read_text("utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.S)
    return [line for block in blocks for line in block.strip().splitlines()]


def test_every_command_of_the_readme(shop: Shop, tmp_path: Path):
    """In the order in which they stand there, after what `make demo` has made."""
    folder = workplace(tmp_path / "place")
    program = {
        "ecommerce": [sys.executable, "-c", "from ecommerce_assets.cli.main import main; main()"],
        "dagster": [str(BIN / "dagster")],
        "python": [sys.executable],
    }
    demo = "ecommerce generate --output landing --records 200 --days 7 --defects 0.02"
    whole = "ecommerce run"
    shop.landing, shop.lakehouse = folder / "landing", folder / "lakehouse"
    for command in [demo, whole, *readme_commands()]:
        words = shlex.split(command)
        call = [*program[words[0]], *words[1:]]
        done = subprocess.run(call, cwd=folder, env=environment(shop), capture_output=True,
                              text=True, timeout=250, check=False)  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert (folder / "quarantine.csv").exists()
    assert (folder / "shop/landing/orders/ingestion_date=2024-02-01/orders.csv").exists()


def test_every_make_target_of_the_readme_exists():
    text = (REPOSITORY / "README.md").read_text("utf-8")
    targets = set(re.findall(r"`make (\w+)`|^make (\w+)$", text, re.M))
    named = {target for pair in targets for target in pair if target}
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    assert named
    assert all(re.search(rf"^{target}:", makefile, re.M) for target in named)
