"""Deliveries that are read without an error and are not what the shop meant: each is told."""

from decimal import Decimal

import pytest

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.model.audit import Finding
from ecommerce_assets_tests.shop import DAY, Shop
from ecommerce_assets_tests.three_days import make

NEXT = "2024-01-02"
LATER = "2024-01-03"


def findings(shop: Shop, table: str, day: str = DAY) -> dict[str, Finding]:
    """What a run of one table says of it."""
    return {finding.check.name: finding for finding in make(shop, table, day).findings}


def warns(finding: Finding) -> bool:
    return not finding.passed and not finding.blocks and finding.level == "WARN"


# ---- orders and items


@pytest.fixture(scope="module")
def doubtful(module_shop: Shop) -> dict[str, Finding]:
    """Ten orders: four without an item, and one of each kind that does not add up."""
    shop = module_shop
    odd_orders: dict[int, dict[str, str]] = {
        **{n: {"total_amount": "1.00"} for n in range(1, 5)},
        5: {"total_amount": "7.50"},  # a discount that no column says, tax and shipping unknown
        6: {"total_amount": "61.00", "subtotal": "61.00"},
        7: {"total_amount": "9.99"},
        8: {"total_amount": "7.40"},
    }
    odd_items = {
        6: {"quantity": "2", "line_total": "61.00"},
        7: {"discount_percent": "0.15", "line_total": ""},
    }
    orders = [{"order_id": f"O{n}", **odd_orders.get(n, {})} for n in range(1, 11)]
    items = [
        {"order_item_id": f"I{n}", "order_id": f"O{n}", **odd_items.get(n, {})}
        for n in range(5, 11)
    ]
    items += [{"order_item_id": f"I{n}", "order_id": f"O{n}"} for n in (98, 99)]
    shop.deliver("orders", *orders, {"order_id": "O98", "status": "shiped"})
    shop.deliver("order_items", *items)
    shop.run("bronze", "orders,order_items")
    shop.run("silver", "orders,orders_quarantine,order_items")
    return findings(shop, "gold.fact_sales")


@pytest.mark.parametrize(
    ("check", "counts", "said"),
    [
        ("items_without_order",
         {"items": 2, "of_items": 8, "waiting_amount": "20.00", "order_in_quarantine": 1,
          "order_not_delivered": 1},
         "2 of 8 items (25 %, limit 1 %), worth 20.00 EUR or PLN, have no order: the orders of 1 are in "
         "quarantine, those of 1 were not delivered."),
        ("orders_have_items", {"orders": 10, "without_item": 4, "total": "4.00"},
         "4 of 10 orders sold (40 %, limit 1 %), with a total of 4.00 EUR, have no item, e.g. O4."),
        ("order_amounts_agree",
         {"orders": 10, "disagreeing": 2, "disagreeing_amount": "20.00", "difference": "5.10"},
         "2 of 10 orders, worth 20.00 of 114.99 EUR (17.4 %, limit 1 %), disagree with their items "
         "or parts by 5.10, e.g. order_id O5, cause discount_not_read, difference 2.50, items_total "
         "10.00, discount_amount 0.00, tip_amount 0.00, total_amount 7.50, currency EUR."),
        ("line_totals_agree", {"items": 8, "disagreeing": 1},
         "e.g. order_item_id I6, quantity 2, unit_price 10.0000, discount_percent 0.00, "
         "line_total 61.00."),
        ("discounts_are_percent", {"discounted_items": 1, "below_one_percent": 1},
         "1 of 1 discounted items have a discount below 1 percent."),
    ],
)  # fmt: skip
def test_orders_and_items(
    doubtful: dict[str, Finding], check: str, counts: dict[str, object], said: str
) -> None:
    finding = doubtful[check]
    assert warns(finding)
    assert counts.items() <= finding.counts.items()
    assert said in finding.message
    assert finding.sample


