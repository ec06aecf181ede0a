"""What was sold, what came back, what is left: worked out by hand, and by the oracle."""

from decimal import Decimal
from typing import Any

import pytest

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.tables import all_tables
from ecommerce_assets_tests.comparison import differences
from ecommerce_assets_tests.shop import DAY, Shop
from ecommerce_assets_tests.three_days import make

D = Decimal
FEBRUARY, MARCH = "2024-02-01", "2024-03-01"
ALL = [name for name in all_tables() if not name.startswith("bronze")]


def sold(shop: Shop, *orders: dict[str, str], day: str = DAY) -> None:
    """Deliver orders, each with an item of its own, worth its total unless it says otherwise."""
    items, rows = [], []
    for n, order in enumerate(orders, 1):
        own = {name: order.pop(name) for name in [*order] if name.startswith("item_")}
        row = {"order_id": f"O{n}", "total_amount": "", **order}
        rows.append(row)
        items.append(
            {"order_item_id": f"I{row['order_id'][1:]}", "order_id": row["order_id"],
             "line_total": "", **{name[5:]: value for name, value in own.items()}}
        )  # fmt: skip
    shop.deliver(
        "orders",
        *[{**row, "total_amount": row["total_amount"] or "10.00"} for row in rows],
        day=day,
    )
    shop.deliver("order_items", *items, day=day)


def run(shop: Shop, day: str) -> None:
    for layer in ("bronze", "silver", "gold"):
        shop.run(layer, first=day)
    assert differences(shop.lakehouse, ALL, {}) == {}


def back(shop: Shop) -> dict[str, tuple[Any, ...]]:
    rows = shop.query("select return_id, returned_amount, returned_tax, refunded_amount, "
                      "is_order_known, is_counted, sale_key is not null as of_an_item "
                      "from gold.fact_returns order by 1")  # fmt: skip
    return {row.pop("return_id"): tuple(row.values()) for row in rows}


def by_month(shop: Shop) -> dict[str, tuple[Any, ...]]:
    rows = shop.query("select month_start_date as month, revenue, returned, net_revenue "
                      "from gold.monthly_revenue order by 1")  # fmt: skip
    return {str(row.pop("month"))[:7]: tuple(row.values()) for row in rows}


@pytest.fixture
def three(shop: Shop) -> Shop:
    """January: three pieces for 30.00, one for 10.00, and a cancelled order; taxed at 20 %."""
    sold(
        shop,
        {"item_quantity": "3", "tax_amount": "6.00", "shipping_amount": "5.00",
         "total_amount": "41.00"},
        {"tax_amount": "2.00", "total_amount": "12.00"},
        {"status": "cancelled"},
    )  # fmt: skip
    run(shop, DAY)
    return shop


