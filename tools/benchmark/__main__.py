"""`make bench`: each engine's first load beside a bare PySpark script, in figures and ratios of one run.

    python -m tools.benchmark [--orders 10000 --orders 1000000]
        [--history 30 --history 365] [--backfill 100000] [--sensor] [--daily 365] [--small] [--rounds 3]

Then a backfill of 30 days beside one day with as many rows; a daily run after so many days of
history, beside a rebuild of the same tables, and their dashboard; the landing sensor's tick; and
the files and states that so many daily runs leave, maintained once a week. Figures of a part alone:
name it. A history of 1,095 days is made only when it is named: it takes 40 minutes and 10 GB.

Each run is a process of its own, from its start to its exit; CPU and memory are those of the
process and all it started, sampled from outside. Both write the same gold tables, which is checked.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import psutil
from dagster._core.instance import InstanceRef

from ecommerce_assets.definitions import build_definitions
from ecommerce_assets.landing.layout import date_folder
from ecommerce_assets.query.local import connect
from ecommerce_assets.settings import ENGINES, Settings
from ecommerce_assets.tables import LAYERS, tables_of
from tools.benchmark.deliveries import FIRST, REPOSITORY, generate
from tools.benchmark.small import small
from tools.benchmark.year import year

DAYS = 30
ORDERS_A_DAY = 5_000
SAMPLE_SECONDS = 0.1
GROWN = 5  # tables named
GOLD = (
    "fact_sales", "fact_returns", "fact_orders", "dim_date", "dim_customer", "dim_product", "daily_revenue", "weekly_revenue",
    "monthly_revenue", "orders_per_customer", "customer_lifetime_value", "top_products",
    "category_performance",
)  # fmt: skip
FIGURES = ("seconds", "seconds_checking", "spark_jobs")
TABLES = " or ".join(f"group:{layer}" for layer in LAYERS)
BARE = "bare script"
FOLDERS = 3_650  # ten years of daily folders


def measured(call: list[str], cwd: Path, environment: dict[str, str]) -> dict[str, float]:
    """Wall seconds, CPU seconds and peak memory (MiB) of a process tree; its log beside."""
    log = cwd / "log"
    started = time.perf_counter()
    with open(log, "w") as output:
        process = psutil.Popen(call, cwd=cwd, env=environment, stdout=output, stderr=output)
        cpu: dict[int, float] = {}
        peak = 0
        before: set[int] = set()
        while process.poll() is None:
            memory, now = 0, set()
            for member in [process, *process.children(recursive=True)]:
                try:
                    times = member.cpu_times()
                    # A process that forks shares its memory with the child for an instant.
                    if member.pid in before:
                        memory += member.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
                cpu[member.pid] = times.user + times.system
                now.add(member.pid)
            peak, before = max(peak, memory), now
            time.sleep(SAMPLE_SECONDS)
    if process.returncode:
        sys.exit(f"{' '.join(call)} failed:\n{log.read_text()[-3000:]}")
    wall = time.perf_counter() - started
    return {"wall": wall, "cpu": sum(cpu.values()), "peak": peak / 2**20}


def pipeline(
    landing: Path,
    folder: Path,
    first: date,
    last: date,
    *,
    full_refresh: bool = False,
    engine: str = ENGINES[0],
) -> dict[str, float]:
    """`dagster asset materialize` of every table for a range of dates, and its split."""
    for name in ("dagster.yaml", "pyproject.toml"):
        (folder / name).write_text((REPOSITORY / name).read_text())
    environment = places(landing, folder) | {"ECOMMERCE_ENGINE": engine}
    config = {"ops": {layer: {"config": {"full_refresh": full_refresh}} for layer in LAYERS}}
    call = [str(Path(sys.executable).with_name("dagster")), "asset", "materialize", "-m",
            "ecommerce_assets.definitions", "--select", TABLES, "--partition-range", f"{first}...{last}",
            "--config-json", json.dumps(config)]  # fmt: skip
    figures = measured(call, folder, environment)
    steps = {
        step: _seconds(duration)
        for step, duration in re.findall(
            r'Finished execution of step "(\w+)" in ([\w.]+)', (folder / "log").read_text()
        )
    }
    figures |= steps
    figures["dagster and start-up"] = figures["wall"] - sum(steps.values())
    # The tables are checked side by side.
    of_run = of_tables(folder).values()
    figures["checks"] = sum(checking for _, checking, _ in of_run)
    figures["jobs"] = sum(jobs for *_, jobs in of_run)
    return figures


def places(landing: Path, folder: Path) -> dict[str, str]:
    """The environment of a process for this landing folder and the lakehouse in `folder`."""
    environment = {**os.environ, "ECOMMERCE_LANDING": str(landing),
                   "ECOMMERCE_LAKEHOUSE": str(folder / "lakehouse"),
                   "ECOMMERCE_DASHBOARD": str(folder / "dashboard.html"),
                   "ECOMMERCE_START_DATE": FIRST.isoformat(),
                   "PYTHONPATH": str(REPOSITORY)}  # fmt: skip
    environment.pop("DAGSTER_HOME", None)
    return environment


def command(landing: Path, folder: Path, *words: str) -> dict[str, float]:
    """An `ecommerce` command, from a cold start to its exit."""
    call = [sys.executable, "-c", "from ecommerce_assets.cli.main import main; main()", *words]
    return measured(call, folder, places(landing, folder))


def of_tables(folder: Path) -> dict[str, tuple[float, ...]]:
    """By table of a folder's last run: its `FIGURES`."""
    with contextlib.chdir(folder), tempfile.TemporaryDirectory() as logs:
        reference = InstanceRef.from_dir(logs, config_dir=str(folder))
        with dg.DagsterInstance.from_ref(reference) as instance:
            (run,) = instance.get_runs(limit=1)
            records = instance.get_records_for_run(
                run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
            ).records
    found = {}
    for record in records:
        made = record.event_log_entry.asset_materialization
        if not made.metadata.keys() >= set(FIGURES):
            continue  # not a table
        figures = (made.metadata[name].value for name in FIGURES)
        found[".".join(made.asset_key.path)] = tuple(map(float, figures))
    return found


