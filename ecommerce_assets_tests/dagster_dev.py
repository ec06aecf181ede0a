"""`dagster dev` as real processes, asked as the UI asks it: by GraphQL."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import requests

from ecommerce_assets_tests.shop import Shop

REPOSITORY = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
LOCATION = {"repositoryLocationName": "ecommerce_assets", "repositoryName": "__repository__"}
LAUNCH = """
mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
BACKFILL = """
mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
SENSOR = """
mutation($sensor: SensorSelector!) { startSensor(sensorSelector: $sensor) {
  __typename ... on PythonError { message } } }"""


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


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def ask(url: str, query: str, **variables: Any) -> Any:
    """The webserver's answer to a GraphQL query."""
    answer = requests.post(
        f"{url}/graphql", json={"query": query, "variables": variables}, timeout=60
    )
    body = answer.json()
    assert "errors" not in body, body
    return body["data"]


class Server:
    """`dagster dev` as real processes: webserver, daemon, code server."""

    def __init__(self, shop: Shop, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._log = open(workplace(folder) / "dev.log", "w")  # noqa: SIM115
        self._process = subprocess.Popen(
            [str(BIN / "dagster"), "dev", "--port", str(port)], cwd=folder,
            env=environment(shop), stdout=self._log, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip

    def ask(self, query: str, **variables: Any) -> Any:
        return ask(self.url, query, **variables)

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