def test_returns_count_on_their_own_day_and_january_stays(three: Shop) -> None:
    january = three.query("select * from gold.daily_revenue")
    three.deliver(
        "returns",
        {"return_id": "part", "returned_at": FEBRUARY, "reason": "damaged"},
        {"return_id": "another", "returned_at": MARCH, "quantity": "2", "amount": "15.00"},
        {"return_id": "refund", "order_id": "O2", "order_item_id": "", "quantity": "",
         "refund_amount": "6.00", "returned_at": MARCH},
        {"return_id": "by product", "order_id": "O2", "order_item_id": "", "product_id": "P1",
         "returned_at": MARCH},
        {"return_id": "cancelled", "order_id": "O3", "order_item_id": "I3", "returned_at": MARCH},
        {"return_id": "note", "order_id": "C7", "order_item_id": "", "product_id": "P1",
         "customer_id": "C1", "unit_price": "3.335", "quantity": "2", "returned_at": MARCH},
        {"return_id": "waits", "order_id": "O9", "order_item_id": "I9", "returned_at": MARCH},
        day=MARCH,
    )  # fmt: skip
    run(three, MARCH)
    assert back(three) == {
        # A third of 30.00 and of its tax; an amount with its part of the tax.
        "part": (D("10.00"), D("2.00"), D("12.00"), True, True, True),
        "another": (D("15.00"), D("3.00"), D("18.00"), True, True, True),
        # Of 12.00 that were paid, 6.00 came back, so half of the goods and of the tax.
        "refund": (D("5.00"), D("1.00"), D("6.00"), True, True, False),
        "by product": (D("10.00"), D("2.00"), D("12.00"), True, True, True),
        # Its order is no sale.
        "cancelled": (D("10.00"), D("0.00"), D("10.00"), True, False, True),
        # From the digits received: 2 x 3.335.
        "note": (D("6.67"), D("0.00"), D("6.67"), False, True, False),
    }
    assert by_month(three) == {
        "2024-01": (D("40.00"), D("0.00"), D("40.00")),
        "2024-02": (D("0.00"), D("10.00"), D("-10.00")),
        "2024-03": (D("0.00"), D("36.67"), D("-36.67")),
    }
    days = three.query("select * from gold.daily_revenue where order_date < '2024-02-01'")
    assert days == january
    cohorts = three.query("select order_date, revenue, returned from gold.order_revenue_by_cohort "
                          "order by 1")  # fmt: skip
    assert [tuple(map(str, row.values())) for row in cohorts] == [
        ("2024-01-01", "40.00", "40.00"), ("2024-03-01", "0.00", "6.67"),
    ]  # fmt: skip
    value = three.one("select lifetime_value, returns from gold.customer_lifetime_value "
                      "where customer_id = 'C1'")  # fmt: skip
    assert value == {"lifetime_value": D("-6.67"), "returns": 5}
    product = three.one("select units, units_returned, returned, net_revenue, revenue_rank "
                        "from gold.top_products where product_id = 'P1'")  # fmt: skip
    assert product == {"units": 4, "units_returned": 6, "returned": D("41.67"),
                       "net_revenue": D("-1.67"), "revenue_rank": 1}  # fmt: skip
    order = three.one("select returned, refunded, shipping, tax, total_paid "
                      "from gold.fact_orders where order_id = 'O1'")  # fmt: skip
    assert order == {"returned": D("25.00"), "refunded": D("30.00"), "shipping": D("5.00"),
                     "tax": D("6.00"), "total_paid": D("41.00")}  # fmt: skip


def test_a_return_waits_for_its_order_is_corrected_and_withdrawn(three: Shop) -> None:
    early = {"return_id": "early", "order_id": "O4", "order_item_id": "I4", "returned_at": FEBRUARY}
    three.deliver("returns", early, day=FEBRUARY)
    for layer in ("bronze", "silver"):
        three.run(layer, first=FEBRUARY)
    waiting = {f.check.name: f for f in make(three, "gold.fact_returns", FEBRUARY).findings}
    run(three, FEBRUARY)
    assert back(three) == {}
    assert waiting["returns_have_amounts"].level == "WARN"
    assert (
        "1 of 1 returns (100 %, limit 1 %) wait for the item that they name, or for their order's rate, or are in another currency than it, e.g. early"
        in (waiting["returns_have_amounts"].message)
    )
    three.deliver("orders", {"order_id": "O4", "order_date": FEBRUARY}, day=MARCH)
    three.deliver("order_items", {"order_id": "O4", "order_item_id": "I4"}, day=MARCH)
    run(three, MARCH)
    assert back(three)["early"][0] == D("10.00")
    corrected = {**early, "amount": "4.00", "updated_at": MARCH}
    three.deliver("returns", corrected, day="2024-03-02")
    run(three, "2024-03-02")
    assert by_month(three)["2024-02"] == (D("10.00"), D("4.00"), D("6.00"))
    # Withdrawn: both deliveries come again without it.
    for day in (FEBRUARY, "2024-03-02"):
        three.deliver("returns", day=day)
        run(three, day)
    assert back(three) == {}
    assert by_month(three)["2024-02"] == (D("10.00"), D("0.00"), D("10.00"))


def test_more_came_back_than_was_sold(three: Shop) -> None:
    rows = [{"return_id": f"R{n}", "quantity": "2"} for n in (1, 2)]
    rows.append({"return_id": "R3", "order_id": "O2", "order_item_id": "I2", "amount": "10.02"})
    rows.append({"return_id": "R4", "order_id": "C1", "order_item_id": "", "amount": "99.00"})
    three.deliver("returns", *rows)
    for layer in ("bronze", "silver"):
        three.run(layer)
    with pytest.raises(PipelineError, match="returns_within_sales"):
        three.run("gold", limit=0.05)
    (finding,) = [
        found for found in make(three, "gold.fact_returns", DAY).findings
        if found.check.name == "returns_within_sales"
    ]  # fmt: skip
    assert (finding.level, finding.counts["exceeding"], finding.counts["returns"]) == ("WARN", 3, 4)
    assert "worth 50.02 EUR" in finding.message
    assert "e.g. R1 of order O1" in finding.message
    assert [row["return_id"] for row in finding.sample] == ["R1", "R2", "R3"]


