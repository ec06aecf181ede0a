"""What the benchmarks feed on: generated deliveries."""

import os
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

FIRST = date(2023, 1, 1)
REPOSITORY = Path(__file__).parents[2]


def generate(landing: Path, orders: int, days: int) -> float:
    """Deliveries with defects, late rows and duplicates; returns the seconds it took."""
    call = [sys.executable, "-c", "from ecommerce_assets.cli.main import main; main()", "generate",
            "--output", str(landing), "--records", str(orders), "--days", str(days),
            "--start-date", FIRST.isoformat(),
            "--defects", "0.02", "--late", "0.02", "--duplicates", "0.02"]  # fmt: skip
    started = time.perf_counter()
    _run(call)
    return time.perf_counter() - started


def add_day(landing: Path) -> None:
    """One more day of the same shop."""
    _run([sys.executable, "-c", "from ecommerce_assets.cli.main import main; main()", "generate",
          "--output", str(landing), "--more-days", "1"])  # fmt: skip


def _run(call: list[str]) -> None:
    subprocess.run(call, check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, "PYTHONPATH": str(REPOSITORY)})  # fmt: skip