def show_growth(
    shorter: dict[str, tuple[float, ...]], longer: dict[str, tuple[float, ...]]
) -> None:
    """The tables whose run takes longest more than after the shorter history."""
    grown = sorted(longer, key=lambda name: shorter[name][0] - longer[name][0])[:GROWN]
    told = [f"{name} {shorter[name][0]:.1f} to {longer[name][0]:.1f} s" for name in grown]
    print(f"    grown most: {', '.join(told)}", flush=True)


def _seconds(duration: str) -> float:
    """Dagster's `2m29s`, `8.41s` or `96ms`."""
    if duration.rstrip(".").endswith("ms"):
        return float(duration.rstrip(".")[:-2]) / 1000
    minutes, _, seconds = duration.rstrip("s.").rpartition("m")
    return 60 * int(minutes or 0) + float(seconds)


def bare(landing: Path, folder: Path) -> dict[str, float]:
    """The bare script."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    call = [sys.executable, "-m", "tools.benchmark.bare_pyspark", str(landing),
            str(folder / "gold")]  # fmt: skip
    return measured(call, folder, environment)


def same_gold(lakehouse: Path, parquet: Path) -> None:
    """Stop unless both wrote the same rows, cell by cell."""
    connection = connect(str(lakehouse))
    for name in GOLD:
        other = f"read_parquet('{parquet}/{name}/*.parquet')"
        (rows,) = connection.sql(f"select count(*) from gold.{name}").fetchall()[0]
        (differing,) = connection.sql(
            f"select count(*) from ((from gold.{name} except all from (select columns(*) from {other})) "
            f"union all (from (select columns(*) from {other}) except all from gold.{name}))"
        ).fetchall()[0]
        if differing:
            sys.exit(f"gold.{name}: {differing} of {rows} rows differ from the bare script's")
    connection.close()


def show(title: str, figures: dict[str, float]) -> None:
    print(f"  {title:<34}{figures['wall']:>8.1f} s wall{figures['cpu']:>9.1f} s CPU"
          f"{figures['peak']:>8.0f} MiB")  # fmt: skip


def whole_pipeline(orders: int, rounds: int) -> None:
    """The first load by each engine, and the bare script, by turns; medians of some rounds."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        landing = root / "landing"
        seconds = generate(landing, orders, DAYS)
        print(f"\n{orders:,} orders in {DAYS} deliveries (generated in {seconds:.1f} s), "
              f"medians of {rounds}", flush=True)  # fmt: skip
        found: dict[str, list[dict[str, float]]] = defaultdict(list)
        for number in range(rounds):
            folders = {who: root / f"{who}{number}" for who in (*ENGINES, BARE)}
            for who, folder in folders.items():
                folder.mkdir()
                last = FIRST + timedelta(days=DAYS - 1)
                found[who].append(
                    bare(landing, folder) if who == BARE
                    else pipeline(landing, folder, FIRST, last, engine=who)
                )  # fmt: skip
            for engine in ENGINES:
                same_gold(folders[engine] / "lakehouse", folders[BARE] / "gold")
            for folder in folders.values():
                shutil.rmtree(folder)
        middle = {
            who: {key: statistics.median(one[key] for one in runs) for key in runs[0]}
            for who, runs in found.items()
        }
        for who, figures in middle.items():
            show(f"{who}, all tables and checks" if who in ENGINES else who, figures)
            if who in ENGINES:
                split = ("dagster and start-up", *LAYERS)
                print("    " + ", ".join(f"{part} {figures[part]:.1f} s" for part in split))
        first, *others = middle
        for who in others:
            ratios = (f"{middle[first][key] / middle[who][key]:.2f} of its {key}"
                      for key in ("wall", "cpu", "peak"))  # fmt: skip
            print(f"  {first} to {who}: {', '.join(ratios)}", flush=True)