def test_a_return_before_its_order_is_told(three: Shop) -> None:
    three.deliver("returns", {"returned_at": "2023-12-31"})
    for layer in ("bronze", "silver"):
        three.run(layer)
    found = {f.check.name: f for f in make(three, "gold.fact_returns", DAY).findings}
    run(three, DAY)
    assert found["returns_after_orders"].level == "WARN"
    assert (
        "e.g. R1 on 2023-12-31, of order O1 of 2024-01-01" in found["returns_after_orders"].message
    )
    assert by_month(three)["2023-12"] == (D("0.00"), D("10.00"), D("-10.00"))


INCLUDED = {"prices_include_tax": "true"}


@pytest.mark.parametrize(
    ("order", "gross", "discount", "revenue", "tax", "shipping"),
    [
        # The order's tax is in the prices, and is no revenue.
        ({**INCLUDED, "item_unit_price": "4760", "tax_amount": "760", "total_amount": "4760"},
         "4000.00", "0.00", "4000.00", "760.00", "0.00"),
        # Its part on shipping is that of shipping.
        ({**INCLUDED, "item_unit_price": "119", "tax_amount": "20.90", "shipping_amount": "11.90",
          "total_amount": "130.90"}, "100.00", "0.00", "100.00", "19.00", "10.00"),
        # A rate, of a price that was reduced: 238.00 less 119.00.
        ({**INCLUDED, "item_unit_price": "238", "item_discount_percent": "50",
          "item_tax_rate": "19"}, "200.00", "100.00", "100.00", "19.00", "0.00"),
        # Nothing was paid: the rate still takes the tax out of the price.
        ({**INCLUDED, "item_unit_price": "119", "item_discount_percent": "100",
          "item_tax_rate": "19"}, "100.00", "100.00", "0.00", "0.00", "0.00"),
        # An item's own tax comes before its rate and the order's.
        ({**INCLUDED, "item_unit_price": "10", "item_tax_amount": "0.70", "item_tax_rate": "19",
          "tax_amount": "5.00"}, "9.30", "0.00", "9.30", "0.70", "0.00"),
        # Beside the prices, it changes no revenue.
        ({"item_unit_price": "100", "item_tax_rate": "7", "item_discount_amount": "10"},
         "100.00", "10.00", "90.00", "6.30", "0.00"),
        ({"item_unit_price": "100", "discount_amount": "20", "tax_amount": "15.20"},
         "100.00", "20.00", "80.00", "15.20", "0.00"),
        ({"item_unit_price": "0", "tax_amount": "1.00"}, "0.00", "0.00", "0.00", "0.00", "0.00"),
    ],
)  # fmt: skip
def test_tax(
    shop: Shop, order: dict[str, str], gross: str, discount: str, revenue: str, tax: str,
    shipping: str,
) -> None:  # fmt: skip
    sold(shop, dict(order))
    run(shop, DAY)
    fact = shop.one("select gross_amount, discount, revenue, tax from gold.fact_sales")
    assert fact == {"gross_amount": D(gross), "discount": D(discount), "revenue": D(revenue),
                    "tax": D(tax)}  # fmt: skip
    assert shop.one("select shipping from gold.fact_orders") == {"shipping": D(shipping)}


def test_an_orders_money_in_the_kpis(shop: Shop) -> None:
    whole = {"tax_amount": "2.00", "shipping_amount": "5.00", "tip_amount": "1.00"}
    sold(shop, {**whole, "total_amount": "18.00"}, {**whole, "status": "returned"})
    run(shop, DAY)
    day = shop.one("select revenue, shipping, tax, total_paid, net_revenue from gold.daily_revenue")
    assert day == {"revenue": D("10.00"), "shipping": D("5.00"), "tax": D("2.00"),
                   "total_paid": D("18.00"), "net_revenue": D("10.00")}  # fmt: skip
    assert shop.one("select tip from gold.fact_orders where is_sale") == {"tip": D("1.00")}


