"""Three days of a tiny shop, for tests of runs: deliver, make a table, compare with the oracle."""

from datetime import date

from ecommerce_assets.jobs.arguments import JobArguments
from ecommerce_assets.jobs.engines import open_engine
from ecommerce_assets.jobs.materialize import materialize
from ecommerce_assets.jobs.outcome import Published
from ecommerce_assets.refresh.run_cache import RunCache
from ecommerce_assets.tables import all_tables
from ecommerce_assets.thresholds import Thresholds
from ecommerce_assets_tests import oracle
from ecommerce_assets_tests.comparison import differences
from ecommerce_assets_tests.shop import Shop

DAYS = ("2024-01-30", "2024-01-31", "2024-02-01")


def deliver(shop: Shop, number: int) -> str:
    """A delivery with a new order of a new customer, a new product, and a new snapshot of an old one."""
    day = DAYS[number]
    shop.deliver(
        "customers", {"customer_id": f"C{number}"}, {"city": day, "updated_at": day}, day=day
    )
    shop.deliver("products", {"product_id": f"P{number}"}, {"price": f"{number + 1}"}, day=day)
    shop.deliver("orders", {"order_id": f"O{number}", "customer_id": f"C{number}", "order_date": day},
                 {"updated_at": day, "status": "shipped"}, day=day)  # fmt: skip
    shop.deliver("order_items", {"order_item_id": f"I{number}", "order_id": f"O{number}", "product_id": f"P{number}"},
                 {"updated_at": day, "quantity": f"{number + 1}"}, day=day)  # fmt: skip
    return day


def different(shop: Shop, last: int = len(DAYS) - 1) -> dict[str, list]:
    """What differs from the oracle, of every table, after all days up to `last` were run."""
    days = [date.fromisoformat(day) for day in DAYS[: last + 1]]
    rows = {
        table: oracle.DEFAULT.bronze(shop.landing, table, days) for table in oracle.DEFAULT.tables
    }
    return differences(shop.lakehouse, all_tables(), rows)


def make(shop: Shop, identifier: str, day: str = DAYS[-1]) -> Published:
    """Materialize one table; what its run says of itself."""
    if identifier.startswith("gold.fact_"):
        shop.rates()
    places = (str(shop.landing), str(shop.lakehouse))
    when = date.fromisoformat(day)
    arguments = JobArguments((), when, when, *places, Thresholds(1, 1, money_limit=1))
    cache = RunCache()
    with open_engine("duckdb", shop.tables) as engine:
        try:
            tables = [all_tables()[identifier]]
            (made,) = materialize(engine, shop.tables, tables, arguments, cache)
        finally:
            cache.release()
    return made
