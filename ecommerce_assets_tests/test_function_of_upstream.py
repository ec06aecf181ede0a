"""Promise 1: after runs in any order, tables are what the oracle makes of what landing holds."""

from ecommerce_assets_tests.shop import Shop
from ecommerce_assets_tests.three_days import DAYS, different


def deliver_three_days(shop: Shop) -> None:
    for number, day in enumerate(DAYS):
        shop.deliver("customers", {"city": day, "updated_at": day}, day=day)
        shop.deliver("products", {"price": f"{number + 1}"}, day=day)
        shop.deliver("orders", {"order_id": f"O{number}", "order_date": day},
                     {"order_id": "O9", "order_date": day}, day=day)  # fmt: skip
        shop.deliver("order_items", {"order_item_id": f"I{number}", "order_id": f"O{number}"},
                     {"order_item_id": "I9", "order_id": "O9"}, day=day)  # fmt: skip


def test_corrected_and_emptied_deliveries(shop: Shop):
    deliver_three_days(shop)
    shop.run_all(DAYS[0], DAYS[-1])
    # A row changed, one gone, one new; a key moved to another order date; a day emptied.
    shop.deliver("orders", {"order_id": "O1", "order_date": "2024-03-05"}, {"order_id": "O5"},
                 day=DAYS[1])  # fmt: skip
    shop.deliver("products", {"product_id": "P2"}, day=DAYS[2])
    shop.file("customers", DAYS[2]).unlink()
    shop.file("order_items", DAYS[0]).write_text("")
    for day in reversed(DAYS):
        shop.run_all(day)
    assert different(shop) == {}
    assert len(shop.content("bronze.customers")) == 2
    assert "2024-03-05" in str(shop.content("gold.fact_sales"))


def test_a_run_touches_only_its_dates(shop: Shop):
    deliver_three_days(shop)
    shop.run("bronze", first=DAYS[0], last=DAYS[2])
    for day in DAYS:
        shop.file("customers", day).unlink()
    shop.run("bronze", "customers", DAYS[1])
    dates = shop.query(
        "select distinct cast(_ingestion_date as varchar) as d from bronze.customers"
    )
    assert sorted(row["d"] for row in dates) == [DAYS[0], DAYS[2]]