CAUSES = [
    ("tax_included", {"tax_amount": "3.00", "shipping_amount": "5.00", "total_amount": "15.00"}, {}),
    ("tax_beside", {**INCLUDED, "tax_amount": "1.90", "shipping_amount": "0",
                    "total_amount": "11.90"}, {}),
    ("discounted_twice", {"discount_amount": "2.00", "total_amount": "8.00", "tax_amount": "0",
                          "shipping_amount": "0"},
     {"item_discount_amount": "2.00", "item_line_total": "8.00"}),
    ("edited", {"subtotal": "4.00", "total_amount": "4.00"}, {}),
    ("edited", {"tax_amount": "0", "shipping_amount": "0", "total_amount": "0.00"}, {}),
    ("items_missing", {"subtotal": "14.00", "total_amount": "14.00"}, {}),
    ("discount_not_read", {"tax_amount": "0", "shipping_amount": "0", "total_amount": "7.50"}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("cause", "order", "item"), CAUSES)
def test_why_the_amounts_of_an_order_disagree(
    shop: Shop, cause: str, order: dict[str, str], item: dict[str, str]
) -> None:
    sold(shop, *[{"order_id": f"O{n}", **order, **item} for n in range(1, 41)])
    for layer in ("bronze", "silver"):
        shop.run(layer)
    found = {f.check.name: f for f in make(shop, "gold.fact_sales", DAY).findings}
    finding = found["order_amounts_agree"]
    assert (finding.level, finding.counts.get(cause)) == ("WARN", 40)
    assert f"({cause}): " in finding.advice
    if cause == "items_missing":  # they may still come
        shop.run("gold", "fact_sales", money_limit=0.05)
        return
    with pytest.raises(PipelineError, match="order_amounts_agree"):
        shop.run("gold", "fact_sales", full_refresh=True, money_limit=0.05)


def test_a_run_is_judged_by_its_own_orders(shop: Shop) -> None:
    """A long history that agrees does not hide a day that does not."""
    right = {"tax_amount": "0", "shipping_amount": "0"}
    sold(shop, *[{**right, "order_id": f"O{n}"} for n in range(1, 400)])
    run(shop, DAY)
    sold(
        shop,
        *[{**right, "order_id": f"O{n}", "total_amount": "7.50"} for n in range(400, 460)],
        day=FEBRUARY,
    )
    for layer in ("bronze", "silver"):
        shop.run(layer, first=FEBRUARY)
    with pytest.raises(
        PipelineError, match=r"order_amounts_agree.*of the run.s amounts, 25 %, limit 5 %"
    ):
        shop.run("gold", "fact_sales", FEBRUARY, money_limit=0.05)


def test_charges_have_no_rank(shop: Shop) -> None:
    shop.deliver("products", {}, {"product_id": "P2", "name": "Postage", "role": "charge"})
    sold(shop, {"item_unit_price": "5"}, {"item_unit_price": "50", "item_product_id": "P2"})
    run(shop, DAY)
    rows = shop.query("select name, revenue, revenue_rank from gold.top_products order by 1")
    assert [tuple(row.values()) for row in rows] == [
        ("Lamp", D("5.00"), 1), ("Postage", D("50.00"), None),
    ]  # fmt: skip
    assert shop.one("select revenue from gold.daily_revenue") == {"revenue": D("55.00")}


BROKEN = [
    ({"quantity": "-1"}, "quantity: below 1"),
    ({"quantity": ""}, "quantity, amount and refund_amount: one of them is needed"),
    ({"amount": "-0.01"}, "amount: below 0"),
    ({"amount": "1.00", "tax_amount": "1.01"}, "tax_amount: more than the amount"),
    ({"order_id": ""}, "order_id: required value is empty"),
    ({"returned_at": "2030-01-01"}, "returned_at: implausible"),
    ({"quantity": "2000000000", "unit_price": "9999999"}, "quantity x unit_price: out of range"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "reason"), BROKEN)
def test_a_return_that_breaks_the_contract(shop: Shop, row: dict[str, str], reason: str) -> None:
    shop.deliver("returns", row)
    shop.run("bronze", "returns")
    shop.run("silver", "returns,returns_quarantine")
    (found,) = shop.query("select _reasons from silver.returns_quarantine")
    assert any(text.startswith(reason) for text in found["_reasons"]), found
    assert shop.query("select * from silver.returns") == []
