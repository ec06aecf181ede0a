"""Daily runs for a year, maintained once a week: what is left of files and states, by table.

The runs follow each other in one warm process, so their seconds are those of the jobs alone. A
week passes between two maintenances as far as the ages of states go: what was published before the
last one is older than a week.
"""

import statistics
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from ecommerce_assets.jobs.maintenance import maintain_lakehouse
from ecommerce_assets.jobs.run import run_layer
from ecommerce_assets.lakehouse.catalog import open_lakehouse
from ecommerce_assets.lakehouse.history import history_of
from ecommerce_assets.lakehouse.maintenance import KEPT_DAYS
from ecommerce_assets.tables import LAYERS, all_tables
from tools.benchmark.deliveries import FIRST, generate

ORDERS_A_DAY = 40
WEEK = 7
MONTH = 30


def year(days: int) -> None:
    """Run every day of so many, maintain each week, and count."""
    with tempfile.TemporaryDirectory() as name:
        landing, lakehouse = Path(name) / "landing", Path(name) / "lakehouse"
        generate(landing, ORDERS_A_DAY * days, days)
        print(f"\n{days} daily runs of {ORDERS_A_DAY} orders, maintenance once a week")
        runs, maintenances = [], []
        maintained = datetime.now(UTC)
        for number in range(days):
            runs.append(_daily_run(landing, lakehouse, FIRST + timedelta(days=number)))
            if number % WEEK == WEEK - 1:
                started = time.perf_counter()
                now, maintained = maintained + timedelta(days=KEPT_DAYS), datetime.now(UTC)
                for _ in maintain_lakehouse(str(lakehouse), now):
                    pass
                maintenances.append(time.perf_counter() - started)
        early, late = runs[WEEK : WEEK + MONTH], runs[-MONTH:]
        print(f"  a run in the first month {statistics.median(early):.1f} s, in the last "
              f"{statistics.median(late):.1f} s: {statistics.median(late) / statistics.median(early):.2f} times; "
              f"a maintenance {maintenances[0]:.1f} s at first, {maintenances[-1]:.1f} s at last")  # fmt: skip
        _count(lakehouse, FIRST + timedelta(days=days - 1))


def _daily_run(landing: Path, lakehouse: Path, day: date) -> float:
    started = time.perf_counter()
    # A few bad rows are a large share of so few.
    places = ["--landing", str(landing), "--lakehouse", str(lakehouse), "--quarantine-limit", "1"]
    for layer in LAYERS:
        run_layer(layer, ["--from", day.isoformat(), "--to", day.isoformat(), *places])
    return time.perf_counter() - started


def _count(lakehouse: Path, last: date) -> None:
    opened = open_lakehouse(str(lakehouse))
    print(
        f"  after the run of {last}:   rows    data files   states    files on disk     kB on disk"
    )
    for identifier in all_tables():
        history = history_of(opened, identifier)
        files = [
            path
            for path in (lakehouse / "warehouse").joinpath(*identifier.split(".")).rglob("*")
            if path.is_file()
        ]
        size = sum(path.stat().st_size for path in files) / 1e3
        print(f"  {identifier:<32}{history.rows:>8,}{history.files:>14,}{len(history.snapshots):>9,}"
              f"{len(files):>17,}{size:>15,.0f}", flush=True)  # fmt: skip
