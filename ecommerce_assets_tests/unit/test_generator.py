"""The generator: same seed same bytes, what it injects it counts, the world it makes is a shop's."""

import csv
import json
import os
import subprocess
import sys
from collections import Counter
from datetime import date, datetime
from pathlib import Path

import pytest

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.generator import defects
from ecommerce_assets.generator.order_lines import LINES
from ecommerce_assets.generator.people import customer_row, pools
from ecommerce_assets.generator.shop import Options, continued, generate
from ecommerce_assets.shop import shipped_shops, using
from ecommerce_assets.trial.check import Trial, check
from ecommerce_assets_tests.shop import Shop

TABLES = ("customers", "products", "orders", "order_items", "exchange_rates", "returns")


def make(folder: Path, **options) -> dict:
    given = {"records": 3000, "start_date": date(2024, 1, 1), "days": 20, **options}
    return json.loads(generate(folder, Options(**given), lambda n: None).read_text("utf-8"))


def rows(folder: Path, table: str) -> list[dict[str, str]]:
    found = []
    for file in sorted(folder.glob(f"{table}/*/*.csv")) or [folder / f"{table}.csv"]:
        with open(file, encoding="utf-8", newline="") as handle:
            found += list(csv.DictReader(handle))
    return found


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    make(folder)
    return folder


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    spoilt = {"records": 300, "late": 0.1, "duplicates": 0.1, "defects": 0.1}
    for name, seed in [("a", 1), ("b", 1), ("c", 2)]:
        make(tmp_path / name, seed=seed, **spoilt)
    assert content(tmp_path / "a") == content(tmp_path / "b")
    assert content(tmp_path / "a") != content(tmp_path / "c")


@pytest.mark.timeout(20)
def test_a_late_move_costs_no_more_than_an_early_one() -> None:
    now, pool = datetime(2024, 1, 1), pools(1)["DE"]
    rows = [customer_row(7, 1, pool, now, moves, now) for moves in (0, 1, 10**9, 10**9)]
    assert rows[2] == rows[3]
    assert len({row[7] for row in rows}) == 3
    assert len({tuple(row[:6]) for row in rows}) == 1


def test_same_seed_same_bytes_in_every_process() -> None:
    code = "from ecommerce_assets.generator.people import pools; print(pools(1))"
    told = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True,
                       env={**os.environ, "PYTHONHASHSEED": seed}).stdout
        for seed in "12"
    ]  # fmt: skip
    assert told[0] == told[1]


def test_counts_are_those_asked_for(tmp_path: Path) -> None:
    make(tmp_path, records=500, customers=70, products=90, days=5)
    assert len({row["order_id"] for row in rows(tmp_path, "orders")}) == 500
    assert len({row["customer_id"] for row in rows(tmp_path, "customers")}) == 70
    assert len({row["product_id"] for row in rows(tmp_path, "products")}) == 90
    assert len(list(tmp_path.glob("orders/ingestion_date=*"))) == 5