def test_prices_that_include_tax_are_named_as_the_cause(shop: Shop) -> None:
    taxed = {"subtotal": "119.00", "tax_amount": "19.00", "shipping_amount": "5.00"}
    shop.deliver("orders", {**taxed, "total_amount": "124.00"},
                 {"order_id": "O2", **taxed, "total_amount": "143.00"})  # fmt: skip
    shop.deliver("order_items", *[{"order_item_id": f"I{n}", "order_id": f"O{n}", "quantity": "1",
                                   "unit_price": "119.00", "line_total": ""} for n in (1, 2)])  # fmt: skip
    shop.run("bronze", "orders,order_items")
    shop.run("silver", "orders,order_items")
    finding = findings(shop, "gold.fact_sales")["order_amounts_agree"]
    assert warns(finding)
    assert finding.counts["tax_included"] == 1
    assert finding.advice.startswith("1 by 19.00 EUR (tax_included): they agree if tax is a part")


def test_totals_that_are_too_low_weigh_as_much_as_the_items(shop: Shop) -> None:
    shop.deliver(
        "orders",
        *[{"order_id": f"O{n}", "total_amount": "0.00" if n % 2 else "10.00"} for n in range(200)],
    )
    shop.deliver(
        "order_items", *[{"order_item_id": f"I{n}", "order_id": f"O{n}"} for n in range(200)]
    )
    shop.run("bronze", "orders,order_items")
    shop.run("silver", "orders,order_items")
    finding = findings(shop, "gold.fact_sales")["order_amounts_agree"]
    assert warns(finding)
    assert "100 of 200 orders, worth 1,000.00 of 2,000.00 EUR (50 %" in finding.message


def test_computed_amounts_agree_whatever_the_digits_of_a_percentage(shop: Shop) -> None:
    odd = {"unit_price": "1000", "discount_percent": "33.3333", "line_total": ""}
    shop.deliver("orders", {})
    shop.deliver("order_items", *[{"order_item_id": f"I{n}", **odd} for n in range(200)])
    shop.run("bronze", "orders,order_items")
    shop.run("silver", "orders,order_items")
    assert findings(shop, "gold.fact_sales")["line_totals_agree"].passed


def test_checks_speak_of_the_published_table_not_of_what_the_run_recomputed(
    doubtful: dict[str, Finding], module_shop: Shop
) -> None:
    """A run that recomputed three orders had said that none disagrees."""
    shop = module_shop
    shop.deliver("orders", {"order_id": "O20"}, day=NEXT)
    shop.deliver("order_items", {"order_item_id": "I20", "order_id": "O20"}, day=NEXT)
    shop.run("bronze", "orders,order_items", NEXT)
    shop.run("silver", "orders,order_items", NEXT)
    made = make(shop, "gold.fact_sales", NEXT)
    assert made.why == "1 affected by what changed upstream, by order_id"
    found = {finding.check.name: finding for finding in made.findings}
    assert found["order_amounts_agree"].counts["disagreeing"] == 2
    assert found["order_amounts_agree"].counts["orders"] == 11
    assert found["orders_have_items"].counts["without_item"] == 4
    # An order's amounts decide no fact row, and what is said of them.
    corrected = [{"order_id": name, "updated_at": LATER} for name in ("O5", "O8")]
    shop.deliver("orders", *corrected, day=LATER)
    shop.run("bronze", "orders", LATER)
    shop.run("silver", "orders", LATER)
    assert (
        findings(shop, "gold.fact_sales", LATER)["order_amounts_agree"].counts["disagreeing"] == 0
    )


@pytest.mark.parametrize("dimension", ["product", "customer"])
def test_ids_that_are_written_differently(shop: Shop, dimension: str) -> None:
    shop.deliver("products", {"product_id": "001"})
    shop.deliver("customers", {"customer_id": "001"})
    shop.deliver("orders", {"customer_id": "1"}, {"order_id": "O2", "customer_id": "2"})
    shop.deliver(
        "order_items", {"product_id": "1"},
        {"order_item_id": "I2", "order_id": "O2", "product_id": "2"},
    )  # fmt: skip
    shop.run_all()
    shop.deliver(f"{dimension}s", {f"{dimension}_id": "002"}, day=NEXT)
    shop.run("bronze", f"{dimension}s", NEXT)
    shop.run("silver", f"{dimension}s", NEXT)
    finding = findings(shop, f"gold.dim_{dimension}", NEXT)["inferred_members"]
    assert warns(finding)
    assert finding.counts == {"members": 4, "inferred": 2, "share": 0.5, "limit": 0.05}
    assert f"e.g. {dimension}_id '1'" in finding.message
    assert "like '1' and '001'" in finding.text