def backfill(orders: int) -> None:
    """A backfill of 30 days in one run beside one day with the same number of rows."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        print(f"\n{orders:,} orders in one run", flush=True)
        runs = {}
        for days in (1, DAYS):
            landing, folder = root / f"landing{days}", root / f"lake{days}"
            folder.mkdir()
            generate(landing, orders, days)
            runs[days] = pipeline(landing, folder, FIRST, FIRST + timedelta(days=days - 1))
            show(f"{days} deliveries", runs[days])
        print(f"  ratio of wall {runs[DAYS]['wall'] / runs[1]['wall']:.2f}", flush=True)


def compute(figures: dict[str, float]) -> float:
    """Seconds in the three job runs."""
    return sum(figures[layer] for layer in LAYERS)


def histories(lengths: list[int]) -> None:
    """The run of the last day after so many days of history, each in a lakehouse of its own."""
    days = max(lengths) + 1
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        seconds = generate(root / "landing", ORDERS_A_DAY * days, days)
        print(f"\n{days} deliveries of {ORDERS_A_DAY:,} orders (generated in {seconds:.1f} s)")
        last = FIRST + timedelta(days=days - 1)
        runs, tables = {}, {}
        for length in sorted(lengths):
            folder = root / str(length)
            folder.mkdir()
            first = last - timedelta(days=length)
            load = pipeline(root / "landing", folder, first, last - timedelta(days=1))
            show(f"load of {length} days in one run", load)
            runs[length] = pipeline(root / "landing", folder, last, last)
            tables[length] = of_tables(folder)
            show(f"daily run after {length} days", runs[length])
            split = ", ".join(f"{layer} {runs[length][layer]:.1f} s" for layer in LAYERS)
            shortest = runs[min(runs)]
            made = command(root / "landing", folder, "dashboard", "--no-open")
            show(f"dashboard after {length} days", made)
            size = (folder / "dashboard.html").stat().st_size
            print(f"    its size {size / 1e6:.2f} MB")
            asked = command(root / "landing", folder, "query", "from gold.monthly_revenue")
            show(f"query of a KPI after {length} days", asked)
            print(f"    {split}; {runs[length]['jobs']:.0f} Spark jobs; {runs[length]['wall'] / shortest['wall']:.2f} times the wall after "
                  f"{min(runs)} days", flush=True)  # fmt: skip
            if len(tables) > 1:
                show_growth(tables[min(tables)], tables[length])
        longest = max(lengths)
        again = pipeline(root / "landing", root / str(longest), last, last)
        show("the same again, nothing changed", again)
        rebuild = pipeline(root / "landing", root / str(longest), last, last, full_refresh=True)
        show(f"full rebuild after {longest} days", rebuild)
        print(f"    compute of the rebuild to that of the daily run: "
              f"{compute(rebuild) / compute(runs[longest]):.1f} times", flush=True)  # fmt: skip


def sensor() -> None:
    """Ticks of the landing sensor over ten years of daily folders of four tables."""
    with tempfile.TemporaryDirectory() as name, dg.DagsterInstance.ephemeral() as instance:
        landing = Path(name) / "landing"
        tables = [table.name for table in tables_of("bronze")]
        long_ago = time.time() - 3600
        first = date.today() - timedelta(days=FOLDERS)
        for table in tables:
            for number in range(FOLDERS):
                file = landing / table / date_folder(first + timedelta(days=number)) / "a.csv"
                file.parent.mkdir(parents=True)
                file.write_text("a")
                os.utime(file, (long_ago, long_ago))
        definitions = build_definitions(
            Settings(landing=str(landing), lakehouse=f"{name}/lake", start_date=first)
        )
        watching = definitions.resolve_sensor_def("landing_sensor")
        print(f"\nLanding sensor, {FOLDERS:,} folders x {len(tables)} tables")
        cursor = None
        for tick in ("first tick", "nothing changed", "one file changed"):
            if tick == "one file changed":
                os.utime(file, (long_ago + 60, long_ago + 60))
            context = dg.build_sensor_context(instance, cursor=cursor, definitions=definitions)
            started = time.perf_counter()
            done = watching.evaluate_tick(context)
            seconds = time.perf_counter() - started
            cursor = done.cursor
            print(f"  {tick:<20}{seconds:8.2f} s   {len(done.run_requests or [])} runs requested, "
                  f"cursor {len(cursor or '') / 1e3:.0f} kB", flush=True)  # fmt: skip


def loading() -> None:
    """Loading the code location, and the command line's help, beside bare imports."""

    def median(code: str) -> float:
        seconds = []
        for _ in range(7):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(REPOSITORY)})  # fmt: skip
            seconds.append(time.perf_counter() - started)
        return statistics.median(seconds)

    imports = median("import dagster, dagster_aws, pandera.pandas")
    location = median("from ecommerce_assets.definitions import defs; defs().resolve_asset_graph()")
    nothing = median("pass")
    helped = median("from ecommerce_assets.cli.main import ecommerce; ecommerce(['--help'])")
    print(f"Loading the code location {location:.2f} s, the bare imports {imports:.2f} s: ratio "
          f"{location / imports:.2f}")  # fmt: skip
    print(f"ecommerce --help {helped:.2f} s, python -c pass {nothing:.2f} s: "
          f"{helped - nothing:.2f} s more")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, action="append")
    parser.add_argument("--history", type=int, action="append")
    parser.add_argument("--backfill", type=int, action="append")
    parser.add_argument("--sensor", action="store_true")
    parser.add_argument("--daily", type=int)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    everything = not any(value for name, value in vars(given).items() if name != "rounds")
    orders = [10_000, 1_000_000] if everything else given.orders or []
    print(json.dumps({"cores": os.cpu_count(), "python": sys.version.split()[0],
                      "duckdb": duckdb.__version__}))  # fmt: skip
    loading()
    for number in orders:
        whole_pipeline(number, given.rounds)
    if everything or given.small:
        small(command, show)
    for number in [100_000] if everything else given.backfill or []:
        backfill(number)
    if everything or given.history:
        histories(given.history or [30, 365])
    if everything or given.sensor:
        sensor()
    if everything or given.daily:
        year(given.daily or 365)


if __name__ == "__main__":
    main()
