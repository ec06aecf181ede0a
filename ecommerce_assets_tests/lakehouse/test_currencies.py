"""Several currencies: converted at the rate of the order's day, in the smallest unit of each."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from ecommerce_assets.model.audit import Finding
from ecommerce_assets.query.local import connect
from ecommerce_assets.query.trace import trace
from ecommerce_assets.shop import using
from ecommerce_assets.tables import all_tables
from ecommerce_assets.trial.check import check
from ecommerce_assets_tests import oracle
from ecommerce_assets_tests.comparison import differences
from ecommerce_assets_tests.shop import Shop, of_currencies
from ecommerce_assets_tests.three_days import make

D = Decimal
FRIDAY, SATURDAY, LATER = "2024-01-05", "2024-01-06", "2024-01-13"
FACTS = ("gold.dim_exchange_rate", "gold.fact_sales", "gold.fact_returns", "gold.fact_orders")


def order(number: int, day: str, price: str = "10.00", currency: str = "PLN", **more: str) -> None:
    ORDERS.append({"order_id": f"O{number}", "order_date": day, "total_amount": price,
                   "currency": currency, **more})  # fmt: skip
    ITEMS.append({"order_item_id": f"I{number}", "order_id": f"O{number}", "unit_price": price,
                  "line_total": ""})  # fmt: skip


ORDERS: list[dict[str, str]] = []
ITEMS: list[dict[str, str]] = []


def sell(shop: Shop, *orders: tuple[Any, ...], day: str = FRIDAY) -> None:
    """Deliver orders (number, day, price, currency) with an item each."""
    ORDERS.clear()
    ITEMS.clear()
    for one in orders:
        order(*one)
    shop.deliver("orders", *ORDERS, day=day)
    shop.deliver("order_items", *ITEMS, day=day)


def rates(shop: Shop, *rows: tuple[str, str], day: str, currency: str = "PLN") -> None:
    """Deliver rates of days."""
    shop.deliver(
        "exchange_rates",
        *[{"rate_date": of, "rate": rate, "currency": currency} for of, rate in rows],
        day=day,
    )


def run(shop: Shop, day: str, by: oracle.Oracle = oracle.DEFAULT) -> None:
    """Materialize all, and compare with the oracle."""
    for layer in ("bronze", "silver", "gold"):
        shop.run(layer, first=day)
    tables = [name for name in all_tables() if not name.startswith("bronze")]
    assert differences(shop.lakehouse, tables, {}, by) == {}


def sales(shop: Shop) -> dict[str, tuple[str, ...]]:
    """By order: what was sold, in both currencies, the rate and its day."""
    rows = shop.query("select order_id, revenue, original_revenue, exchange_rate, rate_date "
                      "from gold.fact_sales order by 1")  # fmt: skip
    return {row.pop("order_id"): tuple(map(str, row.values())) for row in rows}


def found_in(shop: Shop, table: str, check: str, day: str) -> Finding:
    return next(f for f in make(shop, table, day).findings if f.check.name == check)


def test_an_order_is_converted_at_the_rate_of_its_day_or_of_the_seven_before(shop: Shop) -> None:
    sell(
        shop,
        (1, FRIDAY, "10.00"), (2, SATURDAY, "10.03"), (3, "2024-01-12", "10.00"),
        (4, LATER, "10.00"), (5, FRIDAY, "10.00", ""), (6, "2024-01-04", "10.00"),
    )  # fmt: skip
    rates(shop, (FRIDAY, "0.25"), ("2024-01-03", "0.5"), day=FRIDAY)
    run(shop, FRIDAY)
    assert sales(shop) == {
        "O1": ("2.50", "10.00", "0.250000000000", FRIDAY),
        # Half a cent up, once: 2.5075.
        "O2": ("2.51", "10.03", "0.250000000000", FRIDAY),
        "O3": ("2.50", "10.00", "0.250000000000", FRIDAY),
        # O4 is eight days after the rate, and waits.
        "O5": ("10.00", "10.00", "1.000000000000", "None"),
        "O6": ("5.00", "10.00", "0.500000000000", "2024-01-03"),
    }
    assert shop.one("select count(*) as n from gold.fact_orders") == {"n": 5}
    paid = shop.one("select total_paid, original_total_paid, currency from gold.fact_orders "
                    "where order_id = 'O1'")  # fmt: skip
    assert paid == {"total_paid": D("2.50"), "original_total_paid": D("10.00"), "currency": "PLN"}
    day = shop.one(f"select revenue from gold.daily_revenue where order_date = '{FRIDAY}'")
    assert day == {"revenue": D("12.50")}


def test_orders_wait_for_a_rate_that_comes_late_and_a_check_names_them(shop: Shop) -> None:
    sell(shop, (1, FRIDAY), (2, LATER), (3, LATER, "10.00", "EUR"))
    for layer in ("bronze", "silver"):
        shop.run(layer, first=FRIDAY)
    shop.run("gold", "dim_exchange_rate", first=FRIDAY)
    finding = found_in(shop, "gold.fact_sales", "orders_have_rates", FRIDAY)
    assert not finding.passed
    assert finding.severity == "WARN"
    assert finding.message == (
        "2 of 3 orders (66.7 %, limit 1 %) wait for a rate, e.g. order O1 for one of PLN on "
        "2024-01-05 or within the 7 days before."
    )
    assert finding.sample[0]["order_id"] == "O1"
    run(shop, FRIDAY)
    assert sales(shop) == {"O3": ("10.00", "10.00", "1.000000000000", "None")}
    rates(shop, (FRIDAY, "0.25"), day=LATER)
    for layer in ("bronze", "silver"):
        shop.run(layer, first=LATER)
    shop.run("gold", "dim_exchange_rate", first=LATER)
    made = make(shop, "gold.fact_sales", LATER)
    assert made.why == "1 affected by what changed upstream, by order_id"
    found = {f.check.name: f for f in made.findings}["orders_have_rates"]
    assert found.counts["without_rate"] == 1
    run(shop, LATER)
    assert sales(shop)["O1"] == ("2.50", "10.00", "0.250000000000", FRIDAY)


def test_a_corrected_rate_recomputes_the_orders_of_its_days_and_no_others(shop: Shop) -> None:
    sell(shop, (1, FRIDAY), (2, SATURDAY), (3, "2024-01-08"), (4, FRIDAY, "10.00", "EUR"))
    shop.deliver("returns", {"order_item_id": "I1", "returned_at": LATER}, day=FRIDAY)
    rates(shop, (FRIDAY, "0.25"), ("2024-01-08", "0.26"), day=FRIDAY)
    run(shop, FRIDAY)
    before = sales(shop)
    rates(shop, (FRIDAY, "0.24"), day=SATURDAY)
    for layer in ("bronze", "silver"):
        shop.run(layer, first=SATURDAY)
    shop.run("gold", "dim_exchange_rate", first=SATURDAY)
    for table, orders in (("fact_sales", 2), ("fact_returns", 2), ("fact_orders", 2)):
        made = make(shop, f"gold.{table}", SATURDAY)
        assert made.why == f"{orders} affected by what changed upstream, by order_id"
    run(shop, SATURDAY)
    after = sales(shop)
    assert {name for name in after if after[name] != before[name]} == {"O1", "O2"}
    assert after["O1"] == ("2.40", "10.00", "0.240000000000", FRIDAY)
    # Nothing came: nothing is computed.
    assert "nothing changed" in make(shop, "gold.fact_sales", SATURDAY).why
    # Taken back, its orders wait again.
    shop.file("exchange_rates", FRIDAY).write_text("")
    shop.file("exchange_rates", SATURDAY).write_text("")
    run(shop, FRIDAY)
    run(shop, SATURDAY)
    assert list(sales(shop)) == ["O4"]


def test_what_comes_back_is_converted_as_its_order_was(shop: Shop) -> None:
    sell(shop, (1, FRIDAY, "10.03"), (2, FRIDAY, "10.00", "EUR"), (3, LATER))
    shop.deliver(
        "returns",
        {"return_id": "full", "returned_at": LATER, "order_item_id": "I1"},
        {"return_id": "without order", "order_id": "C1", "order_item_id": "", "amount": "8.00",
         "product_id": "P1", "currency": "PLN", "returned_at": SATURDAY},
        {"return_id": "of another currency", "order_id": "O2", "order_item_id": "I2",
         "currency": "PLN", "returned_at": LATER},
        {"return_id": "of one that waits", "order_id": "O3", "order_item_id": "I3",
         "returned_at": LATER},
        day=FRIDAY,
    )  # fmt: skip
    rates(shop, (FRIDAY, "0.25"), ("2024-01-08", "0.5"), day=FRIDAY)
    for layer, tables in (
        ("bronze", ""),
        ("silver", ""),
        ("gold", "dim_exchange_rate,fact_sales"),
    ):
        shop.run(layer, tables, first=FRIDAY)
    waiting = found_in(shop, "gold.fact_returns", "returns_have_amounts", FRIDAY)
    assert "1 of 4 returns (25 %, limit 1 %) wait" in waiting.message
    assert "or are in another currency than it, e.g. of another currency." in waiting.message
    run(shop, FRIDAY)
    rows = shop.query("select return_id, returned_amount, original_amount, rate_date "
                      "from gold.fact_returns order by 1")  # fmt: skip
    assert [tuple(map(str, row.values())) for row in rows] == [
        ("full", "2.51", "10.03", FRIDAY),  # at the rate of the order, so nothing is left of it
        ("of one that waits", "5.00", "10.00", "2024-01-08"),
        ("without order", "2.00", "8.00", FRIDAY),
    ]
    cohort = shop.one("select revenue, returned, net_revenue from gold.order_revenue_by_cohort "
                      f"where order_date = '{FRIDAY}'")  # fmt: skip
    assert cohort == {"revenue": D("12.51"), "returned": D("2.51"), "net_revenue": D("10.00")}


def test_a_rate_that_is_none_is_quarantined_and_of_two_for_a_day_the_last_counts(
    shop: Shop,
) -> None:
    sell(shop, (1, FRIDAY))
    rates(shop, (FRIDAY, "0.25"), (FRIDAY, "0.26"), ("2024-01-02", "0"), ("2024-01-03", "-1"),
          ("", "0.25"), ("2024-01-04", "1000000"), day=FRIDAY)  # fmt: skip
    shop.deliver(
        "exchange_rates",
        {"rate_date": FRIDAY, "currency": "EUR", "rate": "1.01"},
        {"rate_date": FRIDAY, "currency": "EURO"},
        {"rate_date": FRIDAY, "currency": "SEK", "rate": "0.09"},
        day=FRIDAY,
        name="more.csv",
    )
    shop.run("bronze", "exchange_rates", first=FRIDAY)
    twice = found_in(shop, "silver.exchange_rates", "keys_not_repeated", FRIDAY)
    assert not twice.passed
    assert "1 row" in twice.message
    run(shop, FRIDAY)
    reasons = shop.query("select rate, currency, _reasons from silver.exchange_rates_quarantine "
                         "order by _source_file desc, _row_number")  # fmt: skip
    assert [tuple(row.values()) for row in reasons] == [
        ("0", "PLN", ["rate: not above 0"]),
        ("-1", "PLN", ["rate: not above 0"]),
        ("0.25", "PLN", ["rate_id: required value is empty", "rate_date: required value is empty"]),
        ("1000000", "PLN", ["rate: not a number, or out of range"]),
        ("1.01", "EUR", ["rate: of EUR itself, which is 1"]),
        ("1.25", "EURO", ["currency: not three letters"]),
    ]
    assert sales(shop)["O1"] == ("2.60", "10.00", "0.260000000000", FRIDAY)
    # Of the currencies that orders may have.
    assert {row["currency"] for row in shop.query("from gold.dim_exchange_rate")} == {"PLN"}


def test_amounts_that_disagree_are_told_in_the_reporting_currency(shop: Shop) -> None:
    sell(shop, (1, FRIDAY, "1000.00"), (2, FRIDAY, "100.00", "EUR"))
    shop.deliver("orders", {"order_id": "O1", "order_date": FRIDAY, "currency": "PLN",
                            "subtotal": "1500.00", "total_amount": "1500.00"},
                 {"order_id": "O2", "order_date": FRIDAY, "total_amount": "100.00"}, day=FRIDAY)  # fmt: skip
    rates(shop, (FRIDAY, "0.25"), day=FRIDAY)
    for layer in ("bronze", "silver"):
        shop.run(layer, first=FRIDAY)
    shop.run("gold", "dim_exchange_rate", first=FRIDAY)
    finding = found_in(shop, "gold.fact_sales", "order_amounts_agree", FRIDAY)
    assert "1 of 2 orders, worth 375.00 of 475.00 EUR" in finding.message
    assert "by 125.00" in finding.message
    assert finding.sample[0] | {"difference": D("500.00"), "currency": "PLN"} == finding.sample[0]


@pytest.fixture
def three() -> Iterator[oracle.Oracle]:
    """A shop in EUR that sells in JPY and KWD as well."""
    with using(of_currencies("EUR", "JPY", "KWD")):
        yield oracle.Oracle("EUR", "JPY", "KWD")


def test_amounts_are_rounded_to_the_smallest_unit_of_their_currency(
    shop: Shop, three: oracle.Oracle
) -> None:
    sell(shop, (1, FRIDAY, "10", "JPY"), (2, FRIDAY, "1.2345", "KWD"), (3, FRIDAY, "9.495", "EUR"))
    # 9.495 JPY are 9, not 10, as they would be by way of 9.50.
    shop.deliver("order_items", *[{**item, "discount_percent": "5.05" if n == 0 else ""}
                                  for n, item in enumerate(ITEMS)], day=FRIDAY)  # fmt: skip
    shop.deliver("exchange_rates", {"rate_date": FRIDAY, "currency": "JPY", "rate": "0.0061"},
                 {"rate_date": FRIDAY, "currency": "KWD", "rate": "2.9787"}, day=FRIDAY)  # fmt: skip
    run(shop, FRIDAY, three)
    rows = shop.query("select currency, original_gross_amount, original_revenue, revenue "
                      "from gold.fact_sales order by 1")  # fmt: skip
    assert [tuple(map(str, row.values())) for row in rows] == [
        ("EUR", "9.500", "9.500", "9.500"),
        ("JPY", "10.000", "9.000", "0.050"),
        ("KWD", "1.235", "1.235", "3.680"),
    ]
    assert str(shop.one("select line_total from silver.order_items where order_item_id = 'I1'")
               ["line_total"]) == "9.49500000"  # fmt: skip


@pytest.mark.parametrize(
    ("currency", "average", "revenue"), [("JPY", "14", "27"), ("KWD", "13.890", "27.779")]
)
def test_a_shop_of_one_currency_has_its_smallest_unit_and_no_rates(
    shop: Shop, currency: str, average: str, revenue: str
) -> None:
    with using(of_currencies(currency)):
        sell(shop, (1, FRIDAY, "13.4444", ""), (2, FRIDAY, "14.3345", currency))
        run(shop, FRIDAY, oracle.Oracle(currency))
        assert not any("exchange_rate" in name for name in all_tables() if name[:6] != "bronze")
        day = shop.one("select revenue, average_order_value from gold.daily_revenue")
    # 13 + 14 JPY; 13.444 + 14.335 KWD, whose half is 13.8895.
    assert day == {"revenue": D(revenue), "average_order_value": D(average)}


def test_a_trial_and_a_trace_have_the_rates(shop: Shop) -> None:
    sell(shop, (1, FRIDAY), (2, FRIDAY, "7.00", "EUR"))
    rates(shop, (FRIDAY, "0.25"), day=FRIDAY)
    (month,) = check(str(shop.landing)).months
    assert month["revenue"] == D("9.50")
    rates(shop, (FRIDAY, "0.26"), day=SATURDAY)
    run(shop, FRIDAY)
    run(shop, SATURDAY)
    connection = connect(str(shop.lakehouse))
    try:
        parts = [*trace("fact_sales", "I1", lambda sql: connection.sql(sql).to_arrow_table(),
                        limit=9, on_aws=False)]  # fmt: skip
    finally:
        connection.close()
    assert parts[0].first.to_pylist()[0]["exchange_rate"] == D("0.26")
    (delivered,) = [part for part in parts if part.title.startswith("bronze.exchange_rates")]
    assert [(row["rate"], row["fate"]) for row in delivered.first.to_pylist()] == [
        ("0.26", "current"), ("0.25", "superseded"),
    ]  # fmt: skip


@pytest.mark.parametrize("engine", ["duckdb", pytest.param("spark", marks=pytest.mark.slow)])
def test_a_shop_takes_up_a_currency_of_other_digits_and_gives_it_up(
    shop: Shop, engine: str
) -> None:
    """Amounts change their type, in tables that are there; readers see one or the other."""
    sell(shop, (1, FRIDAY, "10.125", ""), (2, FRIDAY, "3.2", "PLN"))
    rates(shop, (FRIDAY, "0.25"), day=FRIDAY)
    run(shop, FRIDAY)
    before = shop.content("gold.fact_sales")
    shop.deliver("orders", {"order_id": "O3", "order_date": FRIDAY, "currency": "KWD",
                            "total_amount": "1.2345"}, day=SATURDAY)  # fmt: skip
    shop.deliver("order_items", {"order_item_id": "I3", "order_id": "O3", "unit_price": "1.2345",
                                 "line_total": ""}, day=SATURDAY)  # fmt: skip
    rates(shop, (FRIDAY, "3"), day=SATURDAY, currency="KWD")
    with using(of_currencies("EUR", "PLN", "KWD")):
        for layer in ("bronze", "silver", "gold"):
            shop.run(layer, first=SATURDAY, engine=engine)
        run(shop, SATURDAY, oracle.Oracle("EUR", "PLN", "KWD"))
        assert sales(shop)["O3"][:2] == ("3.710", "1.235")
        assert shop.one("select sum(revenue) as r from gold.monthly_revenue") == {"r": D("14.64")}
    for layer in ("bronze", "silver", "gold"):
        shop.run(layer, first=SATURDAY, engine=engine)
    run(shop, SATURDAY)
    assert shop.content("gold.fact_sales") == before


def made_facts(shop: Shop) -> None:
    for layer in ("bronze", "silver"):
        shop.run(layer, first=FRIDAY)
    if "gold.dim_exchange_rate" in all_tables():
        shop.run("gold", "dim_exchange_rate", first=FRIDAY)


@pytest.mark.parametrize(
    ("currencies", "item", "odd"),
    [
        (("KWD",), {"unit_price": "1.234", "line_total": "1.234"}, 0),
        (("KWD",), {"unit_price": "1.234", "line_total": "1.250"}, 1),
        (("EUR", "JPY"), {"unit_price": "10.00", "line_total": "10.50"}, 1),
        (("EUR", "JPY", "KWD"), {"unit_price": "9.99", "line_total": "9.99"}, 0),
        (("EUR", "JPY", "KWD"), {"unit_price": "9.9996", "line_total": ""}, 0),
    ],
)
def test_lines_agree_to_the_smallest_unit_of_their_order(
    shop: Shop, currencies: tuple[str, ...], item: dict[str, str], odd: int
) -> None:
    with using(of_currencies(*currencies)):
        shop.deliver("orders", {"order_date": FRIDAY}, day=FRIDAY)
        shop.deliver("order_items", item, day=FRIDAY)
        shop.run("bronze", first=FRIDAY)
        if item["line_total"]:
            marked = found_in(shop, "silver.order_items", "amounts_in_smallest_unit", FRIDAY)
            assert marked.passed, marked.message
        made_facts(shop)
        lines = found_in(shop, "gold.fact_sales", "line_totals_agree", FRIDAY)
    assert lines.counts["disagreeing"] == odd
    assert len(lines.sample) == odd


def test_the_largest_amount_at_the_highest_rate_has_room(shop: Shop) -> None:
    with using(of_currencies("EUR", "KWD")):
        sell(shop, (1, FRIDAY, "9999999999.99", "KWD"), (2, FRIDAY, "99999999999.99", "KWD"))
        rates(shop, (FRIDAY, "999999"), day=FRIDAY, currency="KWD")
        run(shop, FRIDAY, oracle.Oracle("EUR", "KWD"))
        assert sales(shop)["O1"][0] == "9999989999990000.010"
        # The other is worth more than any order: its amounts are out of range.
        assert shop.one("select count(*) as n from silver.orders_quarantine") == {"n": 1}


def test_a_weak_currency_has_enough_digits(shop: Shop) -> None:
    sell(shop, (1, FRIDAY, "9000000000.00", "PLN"))
    rates(shop, (FRIDAY, "0.000034565596"), day=FRIDAY)
    run(shop, FRIDAY)
    assert sales(shop)["O1"][0] == "311090.36"


def test_a_trial_counts_what_would_wait_for_a_rate(shop: Shop) -> None:
    sell(shop, (1, FRIDAY), (2, LATER), (3, FRIDAY, "7.00", "EUR"))
    rates(shop, (FRIDAY, "0.25"), day=FRIDAY)
    found = check(str(shop.landing))
    assert found.apart["orders_without_rate"] == 1
    assert sum(month["orders"] for month in found.months) == 2