# ---- deliveries


def test_a_comma_in_an_address_without_quotes_shifts_the_columns(shop: Shop) -> None:
    file = shop.file("customers")
    header = "customer_id,email,country,created_at,address\n"
    rows = [f"C{n},c{n}@example.com,DE,2024-01-01,Street {n}" for n in range(100)]
    file.write_text(header + "\n".join(f"{row},," for row in rows) + "\n")
    finding = findings(shop, "bronze.customers", DAY)["fields_as_in_header"]
    assert finding.passed, "delimiters at the end of a line are no fields"
    file.write_text(header + "\n".join([rows[0] + ", 2nd floor", *rows[1:]]) + "\n")
    finding = findings(shop, "bronze.customers", DAY)["fields_as_in_header"]
    assert warns(finding)
    assert finding.message == (
        "1 of 100 rows have more fields than their file's header, like "
        "customers/ingestion_date=2024-01-01/rows.csv line 2."
    )
    file.write_text(
        header + "\n".join([f"{row}, 2nd floor" for row in rows[:20]] + rows[20:]) + "\n"
    )
    with pytest.raises(
        PipelineError, match=r"fields_as_in_header.*20 of 100 rows have more fields"
    ):
        shop.run("bronze", "customers", limit=0.05)


def test_a_quote_that_swallows_lines(shop: Shop) -> None:
    lines = [f'P{n},"Chair{n}",toys,4.00' for n in range(9)]
    lines[3] = 'P3,"Chair, 12,toys,4.00'
    lines[6] = 'P6,Chair", old,4.00'
    shop.file("products").write_text("product_id,name,category,price\n" + "\n".join(lines) + "\n")
    with pytest.raises(PipelineError, match="the record begins at line 5, where a quote opens"):
        shop.run("bronze", "products")
    shop.file("products").write_text(
        "product_id,name,category,price\n" + "\n".join(lines[:3]) + "\n"
        'P3,"Chair,toys,4.00\nP4,Table,toys,5.00\nP5,Lamp",toys,6.00\n'
    )  # fmt: skip
    finding = {found.check.name: found for found in make(shop, "bronze.products", DAY).findings}[
        "quotes_closed"
    ]
    assert warns(finding)
    assert finding.message == (
        "1 records have a quoted field that holds what looks like lines, like "
        "products/ingestion_date=2024-01-01/rows.csv line 5."
    )


def test_a_file_that_is_cut_off_in_its_last_record(shop: Shop) -> None:
    shop.deliver("order_items", {}, {"order_item_id": "I2"})
    whole = shop.file("order_items").read_bytes()
    cut = whole[: whole.rindex(b",10.00,10.00")] + b",1"
    for content, told in ((whole.rstrip(b"\n"), False), (cut + b"\n", False), (cut, True)):
        shop.file("order_items").write_bytes(content)
        made = make(shop, "bronze.order_items", DAY)
        finding = {found.check.name: found for found in made.findings}["last_record_complete"]
        assert (made.rows, not finding.passed) == (2, told)
    assert warns(finding)
    assert finding.message == (
        "1 files end in the middle of a record, like "
        "order_items/ingestion_date=2024-01-01/rows.csv line 3."
    )
    kept = shop.query(
        "select unit_price, _rescued_data from bronze.order_items order by _row_number"
    )
    assert kept[1] == {"unit_price": "1", "_rescued_data": '{"_cut_off": true}'}


