"""The dashboard: what it shows is what the tables hold, and a browser shows it."""

import base64
import csv
import io
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from click.testing import CliRunner
from playwright.sync_api import Browser, expect

from ecommerce_assets.cli.main import ecommerce
from ecommerce_assets.dashboard import build
from ecommerce_assets.dashboard.build import build_dashboard
from ecommerce_assets.dashboard.figures import reads
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse.metadata import Snapshot
from ecommerce_assets.query.engine import Query, open_engine
from ecommerce_assets.query.history import last_snapshots
from ecommerce_assets.settings import Settings
from ecommerce_assets.shop import shipped_shops, using
from ecommerce_assets_tests.aws_stand_in import moto_server
from ecommerce_assets_tests.chromium import Opened, started
from ecommerce_assets_tests.shop import Shop

FIRST, LAST = date(2024, 1, 1), date(2024, 2, 11)
YEAR_BEFORE = date(2023, 2, 9)
MARKUP = "<img src=x onerror=alert(1)></script><script>alert(2)</script> & 'Lamp'"


NO_FIGURE = "\u2013"
JOINS = "join gold.dim_product p using (product_key) join gold.dim_customer c using (customer_key)"


def settings_of(shop: Shop) -> Settings:
    return Settings(
        landing=str(shop.landing), lakehouse=str(shop.lakehouse), dashboard=str(shop.dashboard)
    )


@pytest.fixture(scope="module")
def shown(module_shop: Shop) -> Shop:
    """Six weeks of sales, and a day a year before them; bad rows, a late one, two that wait.

    Customers C1 to C3 in three countries, C0 only known by its orders; two products, one without a
    known cost.
    """
    shop = module_shop
    shop.deliver("customers", {}, {"customer_id": "C2", "country": "FR"},
                 {"customer_id": "C3", "country": "AT"})  # fmt: skip
    shop.deliver("products", {"name": MARKUP, "cost": "4.00"},
                 {"product_id": "P2", "category": "books", "cost": ""})  # fmt: skip
    days = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
    orders, items = [], []
    for n, day in [*enumerate(days), (1, YEAR_BEFORE)]:
        for order in range(n % 4):  # every fourth day without an order
            number = f"{day}-{order}"
            price = f"{10 + n * 3 + order}.{n % 100:02}"
            customer = (n + order) % 4
            orders.append({
                "order_id": number, "customer_id": f"C{customer}", "shipping_country": "PL",
                "order_date": f"{day}T12:00:00Z", "total_amount": price,
                "status": "returned" if (n + order) % 7 == 0 else "delivered",
                "updated_at": f"{FIRST}T12:00:00Z", "currency": "PLN" if order == 2 else "",
            })  # fmt: skip
            items += [
                {"order_item_id": f"I{number}", "order_id": number,
                 "product_id": f"P{order % 2 + 1}", "unit_price": price, "line_total": price},
                {"order_item_id": f"J{number}", "order_id": number, "product_id": "P1",
                 "unit_price": "7.00", "quantity": "2", "line_total": "14.00"},
            ]  # fmt: skip
    shop.deliver("orders", *orders)
    shop.deliver("exchange_rates", *[
        {"rate_date": f"{day}", "rate": f"0.2{n % 10}"} for n, day in enumerate([YEAR_BEFORE, *days])
    ])  # fmt: skip
    shop.deliver("returns", *[
        {"return_id": f"R{n}", "order_id": order["order_id"], "order_item_id": f"J{order['order_id']}",
         "returned_at": f"{days[min(n + 5, len(days) - 1)]}T12:00:00Z",
         "reason": "damaged" if n % 3 else ""}
        for n, order in enumerate(orders[:40:4])
    ])  # fmt: skip
    shop.deliver(
        "order_items", *items, {"order_item_id": "I-waits", "order_id": "never"},
        {"order_item_id": "I-waits-2", "order_id": "bad"},
        {"order_item_id": "I-bad", "quantity": "<b>none</b>"},
    )  # fmt: skip
    shop.deliver("orders", {"order_id": "late", "updated_at": "2024-01-01"},
                 {"order_id": "bad", "status": MARKUP}, day="2024-02-11")  # fmt: skip
    shop.run_all(FIRST.isoformat(), LAST.isoformat())
    build_dashboard(settings_of(shop))
    return shop


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started() as browser:
        yield browser


@pytest.fixture
def opened(browser: Browser, shown: Shop) -> Iterator[Opened]:
    opened = Opened(browser, shown.dashboard)
    yield opened
    opened.close()


def euros(amount: Decimal) -> str:
    return f"€{amount:,.2f}"


