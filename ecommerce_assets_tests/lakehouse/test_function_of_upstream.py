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


def test_corrected_and_emptied_deliveries(shop: Shop) -> None:
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


def test_inferred_members_come_and_go_with_the_items_that_name_them(shop: Shop) -> None:
    deliver_three_days(shop)
    shop.run_all(DAYS[0], DAYS[-1])
    shop.deliver("order_items", {"order_item_id": "I1", "order_id": "O1", "product_id": "P7"},
                 day=DAYS[1])  # fmt: skip
    shop.run_all(DAYS[1])
    inferred = "select product_id from gold.dim_product where is_inferred"
    assert [row["product_id"] for row in shop.query(inferred)] == ["P7"]
    assert different(shop) == {}
    shop.deliver("order_items", {"order_item_id": "I1", "order_id": "O1"}, day=DAYS[1])
    shop.run_all(DAYS[1])
    assert shop.query(inferred) == []
    assert different(shop) == {}


def test_an_item_moves_a_sale_is_cancelled_a_line_is_taken_back(shop: Shop) -> None:
    """What affected keys leave behind: the order, the day, the customer and the product of before."""
    day, later = DAYS[0], DAYS[1]
    shop.deliver("customers", {"customer_id": "C1"}, {"customer_id": "C2"}, {"customer_id": "C3"},
                 day=day)  # fmt: skip
    shop.deliver("products", {"product_id": "P1"}, {"product_id": "P2"}, {"product_id": "P3"},
                 day=day)  # fmt: skip
    shop.deliver("orders", {"order_id": "O1", "customer_id": "C1", "order_date": "2024-02-28"},
                 {"order_id": "O2", "customer_id": "C2", "order_date": "2024-02-29"},
                 {"order_id": "O3", "customer_id": "C3", "order_date": "2024-03-01"}, day=day)  # fmt: skip
    shop.deliver("order_items", {"order_item_id": "I1", "order_id": "O1"},
                 {"order_item_id": "I2", "order_id": "O2"},
                 {"order_item_id": "I3", "order_id": "O3", "product_id": "P3"}, day=day)  # fmt: skip
    shop.deliver("order_items", {"order_item_id": "I4", "order_id": "O2", "product_id": "P2"},
                 day=later)  # fmt: skip
    shop.run_all(day, later)
    sold = "select count(*) as n from gold.top_products"
    assert shop.one(sold)["n"] == 3
    shop.deliver("order_items", {"order_item_id": "I1", "order_id": "O2", "updated_at": DAYS[2]},
                 day=DAYS[2])  # fmt: skip
    shop.deliver("orders", {"order_id": "O3", "customer_id": "C3", "order_date": "2024-03-01",
                            "status": "cancelled", "updated_at": DAYS[2]}, day=DAYS[2])  # fmt: skip
    shop.deliver("order_items", day=later)
    shop.run_all(later, DAYS[2])
    assert shop.one(sold)["n"] == 1
    assert different(shop) == {}


def test_keys_of_any_characters(shop: Shop) -> None:
    """What a run looks for is text in a source: it ends no literal, and hides no other key."""
    keys = ["O'1", 'O"2', "O\\3", "O\\'4", "O`5", "O%6", "\\u0041", "${O8}", "O\n9", "日本😀"]
    for number, key in enumerate(keys):
        for day in DAYS[:2]:
            shop.deliver("orders", {"order_id": key, "customer_id": f"C{key}", "order_date": day},
                         day=day, name=f"{number}.csv")  # fmt: skip
            shop.deliver("order_items", {"order_item_id": f"I{key}", "order_id": key, "product_id": f"P{key}"},
                         day=day, name=f"{number}.csv")  # fmt: skip
    shop.run_all(DAYS[0], DAYS[-1])
    shop.deliver("customers", *[{"customer_id": f"C{key}"} for key in keys], day=DAYS[2])
    shop.deliver("products", *[{"product_id": f"P{key}"} for key in keys], day=DAYS[2])
    # A later version that moves one order to another month, and one that is gone with its file.
    shop.deliver("orders", {"order_id": keys[0], "order_date": DAYS[2], "updated_at": DAYS[2]},
                 day=DAYS[2])  # fmt: skip
    shop.file("orders", DAYS[1], "3.csv").unlink()
    for day in DAYS[1:]:
        shop.run_all(day)
    assert different(shop) == {}
    assert len(shop.content("silver.orders")) == len(keys)


def test_a_run_touches_only_its_dates(shop: Shop) -> None:
    deliver_three_days(shop)
    shop.run("bronze", first=DAYS[0], last=DAYS[2])
    for day in DAYS:
        shop.file("customers", day).unlink()
    shop.run("bronze", "customers", DAYS[1])
    dates = shop.query(
        "select distinct cast(_ingestion_date as varchar) as d from bronze.customers"
    )
    assert sorted(row["d"] for row in dates) == [DAYS[0], DAYS[2]]