def test_a_delivery_that_is_less_than_the_one_it_replaces(shop: Shop) -> None:
    rows = [{"order_id": f"O{n}", "total_amount": "100.00"} for n in range(10)]
    shop.deliver("orders", *rows)
    assert findings(shop, "bronze.orders")["rows_as_before"].counts["dates_again"] == 0
    shop.run("silver", "orders")
    shop.deliver("orders", *rows[:6])
    rows_found = findings(shop, "bronze.orders")["rows_as_before"]
    value = findings(shop, "silver.orders")["value_as_before"]
    assert warns(rows_found)
    assert rows_found.by_date == [{"date": DAY, "rows": 6, "rows_before": 10}]
    assert "2024-01-01 has 6 rows, before 10" in rows_found.message
    assert warns(value)
    assert value.by_date == [
        {"date": DAY, "value": Decimal("600.00"), "value_before": Decimal("1000.00")}
    ]
    assert "total_amount of 2024-01-01 adds up to 600.00, before 1,000.00" in value.message
    # As many rows and as much again: nothing to say.
    shop.deliver("orders", *rows[:5], {"order_id": "O5", "total_amount": "101.00"})
    assert findings(shop, "bronze.orders")["rows_as_before"].passed
    assert findings(shop, "silver.orders")["value_as_before"].passed


def test_columns_that_are_new_gone_or_newly_empty(shop: Shop) -> None:
    def delivered(day: str, count: int = 20, **columns: str) -> Finding:
        rows = [{"order_id": f"{day}-{n}", "customer_id": "C1", "order_date": day, "status": "pending",
                 "total_amount": "10", **columns} for n in range(count)]  # fmt: skip
        shop.deliver_exactly("orders", rows, day=day)
        return findings(shop, "bronze.orders", day)["schema_as_usual"]

    assert delivered("2024-01-01", discount_amount="1", currency="EUR", shop="x").passed
    assert delivered("2024-01-02", discount_amount="1", currency="EUR", shop="y").passed
    renamed = delivered("2024-01-03", discount="1", currency="EUR", shop="y")
    assert warns(renamed)
    assert renamed.by_date == [
        {"date": "2024-01-03", "before": "2024-01-02", "new": ["discount"],
         "gone": ["discount_amount"], "newly_empty": []}
    ]  # fmt: skip
    assert "new: discount; gone: discount_amount" in renamed.message
    empty = delivered("2024-01-04", discount="1", currency="", shop="y")
    assert empty.by_date[0]["newly_empty"] == ["currency"]
    # Of so few rows none may be filled.
    assert delivered("2024-01-05", discount="1", currency="EUR", shop="y").passed
    assert delivered("2024-01-06", 5, discount="1", currency="", shop="y").passed


def test_few_quarantined_rows_that_hold_most_of_the_value(shop: Shop) -> None:
    rows = [{"order_id": f"O{n}", "total_amount": "1.00"} for n in range(96)]
    rows += [{"order_id": f"X{n}", "total_amount": "250.00", "status": "shiped"} for n in range(4)]
    shop.deliver("orders", *rows)
    shop.run("bronze", "orders")
    found = findings(shop, "silver.orders")
    assert found["quarantine_share"].counts["share"] == 0.04
    value = found["value_quarantined"]
    assert warns(value)
    assert value.counts["share"] == 0.912409
    assert (
        "1,000.00 EUR or PLN of 1,096.00 (91.2 %, limit 1 %), by total_amount, lie in quarantine"
        in value.message
    )
    # Also for later dates, until a valid version comes.
    shop.run("silver", "orders_quarantine")
    shop.deliver("orders", *[{**row, "status": "shipped", "updated_at": NEXT} for row in rows[96:98]],
                 day=NEXT)  # fmt: skip
    shop.run("bronze", "orders", NEXT)
    later = findings(shop, "silver.orders", NEXT)["value_quarantined"]
    assert later.counts["quarantined_value"] == "500.00"