def expected_tiles(shop: Shop, first: date, last: date, where: str = "true") -> dict[str, str]:
    """The tiles, counted anew in the facts."""
    row = shop.one(
        "with first_sale as (select customer_key, min(order_date) as day from gold.fact_sales "
        "where is_sale group by 1), "
        f"chosen as (select f.*, cost, day from gold.fact_sales f {JOINS} "
        "left join first_sale using (customer_key) "
        f"where order_date between date '{first}' and date '{last}' and {where}) "
        "select coalesce(sum(revenue) filter (is_sale), 0) as revenue, "
        "count(distinct order_id) filter (is_sale) as orders, "
        "count(distinct customer_key) filter (is_sale) as customers, "
        f"count(distinct customer_key) filter (is_sale and day >= date '{first}') as added, "
        "count(distinct order_id) as placed, "
        "sum(revenue) filter (is_sale and cost is not null) as costed, "
        "sum(quantity * cost) filter (is_sale) as cost from chosen"
    )
    back = shop.one(
        "select coalesce(sum(returned_amount), 0) as returned from gold.fact_returns r "
        f"{JOINS} where is_counted and return_date between date '{first}' and date '{last}' "
        f"and {where}"
    )["returned"]
    cents = int(row["revenue"] * 100)
    orders, customers, placed, costed = (
        row["orders"], row["customers"], row["placed"], row["costed"],
    )  # fmt: skip
    return {
        "Revenue": euros(row["revenue"]),
        "Returned": euros(back),
        "Net revenue": euros(row["revenue"] - back).replace("€-", "-€"),
        "Rate of return": f"{100 * back / row['revenue']:.1f} %" if row["revenue"] else NO_FIGURE,
        "Orders": str(orders),
        "Average order value": euros(Decimal((2 * cents + orders) // (2 * orders)) / 100)
        if orders else NO_FIGURE,  # half up, in cents
        "Customers": str(customers),
        "New customers": str(row["added"]),
        "Average orders per customer": f"{orders / customers:.2f}" if customers else NO_FIGURE,
        "Returned or cancelled": f"{100 * (1 - orders / placed):.1f} %" if placed else NO_FIGURE,
        "Gross margin": f"{100 * (1 - row['cost'] / costed):.1f} %" if costed else NO_FIGURE,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("first", "last"),
    [("2023-02-09", "2024-02-11"), ("2024-01-02", "2024-01-02"), ("2024-01-10", "2024-02-02"),
     ("2024-02-05", "2024-02-11"), ("2023-06-01", "2023-06-30")],
)  # fmt: skip
def test_tiles_of_any_range_are_right_to_the_cent(
    opened: Opened, shown: Shop, first: str, last: str
) -> None:
    opened.choose(first, last)
    assert opened.tiles() == expected_tiles(
        shown, date.fromisoformat(first), date.fromisoformat(last)
    )


@pytest.mark.parametrize(
    ("view", "where"),
    [("category=books", "category = 'books'"),
     ("country=FR", "c.country = 'FR'"),
     ("country=PL", "c.country is null"),  # where the unknown customer's orders were shipped
     ("segment=regular&category=home_garden", "segment = 'regular' and category = 'home_garden'")],
)  # fmt: skip
def test_filters(opened: Opened, shown: Shop, view: str, where: str) -> None:
    opened.go(f"#sales?from=2024-01-05&to=2024-02-08&{view}")
    expected = expected_tiles(shown, date(2024, 1, 5), date(2024, 2, 8), where)
    assert expected["Orders"] != "0"
    assert opened.tiles() == expected


def test_every_tile_says_of_what(opened: Opened) -> None:
    sentences = opened.page.locator("#tiles .of").all_inner_texts()
    assert len(sentences) == len(opened.tiles())
    assert all(text.endswith(".") for text in sentences)
    opened.choose("2024-01-01", "2024-02-11")
    text = opened.page.locator("#tiles > div", has_text="Returned or cancelled").inner_text()
    assert "8 of 61 orders with items." in text


def test_what_the_shop_file_leaves_out_is_said_where_returns_are_shown(
    browser: Browser, shop: Shop
) -> None:
    shop.file("lines").write_text(
        "InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice\n1,A,2,2024-01-01 08:00:00,10\n"
        "C2,A,-1,2024-01-01 09:00:00,10\n", "utf-8"
    )  # fmt: skip
    with using(shipped_shops()["invoice_lines"]):
        shop.run_all()
        built = build_dashboard(settings_of(shop))
    page = browser.new_page()
    page.goto(build.link_to(built.location))
    tile = page.locator("#tiles > div", has_text="Returned or cancelled").inner_text()
    page.close()
    assert "0.0 %" not in tile
    assert NO_FIGURE in tile
    assert (
        "No status of the shop file means cancelled or returned. Lines that it leaves out are no "
        "sales, by tables.orders.where: regexp_matches(InvoiceNo, '^[0-9]') and number(Quantity)"
    ) in tile


def revenue(shop: Shop, first: str, last: str) -> Decimal:
    return shop.one("select sum(revenue) as r from gold.daily_revenue where order_date "
                    f"between date '{first}' and date '{last}'")["r"]  # fmt: skip


def test_the_change_against_the_days_before_or_a_year_before(opened: Opened, shown: Shop) -> None:
    page = opened.page
    page.get_by_role("button", name="7 days", exact=True).click()
    change = 100 * (
        revenue(shown, "2024-02-05", "2024-02-11") / revenue(shown, "2024-01-29", "2024-02-04") - 1
    )
    expect(page.locator("#period")).to_have_text(
        "2024-02-05 to 2024-02-11, 7 days, 2 of them without an order; "
        "compared with 2024-01-29 to 2024-02-04."
    )
    first = page.locator("#tiles .change").first
    assert first.inner_text() == f"▲ +{change:.1f} %"
    page.get_by_role("radio", name="A year before").check(force=True)
    expect(page.locator("#period")).to_contain_text("no comparison: no data for all of")
    expect(page.locator("#tiles .change")).to_have_count(0)  # said once, by the period
    opened.choose("2024-02-09", "2024-02-11")
    expect(page.locator("#period")).to_contain_text("compared with 2023-02-09 to 2023-02-11.")
    change = 100 * (
        revenue(shown, "2024-02-09", "2024-02-11") / revenue(shown, "2023-02-09", "2023-02-11") - 1
    )
    assert first.inner_text() == f"▲ +{change:,.1f} %"


@pytest.mark.parametrize(
    ("grain", "table", "column"),
    [("Day", "daily_revenue", "order_date"), ("Week", "weekly_revenue", "week_start_date"),
     ("Month", "monthly_revenue", "month_start_date")],
)  # fmt: skip
def test_revenue_by_day_week_and_month(
    opened: Opened, shown: Shop, grain: str, table: str, column: str
) -> None:
    opened.page.get_by_role("button", name="All", exact=True).click()
    opened.page.get_by_role("radio", name=grain, exact=True).check(force=True)
    form = "%Y-%m" if grain == "Month" else "%Y-%m-%d"
    expected = {
        row["day"]: euros(row["revenue"])
        for row in shown.query(f"select strftime({column}, '{form}') as day, revenue "
                               f"from gold.{table}")
    }  # fmt: skip
    found = {day: amount for day, amount, *_ in opened.rows("revenue") if amount != "€0.00"}
    assert found == {day: amount for day, amount in expected.items() if amount != "€0.00"}
    bars = opened.page.locator("#revenue svg path[aria-roledescription=bar]")
    expect(bars).to_have_count(len(opened.rows("revenue")))


def test_charts_and_their_csv_are_of_the_chosen_days(opened: Opened, shown: Shop) -> None:
    first, last = "2024-01-05", "2024-02-08"
    opened.choose(first, last)
    sold = (
        f"from gold.fact_sales f {JOINS} "
        f"where is_sale and order_date between date '{first}' and date '{last}'"
    )
    name, rows = opened.csv("categories")
    assert name == f"categories_{first}_{last}.csv"
    assert sorted(tuple(row.values()) for row in rows) == [
        (row["month"], row["category"].replace("_", " "), str(row["revenue"]))
        for row in shown.query(
            "select strftime(order_date, '%Y-%m') as month, category, sum(revenue) as revenue "
            f"{sold} group by 1, 2 order by 1, 2")
    ]  # fmt: skip
    places = {"DE": "Germany", "FR": "France", "AT": "Austria", "PL": "Poland"}
    for chart, column in (("countries", "coalesce(c.country, 'PL')"), ("segments", "segment"),
                          ("currencies", "currency")):  # fmt: skip
        expected = shown.query(
            f"select {column} as name, count(distinct customer_key) as customers, "
            f"count(distinct order_id) as orders, sum(revenue) as revenue {sold} "
            "group by 1 order by 4 desc"
        )
        assert [tuple(row.values()) for row in opened.csv(chart)[1]] == [
            (places.get(row["name"], row["name"]), str(row["customers"]), str(row["orders"]),
             str(row["revenue"]))
            for row in expected
        ]  # fmt: skip
    products = shown.query(
        "select name, product_id, sum(quantity) as pieces, count(distinct order_id) as orders, "
        f"sum(revenue) as revenue, 1 - sum(quantity * cost) / sum(revenue) as margin {sold} "
        "group by 1, 2 order by 5 desc"
    )
    assert [
        (row["Product"], row["Product number"], row["Pieces"], row["Revenue"], row["Gross margin"])
        for row in opened.csv("products")[1]
    ] == [
        (row["name"], row["product_id"], str(row["pieces"]), str(row["revenue"]),
         "" if row["margin"] is None else f"{row['margin']:.4f}")
        for row in products
    ]  # fmt: skip
    customers = shown.one(f"select count(distinct customer_key) as n {sold}")["n"]
    assert sum(int(row["Customers"]) for row in opened.csv("values")[1]) == customers


def test_a_csv_is_safe_for_a_spreadsheet(opened: Opened) -> None:
    """What names hold comes from deliveries; nothing in it becomes a formula."""
    cells = ["=1+1", "+1", "@x", "-0.2500", 'a "b", c', "two\nlines"]
    text = opened.page.evaluate(
        "cells => csvOf([{ name: 'Name', show: (row) => row }], cells)", cells
    )
    assert [row[0] for row in csv.reader(io.StringIO(text, newline=""))] == [
        "Name", "'=1+1", "'+1", "'@x", "-0.2500", 'a "b", c', "two\nlines",
    ]  # fmt: skip


def test_new_and_returning_customers_and_cohorts(opened: Opened, shown: Shop) -> None:
    opened.go("#sales?from=2023-02-09&to=2024-02-11&by=month")
    by_month = shown.query(
        "with first_sale as (select customer_key, date_trunc('month', min(order_date)) as month "
        "from gold.fact_sales where is_sale group by 1) "
        "select strftime(order_date, '%Y-%m') as month, "
        "count(distinct customer_key) filter (date_trunc('month', order_date) = month) as added, "
        "count(distinct customer_key) filter (date_trunc('month', order_date) > month) as again "
        "from gold.fact_sales join first_sale using (customer_key) where is_sale group by 1"
    )
    found = {
        row[0]: (int(row[1]), int(row[2]))
        for row in opened.rows("new-customers") if row[1:3] != ["0", "0"]
    }  # fmt: skip
    assert found == {row["month"]: (row["added"], row["again"]) for row in by_month}
    assert sum(again for _, again in found.values()) > 0
    cohorts = {row["First sale in"]: row for row in opened.csv("cohorts")[1]}
    later = shown.query(
        "with first_sale as (select customer_key, date_trunc('month', min(order_date)) as month "
        "from gold.fact_sales where is_sale group by 1) "
        "select strftime(month, '%Y-%m') as cohort, date_diff('month', month, order_date) as after, "
        "count(distinct customer_key) as n from gold.fact_sales join first_sale using "
        "(customer_key) where is_sale group by 1, 2"
    )
    for row in later:
        after = row["after"]
        column = f"Month {after}" if after else "New customers"
        assert cohorts[row["cohort"]][column] == str(row["n"])
    opened.choose("2024-01-01", "2024-01-20")
    assert "no later month to look at yet" in opened.page.locator("#cohorts").inner_text()


def test_a_click_filters_and_zooms_and_the_address_says_so(opened: Opened, shown: Shop) -> None:
    page = opened.page
    opened.choose("2024-01-01", "2024-02-11")
    page.locator("#countries svg path[aria-roledescription=bar]").nth(1).click()
    country = page.locator("#country option:checked").inner_text()
    assert country == opened.rows("countries")[1][0]
    expect(page.locator("#filtered")).to_contain_text(f"country: {country}")
    # The other countries are still there to be clicked, and the rest of the page is filtered.
    assert len(opened.rows("countries")) == 4
    page.get_by_role("radio", name="Week", exact=True).check(force=True)
    page.locator("#revenue svg path[aria-roledescription=bar]").nth(2).click()
    view = page.evaluate("location.hash")
    assert view.startswith("#sales?from=2024-01-15&to=2024-01-21&country=")
    tiles = opened.tiles()
    opened.go(view)
    assert opened.tiles() == tiles
    page.locator("#filtered button").click()
    expect(page.locator("#filtered")).to_be_hidden()
    expect(page.locator("#country")).to_be_focused()
    assert opened.tiles() == expected_tiles(shown, date(2024, 1, 15), date(2024, 1, 21))
    opened.go("#sales?by=toString&compared=constructor")
    assert opened.tiles()
    opened.go("#sales?category=hats")
    expect(page.get_by_role("alert")).to_have_text("No category hats has orders in these days.")


def test_the_way_back_undoes_a_click(opened: Opened) -> None:
    page = opened.page
    opened.choose("2024-01-01", "2024-02-11")
    page.locator("#countries svg path[aria-roledescription=bar]").nth(1).click()
    bars = "path[aria-roledescription=bar]:not([aria-label$='€0.00'])"
    page.locator(f"#revenue svg {bars}").first.click()
    expect(page.locator("#period")).to_contain_text(", 1 day")
    page.go_back()
    expect(page.locator("#period")).to_contain_text("2024-01-01 to 2024-02-11")
    expect(page.locator("#filtered")).to_be_visible()
    page.go_back()
    expect(page.locator("#filtered")).to_be_hidden()
    page.go_forward()
    expect(page.locator("#filtered")).to_be_visible()


def test_one_period_is_pressed(opened: Opened, shown: Shop) -> None:
    """Where several mean the same days: the one that was pressed."""
    page = opened.page
    pressed = page.locator("#presets button[aria-pressed=true]")
    opened.go("#quality")
    for name in ("All", "28 days"):
        page.get_by_role("button", name=name, exact=True).click()
        expect(pressed).to_have_text([name])
    # Six weeks of ingestion dates; the first two presets that mean all of them are not both pressed.
    page.evaluate("PRESETS.push(['42 days', 42])")
    page.get_by_role("button", name="All", exact=True).click()
    expect(pressed).to_have_text(["All"])
    opened.go("#sales?from=2024-02-05&to=2024-02-11")
    expect(pressed).to_have_text(["7 days"])


CSV_COUNTRIES = {"DE": "Germany", "FR": "France", "AT": "Austria", "PL": "Poland"}
SALES = "2023-02-09", "2024-02-11"
QUALITY = "2024-01-01", "2024-02-11"
# By place of a table of the page: the rows of its CSV, by a query over the published tables.
TABLES = {
    "revenue": """
        select week_start_date, revenue, returned, net_revenue from gold.weekly_revenue
        order by 1""",
    "returns": "select week_start_date, returned from gold.weekly_revenue order by 1",
    "return-reasons": """
        select coalesce(reason, 'not given'), count(*), sum(quantity), sum(returned_amount)
        from gold.fact_returns where is_counted group by 1 order by 4 desc""",
    "new-customers": """
        with first_sale as (select customer_key, min(order_date) as day from gold.fact_sales
            where is_sale group by 1),
        sold as (select *, date_trunc('week', order_date)::date as week,
            day >= date_trunc('week', order_date) as fresh
            from gold.fact_sales join first_sale using (customer_key) where is_sale)
        select week, count(distinct customer_key) filter (fresh),
            count(distinct customer_key) filter (not fresh),
            coalesce(sum(revenue) filter (fresh), 0), coalesce(sum(revenue) filter (not fresh), 0)
        from sold group by 1 order by 1""",
    "categories": """
        select strftime(month_start_date, '%Y-%m'), replace(category, '_', ' '), revenue
        from gold.category_performance order by 1, 3 desc""",
    "countries": """
        select coalesce(c.country, f.shipping_country), count(distinct customer_key),
            count(distinct order_id), sum(revenue)
        from gold.fact_sales f join gold.dim_customer c using (customer_key)
        where is_sale group by 1 order by 4 desc""",
    "segments": """
        select segment, count(distinct customer_key), count(distinct order_id), sum(revenue)
        from gold.fact_sales f join gold.dim_customer c using (customer_key)
        where is_sale group by 1 order by 4 desc""",
    "currencies": """
        select currency, count(distinct customer_key), count(distinct order_id), sum(revenue)
        from gold.fact_sales where is_sale group by 1 order by 4 desc""",
    "values": """
        with classes(upper, name) as (values (50, 'up to €50'), (100, 'up to €100'),
            (200, 'up to €200'), (500, 'up to €500'), (1000, 'up to €1,000'),
            (2000, 'up to €2,000'), (5000, 'up to €5,000'))
        select name, count(customer_key) from classes left join gold.customer_lifetime_value
            on revenue > 0 and revenue <= upper
            and revenue > coalesce((select max(c.upper) from classes c
                where c.upper < classes.upper), 0)
        where upper <= (select min(upper) from classes
            where upper >= (select max(revenue) from gold.customer_lifetime_value))
        group by name, upper order by upper""",
    "products": """
        select revenue_rank, t.name, product_id, replace(t.category, '_', ' '), units, orders,
            revenue, returned, printf('%.4f', returned / revenue), round(1 - units * cost / revenue, 4)
        from gold.top_products t join gold.dim_product using (product_id) order by 1""",
    "cohorts": """
        with first_sale as (select customer_key, min(order_date) as day from gold.fact_sales
            where is_sale group by 1)
        select strftime(day, '%Y-%m'), count(distinct customer_key),
            {months}
        from gold.fact_sales join first_sale using (customer_key)
        where is_sale group by 1 order by 1""",
    "quarantined": """
        select _ingestion_date, source, sum(len(_reasons)) from (
            select 'orders' as source, _ingestion_date, _reasons from silver.orders_quarantine
            union all select 'order_items', _ingestion_date, _reasons
            from silver.order_items_quarantine) group by 1, 2 order by 1, 2""",
    "late": """
        select _ingestion_date, 'orders', count(*) from silver.orders
        where updated_at::date < _ingestion_date and _ingestion_date > date '2024-01-01'
        group by 1 order by 1""",
    "reasons": """
        select source, reason, count(*), max(_ingestion_date) from (
            select 'orders' as source, _ingestion_date, unnest(_reasons) as reason
            from silver.orders_quarantine
            union all select 'order_items', _ingestion_date, unnest(_reasons)
            from silver.order_items_quarantine) group by 1, 2 order by 3 desc, 1""",
    "waiting": """
        select order_item_id, order_id,
            if(order_id = 'bad', 'it is in quarantine', 'it has not come'),
            _source_file, _row_number
        from silver.order_items where order_id not in (select order_id from silver.orders)
        order by 1""",
}


def test_every_column_of_every_table_is_that_of_a_query(opened: Opened, shown: Shop) -> None:
    months = ", ".join(
        "count(distinct customer_key) filter (date_trunc('month', order_date) = "
        f"date_trunc('month', day) + interval {n} month)" for n in range(1, 13)
    )  # fmt: skip
    page = opened.page
    places = page.locator("[data-csv]").evaluate_all("all => all.map(one => one.dataset.csv)")
    assert {*TABLES, "snapshots"} == set(places)
    for place, sql in TABLES.items():
        sales = page.locator(f"#page-sales [data-csv={place}]").count()
        first, last = SALES if sales else QUALITY
        opened.go(f"#{'sales' if sales else 'quality'}?from={first}&to={last}&by=week")
        found = [tuple(row.values()) for row in opened.csv(place)[1]]
        expected = [
            tuple("" if value is None else str(value) for value in row.values())
            for row in shown.query(sql.format(months=months))
        ]
        if place in ("revenue", "returns", "new-customers"):  # weeks without an order are zeros
            found = [row for row in found if any(float(cell) for cell in row[1:])]
            expected = [row for row in expected if any(float(cell) for cell in row[1:])]
        if place == "countries":
            expected = [(CSV_COUNTRIES[code], *rest) for code, *rest in expected]
        if place == "cohorts":  # months to come have no figure
            expected = [row[: 2 + len([c for c in row[2:] if c])] for row in expected]
            found = [tuple(cell or "0" for cell in row) for row in found]
        assert found == expected, place

    opened.go("#quality")
    snapshots = last_snapshots(str(shown.lakehouse))
    assert [tuple(row.values()) for row in opened.csv("snapshots")[1]] == [
        (name, str(last["rows"]), f"{last['published']:%Y-%m-%d %H:%M} UTC", last["run"] or NO_FIGURE)
        for name, last in snapshots.items()
    ]  # fmt: skip


def test_the_page_of_data_quality(opened: Opened, shown: Shop) -> None:
    opened.page.get_by_role("link", name="Data quality").press("Enter")
    expect(opened.page.locator("#page-quality")).to_be_visible()
    expect(opened.page.locator("#page-sales")).to_be_hidden()
    opened.page.get_by_role("button", name="All", exact=True).click()
    tiles = opened.tiles("quality-tiles")
    bronze = shown.one(
        "select (select count(*) from bronze.orders) + (select count(*) from bronze.order_items) "
        "+ (select count(*) from bronze.customers) + (select count(*) from bronze.products) "
        "+ (select count(*) from bronze.returns) + (select count(*) from bronze.exchange_rates) as n"
    )
    assert tiles["Rows in bronze"] == f"{bronze['n']:,}"
    assert (tiles["Rows in quarantine"], tiles["Late rows"], tiles["Items waiting"]) == (
        "2", "1", "2",
    )  # fmt: skip
    assert tiles["Delivered up to"] == "2024-02-11"
    assert "customers 2024-01-01" in opened.page.locator("#quality-tiles").inner_text()
    reasons = {row[1]: row for row in opened.rows("reasons")}
    assert reasons["status: not an allowed value"][0:4:2] == ["orders", "1"]
    assert [row[3] for row in opened.rows("reasons")] == ["2024-01-01", "2024-02-11"]
    # The value as it was received, as a text.
    assert MARKUP in json.loads("[" + re.search(
        r'status = (".*")', reasons["status: not an allowed value"][4])[1] + "]")[0]  # fmt: skip
    assert "order_items/ingestion_date=2024-01-01/rows.csv" in reasons[
        "quantity: not a whole number, or out of range"
    ][4]  # fmt: skip
    assert [row[:3] for row in opened.rows("waiting")] == [
        ["I-waits", "never", "it has not come"], ["I-waits-2", "bad", "it is in quarantine"],
    ]  # fmt: skip
    snapshots = {row[0]: row for row in opened.rows("snapshots")}
    assert snapshots["gold.fact_sales"][2].endswith("UTC")
    expect(opened.page.locator("#quarantined svg")).to_be_visible()
    opened.choose("2024-01-01", "2024-01-02")
    assert [row[1] for row in opened.rows("reasons")] == [
        "quantity: not a whole number, or out of range"
    ]
    assert opened.tiles("quality-tiles")["Rows in quarantine"] == "1"


def test_the_other_page_takes_nothing_from_the_period(opened: Opened) -> None:
    """It has figures of fewer days; back on the first page the period is as it was."""
    opened.choose("2023-02-09", "2024-02-11")
    tiles = opened.tiles()
    opened.page.get_by_role("link", name="Data quality").click()
    expect(opened.page.locator("#period")).to_contain_text("Ingestion dates 2024-01-01 to")
    opened.page.get_by_role("link", name="Sales").click()
    expect(opened.page.locator("#period")).to_contain_text("2023-02-09 to 2024-02-11")
    assert opened.tiles() == tiles


def test_of_what_date_the_data_are(opened: Opened) -> None:
    freshness = opened.page.locator("#freshness").inner_text()
    assert freshness.startswith("Orders up to 2024-02-11 · deliveries up to 2024-02-11 · ")
    assert re.search(r"sales published \d{4}-\d\d-\d\d \d\d:\d\d UTC", freshness)


def test_by_keyboard_alone(opened: Opened) -> None:
    page = opened.page
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#page-quality")).to_be_visible()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#page-sales")).to_be_visible()
    page.locator("#presets button").last.focus()
    page.keyboard.press("Space")
    expect(page.locator("#presets button").last).to_have_attribute("aria-pressed", "true")
    opened.choose("2024-01-01", "2024-02-11")
    page.get_by_role("radio", name="Day", exact=True).focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Week", exact=True)).to_be_checked()
    assert len(opened.rows("revenue")) == 6
    page.locator("#category").focus()
    page.keyboard.type("books")
    expect(page.locator("#filtered")).to_contain_text("category: books")


def test_light_dark_and_a_phone(browser: Browser, shown: Shop) -> None:
    colours = set()
    for dark in (False, True):
        opened = Opened(browser, shown.dashboard, width=390, dark=dark)
        opened.choose("2024-01-01", "2024-02-11")
        bar = opened.page.locator("#revenue svg path[aria-roledescription=bar]").nth(1)
        expect(bar).to_be_visible()
        colours.add((
            opened.page.evaluate("getComputedStyle(document.body).backgroundColor"),
            bar.evaluate("bar => getComputedStyle(bar).fill"),
        ))  # fmt: skip
        assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        # No column is lost: each cell of a product is within the screen, beside its name.
        cells = opened.page.locator("#products tbody tr").first.locator("td")
        boxes = [cell.bounding_box() for cell in cells.all()]
        assert len(boxes) == 10
        assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)
        opened.close()
    assert len({page for page, _ in colours}) == len({bar for _, bar in colours}) == 2


def test_on_paper(browser: Browser, shown: Shop) -> None:
    opened = Opened(browser, shown.dashboard, dark=True)
    opened.page.emulate_media(media="print")
    for hidden in ("#controls", "nav", ".csv"):
        expect(opened.page.locator(hidden).first).to_be_hidden()
    expect(opened.page.locator("#period")).to_be_visible()
    white = "getComputedStyle(document.documentElement).backgroundColor"
    assert opened.page.evaluate(white) == "rgb(255, 255, 255)"
    opened.close()


@pytest.mark.parametrize(
    ("view", "width", "dark"),
    [("#sales", 1280, False), ("#sales?country=FR&by=week", 1280, True), ("#sales", 390, False),
     ("#quality", 1280, True), ("#quality", 390, False)],
)  # fmt: skip
def test_everyone_can_use_it(
    browser: Browser, shown: Shop, view: str, width: int, dark: bool
) -> None:
    """No violation of the rules that axe knows."""
    opened = Opened(browser, shown.dashboard, width=width, dark=dark)
    opened.go(view)
    found = Axe().run(opened.page)
    assert found.violations_count == 0, found.generate_report()
    opened.close()


def test_a_page_holds_the_latest_days_that_fit(
    browser: Browser, shown: Shop, tmp_path: Path
) -> None:
    settings = replace(settings_of(shown), dashboard=str(tmp_path / "a.html"), dashboard_lines=10)
    assert build_dashboard(settings).days == 3
    opened = Opened(browser, tmp_path / "a.html")
    assert opened.tiles() == expected_tiles(shown, date(2024, 2, 9), LAST)
    expect(opened.page.locator("#period")).to_contain_text(
        "holds 10 order lines at most (ECOMMERCE_DASHBOARD_LINES), those since 2024-02-09"
    )
    opened.close()


def test_it_is_built_again_only_for_something_new(shop: Shop) -> None:
    shop.deliver_one_of_each()
    shop.run_all()
    settings = settings_of(shop)
    first = build_dashboard(settings)
    written = shop.dashboard.stat().st_mtime_ns
    again = build_dashboard(settings)
    assert (first.days, again.days, again.size) == (1, None, first.size)
    assert shop.dashboard.stat().st_mtime_ns == written
    assert build_dashboard(replace(settings, dashboard_lines=1)).days == 1
    assert build_dashboard(settings).days == 1
    shop.deliver("products", {"product_id": "P2"})
    shop.run_all()
    assert build_dashboard(settings).days == 1
    shop.dashboard.write_text("cut off")
    assert build_dashboard(settings).days == 1


def test_the_lines_name_nobody(shown: Shop) -> None:
    """Of customers and orders no number, no name: a dashboard is passed on."""
    found = json.loads(re.search(
        r'id="figures">(.*?)</script>', shown.dashboard.read_text("utf-8"), re.S)[1])  # fmt: skip
    names = zlib.decompress(base64.b64decode(found["sales"]["names"])).decode()
    assert json.loads(names).keys() == {
        "countries", "segments", "categories", "products", "reasons", "currencies",
    }  # fmt: skip
    text = json.dumps(found["sales"]) + names
    assert not re.search(r"C[0-3]\b|ada@|Lovelace", text)


def test_an_empty_shop(browser: Browser, shop: Shop) -> None:
    for table in ("customers", "products", "orders", "order_items"):
        shop.deliver_exactly(table, [])
    shop.run_all()
    assert build_dashboard(settings_of(shop)).days == 0
    opened = Opened(browser, shop.dashboard)
    expect(opened.page.get_by_role("heading", name="No sales yet")).to_be_visible()
    expect(opened.page.locator("#controls")).to_be_hidden()
    opened.page.get_by_role("link", name="Data quality").click()
    expect(opened.page.locator("#quality-tiles > div").first).to_be_visible()
    assert opened.tiles("quality-tiles")["Rows in quarantine"] == "0"
    opened.close()


def test_a_date_to_come_and_a_person(shop: Shop) -> None:
    shop.deliver_one_of_each()
    shop.deliver("customers", {}, {"customer_id": "C9", "email": "eve at example.com"})
    shop.deliver("orders", {}, {"order_id": "far", "order_date": "2204-01-01"})
    shop.deliver("order_items", {}, {"order_item_id": "far", "order_id": "far"})
    shop.run_all()
    assert build_dashboard(settings_of(shop)).days == 1
    page = shop.dashboard.read_text("utf-8")
    assert '"reason":"email: not an e-mail address"' in page
    assert '"values":{"customer_id":"C9"}' in page
    assert "eve at" not in page


def test_a_snapshot_whose_origin_has_expired_still_counts(
    shown: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = last_snapshots(str(shown.lakehouse))
    assert before["gold.fact_sales"]["rows"] == len(shown.content("gold.fact_sales"))
    monkeypatch.setattr(Snapshot, "rows_unchanged", True)
    found = last_snapshots(str(shown.lakehouse))["gold.fact_sales"]
    assert found["rows"] == before["gold.fact_sales"]["rows"]


def test_a_period_typed_by_hand(opened: Opened, shown: Shop) -> None:
    """Each key is an event: a year that is half typed is a day far away."""
    page, problem = opened.page, opened.page.locator("#problem")
    opened.choose("2024-01-29", "2024-02-11")
    page.locator("#to").focus()
    page.keyboard.type("02022024")  # whether the day or the month comes first
    assert opened.tiles() == expected_tiles(shown, date(2024, 1, 29), date(2024, 2, 2))
    expect(problem).to_be_empty()


def test_a_period_that_can_not_be_shown_is_said(opened: Opened, shown: Shop) -> None:
    page, problem = opened.page, opened.page.get_by_role("alert")
    opened.choose("2024-01-10", "2024-02-02")
    page.locator("#from").fill("2024-02-03")
    expect(problem).to_have_text(
        "From (2024-02-03) is after to (2024-02-02); the last period stays."
    )
    expect(page.locator("#from")).to_have_attribute("aria-invalid", "true")
    assert opened.tiles() == expected_tiles(shown, date(2024, 1, 10), date(2024, 2, 2))
    page.locator("#to").fill("2025-01-01")
    expect(problem).to_have_text(
        "Not all of 2024-02-03 to 2025-01-01 is shown: there are figures from 2023-02-09 to "
        "2024-02-11."
    )
    assert opened.tiles() == expected_tiles(shown, date(2024, 2, 3), LAST)
    opened.go("#sales?from=1999-01-01&to=1999-01-31")
    expect(problem).to_contain_text("No figures from 1999-01-01 to 1999-01-31: there are figures")
    opened.go("#sales?from=soon&to=2024-02-02")
    expect(problem).to_contain_text("From and to must be dates")


def test_a_tooltip_is_for_people(opened: Opened) -> None:
    opened.page.get_by_role("link", name="Data quality").click()
    opened.page.locator("#quarantined svg path[aria-roledescription=bar]").first.hover()
    expect(opened.page.locator("#vg-tooltip-element")).to_contain_text("2024-02-11")


def test_the_command(shown: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launched = []
    monkeypatch.setattr("click.launch", launched.append)
    file = tmp_path / "new" / "page.html"
    places = {"ECOMMERCE_LAKEHOUSE": str(shown.lakehouse), "ECOMMERCE_DASHBOARD": str(file)}
    done = CliRunner().invoke(ecommerce, ["dashboard"], env=places)
    assert done.stdout.strip() == file.as_uri()
    assert "368 days of sales" in done.stderr
    assert launched == [file.as_uri()]
    assert [found.name for found in file.parent.iterdir()] == ["page.html"]
    (tmp_path / "in the way").touch()
    places["ECOMMERCE_DASHBOARD"] = str(tmp_path / "in the way" / "page.html")
    refused = CliRunner().invoke(ecommerce, ["dashboard", "--no-open"], env=places)
    assert isinstance(refused.exception, PipelineError)
    assert "can't write the dashboard" in str(refused.exception)


def test_tables_that_are_not_there_yet(shop: Shop) -> None:
    shop.deliver_one_of_each()
    shop.run("bronze")
    with pytest.raises(PipelineError, match=r"not there yet: gold.dim_customer.*ecommerce run"):
        build_dashboard(settings_of(shop))


def test_what_it_reads_is_what_it_says(
    shown: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []

    @contextmanager
    def spying(settings: Settings, _: str) -> Iterator[Query]:
        with open_engine(settings) as query:
            yield lambda sql: statements.append(sql) or query(sql)

    monkeypatch.setattr(build, "open_engine", spying)
    build_dashboard(replace(settings_of(shown), dashboard=str(tmp_path / "another.html")))
    named = set(re.findall(r"\b(?:bronze|silver|gold)\.\w+", " ".join(statements)))
    assert named == set(reads())


def test_on_aws_a_link_opens_it(shown: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables are local here: only where the page goes is S3."""
    import boto3

    with moto_server() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        place = {"LocationConstraint": environment["AWS_REGION"]}
        boto3.client("s3").create_bucket(Bucket="results", CreateBucketConfiguration=place)
        settings = Settings(lakehouse=str(shown.lakehouse),
                            dashboard="s3://results/dashboard/sales.html")  # fmt: skip
        built = build_dashboard(settings)
        assert built.location == "s3://results/dashboard/sales.html"
        link = build.link_to(built.location)
        assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in link
        assert "X-Amz-Expires=604800" in link
        answer = requests.get(link, timeout=30)
        assert answer.headers["Content-Type"].startswith("text/html")
        assert len(answer.content) == built.size
        again = build_dashboard(settings)
        assert (again.unchanged, again.size) == (True, built.size)
        assert requests.get(build.link_to(again.location), timeout=30).content == answer.content
        with pytest.raises(PipelineError, match=r"looking at s3://results/none\.html: "):
            build.link_to("s3://results/none.html")
        with pytest.raises(PipelineError, match="ECOMMERCE_DASHBOARD is not set"):
            build_dashboard(Settings(deployment="aws", dashboard=""))
        with pytest.raises(PipelineError, match="ECOMMERCE_DASHBOARD is not set"):
            build.link_to("")
        with pytest.raises(PipelineError, match=r"writing s3://nowhere/a.html: there is no such"):
            build_dashboard(
                Settings(lakehouse=str(shown.lakehouse), dashboard="s3://nowhere/a.html")
            )
