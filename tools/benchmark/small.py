"""A small shop's days: a daily run, a run with nothing to do, a click."""

import statistics
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ecommerce_assets.tables import all_tables
from ecommerce_assets_tests.dagster_dev import LAUNCH, LOCATION, Server
from ecommerce_assets_tests.shop import Shop
from tools.benchmark.deliveries import FIRST, REPOSITORY, add_day, generate

ORDERS, DAYS = 10_000, 30
CLICKS = 3
Command = Callable[..., dict[str, float]]


def small(command: Command, show: Callable[[str, dict[str, float]], None]) -> None:
    """Runs of a small shop, and their ratio to its first load.

    Args:
        command: measures an `ecommerce` command, given landing, folder and the words.
        show: prints the figures.
    """
    with TemporaryDirectory() as name:
        root = Path(name)
        landing = root / "landing"
        generate(landing, ORDERS, DAYS)
        (root / "dagster.yaml").write_text((REPOSITORY / "dagster.yaml").read_text())
        day = FIRST + timedelta(days=DAYS - 1)
        print(f"\n{ORDERS:,} orders in {DAYS} deliveries, then day by day")
        first = command(landing, root, "run", "--from", f"{FIRST}", "--to", f"{day}")
        show("first load", first)

        def tomorrow() -> date:
            nonlocal day
            add_day(landing)
            day += timedelta(days=1)
            return day

        def measured(title: str, *words: str) -> None:
            found = command(landing, root, "run", *words)
            show(title, found)
            print(f"    {found['wall'] / first['wall']:.2f} of the first load's wall")

        measured("daily run", "--from", f"{tomorrow()}")
        measured("nothing changed", "--from", f"{day}")
    _clicks()


def _clicks() -> None:
    """From launching one gold table for one date, by GraphQL as the UI does, to the run's end."""
    with TemporaryDirectory() as name:
        shop = Shop(Path(name) / "shop")
        shop.deliver_one_of_each()
        server = Server(shop, Path(name) / "home")
        try:
            server.wait_until_loaded()
            _click(server, [name.split(".") for name in all_tables()])
            seconds = []
            for number in range(CLICKS):
                shop.deliver("orders", {"total_amount": f"{number + 20}.00"})
                _click(server, [["bronze", "orders"], ["silver", "orders"]])
                seconds.append(_click(server, [["gold", "daily_revenue"]]))
            print(f"  dagster dev, a click on one gold table: {statistics.median(seconds):.1f} s "
                  f"({min(seconds):.1f} to {max(seconds):.1f})", flush=True)  # fmt: skip
        finally:
            server.stop()


def _click(server: Server, keys: list[list[str]]) -> float:
    """Seconds from the launch of a run to its end."""
    started = time.perf_counter()
    selector = {**LOCATION, "pipelineName": "__ASSET_JOB", "assetCheckSelection": [],
                "assetSelection": [{"path": key} for key in keys]}  # fmt: skip
    tags = [{"key": "dagster/partition", "value": "2024-01-01"}]
    launched: Any = server.ask(
        LAUNCH,
        params={"selector": selector, "runConfigData": {}, "mode": "default",
                "executionMetadata": {"tags": tags}},
    )  # fmt: skip
    run = launched["launchPipelineExecution"]["run"]["runId"]
    while True:
        query = f'{{ runOrError(runId: "{run}") {{ ... on Run {{ status }} }} }}'
        status = server.ask(query)["runOrError"]["status"]
        if status == "SUCCESS":
            return time.perf_counter() - started
        assert status not in ("FAILURE", "CANCELED"), status
        time.sleep(0.05)