def test_a_newer_version_in_quarantine_leaves_an_older_one_counting(shop: Shop) -> None:
    shop.deliver("orders", {}, {"order_id": "O2"})
    shop.run("bronze", "orders")
    assert findings(shop, "silver.orders")["newest_version_current"].passed
    refunded = {"status": "refunded", "updated_at": NEXT}
    shop.deliver("orders", refunded, {"order_id": "O2", "status": "lost", "updated_at": "2023-01-01"},
                 day=NEXT)  # fmt: skip
    shop.run("bronze", "orders", NEXT)
    finding = findings(shop, "silver.orders", NEXT)["newest_version_current"]
    assert warns(finding)
    assert finding.counts == {"keys": 1, "share": 0.5, "limit": 0.01, "value": "10.00"}
    assert finding.message == (
        "1 of 2 keys (50 %, limit 1 %) have their newest version in quarantine; an older one counts, "
        "worth 10.00 EUR or PLN. "
        "E.g. order_id O1: orders/ingestion_date=2024-01-02/rows.csv line 2 is quarantined."
    )
    # The check is of the table, so another date's run says it as well; until it is corrected.
    shop.run("silver", "orders_quarantine", NEXT)
    shop.deliver("orders", {"order_id": "O3"}, day=LATER)
    shop.run("bronze", "orders", LATER)
    assert findings(shop, "silver.orders", LATER)["newest_version_current"].counts["keys"] == 1
    shop.deliver("orders", {**refunded, "status": "returned"}, day=NEXT)
    shop.run("bronze", "orders", NEXT)
    assert findings(shop, "silver.orders", NEXT)["newest_version_current"].passed


def test_items_that_are_numbered_within_their_order(shop: Shop) -> None:
    """Of 200 rows two had become current, without a word."""
    shop.deliver("orders", *[{"order_id": f"O{n}"} for n in range(100)])
    shop.deliver("order_items", *[
        {"order_item_id": str(number), "order_id": f"O{n}", "unit_price": "20.00", "line_total": "20.00"}
        for n in range(100) for number in (1, 2)
    ])  # fmt: skip
    shop.run("bronze", "order_items")
    finding = findings(shop, "silver.order_items")["key_unambiguous"]
    assert not finding.passed
    assert finding.counts == {"rows": 200, "rows_that_differ": 198, "share": 0.99, "limit": 1}
    assert (
        "198 of 200 rows (99 %, limit 100 %) name another order_id, or in the same file another "
        "product_id, than the current version of their order_item_id; order_item_id '1' has 100 "
        "versions that name 100 different order_id, like 'O0' and 'O99'"
    ) in finding.message
    with pytest.raises(
        PipelineError, match=r"silver.order_items was not published.*key_unambiguous"
    ):
        shop.run("silver", "order_items", full_refresh=True, identity_limit=0.05)


def test_an_item_that_moves_is_reported(shop: Shop) -> None:
    shop.deliver("order_items", *[{"order_item_id": f"I{n}"} for n in range(30)])
    shop.run("bronze", "order_items")
    shop.run("silver", "order_items")
    shop.deliver("order_items", {"order_item_id": "I3", "order_id": "O2", "updated_at": NEXT},
                 *[{"order_item_id": f"J{n}"} for n in range(30)], day=NEXT)  # fmt: skip
    shop.run("bronze", "order_items", NEXT)
    shop.run("silver", "order_items", NEXT, identity_limit=0.05)
    assert len(shop.content("silver.order_items")) == 60


def test_a_key_of_items_that_is_that_of_the_order_is_told(shop: Shop) -> None:
    """Items of one order in one file: within the order, but each another product."""
    shop.deliver("orders", {})
    rows = [{"order_item_id": "O1", "product_id": f"P{n}"} for n in range(3)]
    shop.deliver("order_items", *rows)
    shop.run("bronze", "order_items")
    finding = findings(shop, "silver.order_items")["key_unambiguous"]
    assert not finding.passed
    assert "2 of 3 rows" in finding.message
    assert "3 versions that name 3 different product_id, like 'P0' and 'P2'" in finding.message
    # A correction in another file may name another product.
    shop.deliver("order_items", {"product_id": "P1"})
    shop.deliver("order_items", {"product_id": "P2", "updated_at": "2024-01-02"}, day="2024-01-02")
    shop.run("bronze", "order_items", "2024-01-01", "2024-01-02")
    shop.run("silver", "order_items", "2024-01-02", identity_limit=0)
    assert shop.one("select product_id from silver.order_items")["product_id"] == "P2"