def test_a_fifth_of_the_customers_makes_most_of_the_orders(clean: Path) -> None:
    orders = {row["order_id"]: row["customer_id"] for row in rows(clean, "orders")}
    counts = sorted(Counter(orders.values()).values(), reverse=True)
    customers = len(rows(clean, "customers"))
    share = sum(counts[: customers // 5]) / len(orders)
    assert 0.7 < share < 0.9


def test_seasons(tmp_path: Path) -> None:
    make(tmp_path, start_date=date(2024, 11, 1), days=61, records=6000)
    first = {}
    for row in rows(tmp_path, "orders"):
        first[row["order_id"]] = row["order_date"][:10]
    days = Counter(first.values())
    assert days["2024-11-29"] > 2 * days["2024-11-15"]
    assert days["2024-12-11"] > 1.3 * days["2024-11-13"]


def test_statuses_advance_and_prices_and_addresses_change(clean: Path) -> None:
    orders: dict[str, list[str]] = {}
    for row in rows(clean, "orders"):
        orders.setdefault(row["order_id"], []).append(row["status"])
    assert ["pending", "delivered"] in orders.values()
    prices: dict[str, set[str]] = {}
    for row in rows(clean, "products"):
        prices.setdefault(row["product_id"], set()).add(row["price"])
    assert max(len(seen) for seen in prices.values()) > 1
    addresses: dict[str, set[str]] = {}
    for row in rows(clean, "customers"):
        addresses.setdefault(row["customer_id"], set()).add(row["address"])
    assert max(len(seen) for seen in addresses.values()) > 1


def test_amounts_agree_with_their_parts(clean: Path) -> None:
    def cents(text: str) -> int:
        return round(float(text or 0) * 100)

    for row in rows(clean, "orders"):
        parts = sum(cents(row[name]) for name in ("subtotal", "tax_amount", "shipping_amount"))
        assert cents(row["total_amount"]) == parts - cents(row["discount_amount"])


def test_flat_holds_the_same_rows(tmp_path: Path, clean: Path) -> None:
    make(tmp_path, flat=True)
    assert {path.name for path in tmp_path.iterdir()} == {
        "_manifest.json", *(f"{table}.csv" for table in TABLES)
    }  # fmt: skip
    for table in TABLES:
        assert len(rows(tmp_path, table)) == len(rows(clean, table))


def test_the_pipeline_catches_what_the_manifest_counts(shop: Shop) -> None:
    manifest = make(shop.landing, records=2000, days=4, late=0.05, duplicates=0.05, defects=0.1)
    first, last = "2024-01-01", "2024-01-04"
    shop.run("bronze", first=first, last=last)
    shop.run("silver", first=first, last=last)
    seen = {"late": 0, "duplicates": 0}
    for table in TABLES[:4]:  # in so few days, there are few rates, and nothing comes back
        days = manifest["tables"][table]
        for day, counts in days.items():
            for kind in seen:
                seen[kind] += counts.get(kind, 0)
            bronze = shop.one(
                f"select count(*) as n, count(_rescued_data) as rescued from bronze.{table} "
                f"where _ingestion_date = '{day}'"
            )
            bad = shop.one(f"select count(*) as n from silver.{table}_quarantine "
                           f"where _ingestion_date = '{day}'")  # fmt: skip
            assert bronze["n"] == counts["rows"]
            assert bad["n"] == sum(counts.get("quarantined", {}).values())
            surplus = counts.get("rescued", {})
            unknown = surplus.get(defects.UNKNOWN_COLUMN, 0)
            expected = counts["rows"] if unknown else surplus.get(defects.TOO_MANY_FIELDS, 0)
            assert bronze["rescued"] == expected
        kinds = {kind for counts in days.values() for kind in counts.get("quarantined", {})}
        assert kinds == set(defects.QUARANTINED[table])
    assert min(seen.values()) > 0


def test_returns_follow_their_orders_and_some_are_broken(shop: Shop) -> None:
    manifest = make(shop.landing, records=4000, days=30, defects=0.1)
    first, last = "2024-01-01", "2024-01-30"
    days = manifest["tables"]["returns"]
    kinds = {kind for counts in days.values() for kind in counts.get("quarantined", {})}
    assert kinds == set(defects.QUARANTINED["returns"])
    for layer, tables in (("bronze", "orders,order_items,returns"),
                          ("silver", "orders,order_items,returns,returns_quarantine")):  # fmt: skip
        shop.run(layer, tables, first, last)
    found = shop.one(
        "select count(*) as n, count(*) filter (r.business_date > o.business_date) as after, "
        "count(*) filter (r.quantity <= i.quantity) as within from silver.returns r "
        "join silver.orders o using (order_id) join silver.order_items i using (order_item_id)"
    )
    assert found["n"] > 100
    assert found["after"] == found["within"] == found["n"]
    bad = shop.one("select count(*) as n from silver.returns_quarantine")["n"]
    assert bad == sum(sum(c.get("quarantined", {}).values()) for c in days.values())


@pytest.mark.parametrize("name", ["records", "days", "customers", "products"])
def test_counts_below_one(tmp_path: Path, name: str) -> None:
    with pytest.raises(PipelineError, match=f"--{name} is 0"):
        make(tmp_path, **{name: 0})


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(PipelineError, match="choose an empty folder"):
        make(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_second_run_replaces_the_first(tmp_path: Path) -> None:
    make(tmp_path, records=50, days=9)
    make(tmp_path, records=50, days=2)
    assert len(list(tmp_path.glob("orders/*"))) == 2


def test_it_needs_neither_spark_nor_dagster(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from ecommerce_assets.cli.main import ecommerce\n"
        f"ecommerce(['generate', '--output', {str(tmp_path)!r}, '--records', '20'],"
        " standalone_mode=False)\n"
        "assert not {'pyspark', 'dagster', 'pyarrow', 'pandas'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_more_days_go_on_and_leave_the_days_before(tmp_path: Path) -> None:
    make(tmp_path, records=300, days=6, late=0.1, duplicates=0.1, defects=0.1)
    before = content(tmp_path)
    manifest = {}
    for days in (1, 2):
        manifest = json.loads(continued(tmp_path, days, lambda n: None).read_text("utf-8"))
    after = content(tmp_path)
    assert all(after[name] == before[name] for name in before if not name.startswith("_"))
    added = after.keys() - before.keys()
    assert len(added) == 3 * len(TABLES)
    for name in added:
        table, folder, _ = name.split("/")
        lines = list(csv.reader(after[name].decode().splitlines()))
        day = folder.removeprefix("ingestion_date=")
        assert len(lines) - 1 == manifest["tables"][table].get(day, {"rows": 0})["rows"]
    orders = [counts["rows"] for counts in manifest["tables"]["orders"].values()]
    assert min(orders[-3:]) > max(orders) / 4
    # What became of the orders of the days before is delivered on the days that were added.
    later = csv.DictReader(
        after["orders/ingestion_date=2024-01-07/orders.csv"].decode().splitlines()
    )
    assert any(row["order_date"] < "2024-01-07" for row in later)


@pytest.mark.parametrize(
    ("made", "said"), [(False, "no _manifest.json"), (True, "one file per table")]
)
def test_more_days_of_what(tmp_path: Path, made: bool, said: str) -> None:
    if made:
        make(tmp_path, records=100, flat=True)
    with pytest.raises(PipelineError, match=said):
        continued(tmp_path, 1, lambda n: None)


def test_an_interrupted_generation_is_not_continued(tmp_path: Path) -> None:
    options = Options(records=100, start_date=date(2024, 1, 1), days=3)

    def interrupt(orders: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path, options, interrupt)
    with pytest.raises(PipelineError, match="not generated to the end"):
        continued(tmp_path, 1, lambda n: None)
    generate(tmp_path, options, lambda n: None)
    with pytest.raises(KeyboardInterrupt):
        continued(tmp_path, 3, interrupt)
    (tmp_path / "orders" / "ingestion_date=2024-01-06").mkdir(exist_ok=True)
    continued(tmp_path, 1, lambda n: None)
    days = sorted(path.name for path in (tmp_path / "orders").iterdir())
    assert days[-1] == "ingestion_date=2024-01-04"


def tried(folder: Path, name: str) -> Trial:
    with using(shipped_shops()[name]):
        return check(str(folder))


@pytest.mark.parametrize("name", LINES)
def test_a_form_of_order_lines_is_read_by_its_shop_file(tmp_path: Path, name: str) -> None:
    """Late and repeated orders count once, and what is spoilt is what the manifest says."""
    make(tmp_path / "clean", shop=name, records=600)
    clean = tried(tmp_path / "clean", name)
    assert clean.reasons == []
    assert clean.tables["orders"]["current"] == 600
    assert clean.tables["order_items"]["current"] > 1000
    assert clean.tables["returns"]["current"] > 5
    assert [row for row in clean.not_selected if row["table"] == "none"] == []
    make(tmp_path / "untidy", shop=name, records=600, late=0.1, duplicates=0.1)
    untidy = tried(tmp_path / "untidy", name)
    assert untidy.months == clean.months
    assert untidy.tables["order_items"]["superseded"] > clean.tables["order_items"]["superseded"]
    manifest = make(tmp_path / "spoilt", shop=name, records=600, defects=0.1)
    (days,) = manifest["tables"].values()
    injected = sum(sum(counts.get("quarantined", {}).values()) for counts in days.values())
    spoilt = tried(tmp_path / "spoilt", name)
    assert injected > 40
    fates = spoilt.tables.values()
    assert injected / 2 <= sum(fate["quarantined"] for fate in fates) <= 4 * injected
    assert {row["reason"] for row in spoilt.reasons} >= {
        "unit_price: not a number, or out of range"
    }


def test_another_form_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    make(tmp_path, records=50)
    make(tmp_path, records=50, shop="erp")
    assert {path.name for path in tmp_path.iterdir()} == {"belege", "_manifest.json"}
    more = json.loads(continued(tmp_path, 3, lambda n: None).read_text("utf-8"))
    assert more["options"]["shop"] == "erp"
    assert len(list((tmp_path / "belege").iterdir())) == 23
    with pytest.raises(PipelineError, match=r"--shop is 'shopfy'.*Did you mean shopify"):
        make(tmp_path, shop="shopfy")
