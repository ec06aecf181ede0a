"""The dashboard: what it shows is what the tables hold, and a browser shows it."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner
from playwright.sync_api import Browser, expect

from ecommerce_assets.cli.main import ecommerce
from ecommerce_assets.dashboard import build
from ecommerce_assets.dashboard.build import build_dashboard
from ecommerce_assets.dashboard.figures import reads
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.query.asking import Ask, asking
from ecommerce_assets.query.history import last_states
from ecommerce_assets.settings import Settings
from ecommerce_assets_tests.aws_stand_in import moto_server
from ecommerce_assets_tests.browser import Opened, started
from ecommerce_assets_tests.shop import Shop

FIRST, LAST = date(2024, 1, 1), date(2024, 2, 11)
MARKUP = "<img src=x onerror=alert(1)></script><script>alert(2)</script> & 'Lamp'"


def settings_of(shop: Shop) -> Settings:
    return Settings(
        landing=str(shop.landing), lakehouse=str(shop.lakehouse), dashboard=str(shop.dashboard)
    )


@pytest.fixture(scope="module")
def shown(module_shop: Shop) -> Shop:
    """Six weeks of sales of three customers and products, bad rows, a late one, one that waits."""
    shop = module_shop
    shop.deliver("customers", {}, {"customer_id": "C2", "country": "FR"}, {"customer_id": "C3"})
    shop.deliver("products", {"name": MARKUP}, {"product_id": "P2", "category": "books"})
    days = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
    orders, items = [], []
    for n, day in enumerate(days):
        for order in range(n % 4):  # every fourth day without an order
            number = f"{n}-{order}"
            price = f"{10 + n * 3 + order}.{n % 100:02}"
            orders.append({
                "order_id": number, "customer_id": f"C{(n * 5 + order * 3) % 4}",
                "order_date": f"{day}T12:00:00Z", "total_amount": price,
                "status": "returned" if (n + order) % 7 == 0 else "delivered",
                "updated_at": f"{FIRST}T12:00:00Z",
            })  # fmt: skip
            items.append({
                "order_item_id": f"I{number}", "order_id": number, "product_id": f"P{order % 2 + 1}",
                "unit_price": price, "line_total": price,
            })  # fmt: skip
    shop.deliver("orders", *orders)
    shop.deliver(
        "order_items", *items, {"order_item_id": "I-waits", "order_id": "never"},
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


def expected_tiles(shop: Shop, first: date, last: date) -> dict[str, str]:
    """The tiles, counted anew in the facts."""
    row = shop.one(
        "select coalesce(sum(revenue) filter (is_sale), 0) as revenue, "
        "count(distinct order_id) filter (is_sale) as orders, "
        "count(distinct customer_key) filter (is_sale) as customers, "
        "count(distinct order_id) as placed from gold.fact_sales "
        f"where order_date between date '{first}' and date '{last}'"
    )
    cents = int(row["revenue"] * 100)
    average = (2 * cents + row["orders"]) // (2 * row["orders"])  # half up, in cents
    return {
        "Revenue": euros(row["revenue"]),
        "Orders": str(row["orders"]),
        "Average order value": euros(Decimal(average) / 100),
        "Customers": str(row["customers"]),
        "Average orders per customer": f"{row['orders'] / row['customers']:.2f}",
        "Returned or cancelled": f"{100 * (1 - row['orders'] / row['placed']):.1f} %",
    }


@pytest.mark.parametrize(
    ("first", "last"),
    [("2024-01-01", "2024-02-11"), ("2024-01-02", "2024-01-02"), ("2024-01-10", "2024-02-02"),
     ("2024-02-05", "2024-02-11")],
)  # fmt: skip
def test_tiles_of_any_range_are_right_to_the_cent(
    opened: Opened, shown: Shop, first: str, last: str
):
    opened.choose(first, last)
    assert opened.tiles() == expected_tiles(
        shown, date.fromisoformat(first), date.fromisoformat(last)
    )


def test_the_change_against_the_period_before(opened: Opened, shown: Shop):
    def revenue(first: str, last: str) -> Decimal:
        return shown.one("select sum(revenue) as r from gold.daily_revenue where order_date "
                         f"between date '{first}' and date '{last}'")["r"]  # fmt: skip

    opened.page.get_by_role("button", name="7 days", exact=True).click()
    change = 100 * (revenue("2024-02-05", "2024-02-11") / revenue("2024-01-29", "2024-02-04") - 1)
    expect(opened.page.locator("#period")).to_have_text(
        "5 Feb 2024 to 11 Feb 2024, compared with 29 Jan 2024 to 4 Feb 2024"
    )
    shown_change = opened.page.locator("#tiles .change").first.inner_text()
    assert shown_change == f"▲ +{change:.1f} %"
    opened.page.get_by_role("button", name="All").click()
    expect(opened.page.locator("#period")).to_contain_text("there are no figures for all of the 41")
    assert opened.page.locator("#tiles .change").first.inner_text() == "no figure before"


@pytest.mark.parametrize(
    ("grain", "table", "column"),
    [("Day", "daily_revenue", "order_date"), ("Week", "weekly_revenue", "week_start_date"),
     ("Month", "monthly_revenue", "month_start_date")],
)  # fmt: skip
def test_revenue_by_day_week_and_month(
    opened: Opened, shown: Shop, grain: str, table: str, column: str
):
    opened.page.get_by_role("button", name="All").click()
    opened.page.get_by_role("radio", name=grain).check(force=True)
    expected = {
        row["day"]: euros(row["revenue"])
        for row in shown.query(f"select strftime({column}, '%-d %b %Y') as day, revenue "
                               f"from gold.{table}")
    }  # fmt: skip
    found = {day: amount for day, amount in opened.rows("revenue") if amount != "€0.00"}
    assert found == expected
    bars = opened.page.locator("#revenue svg path[aria-roledescription=bar]")
    expect(bars).to_have_count(len(opened.rows("revenue")))


def test_categories_countries_products_and_customers(opened: Opened, shown: Shop):
    opened.page.get_by_role("button", name="All").click()
    categories = shown.query(
        "select strftime(month_start_date, '%Y-%m') as month, replace(category, '_', ' ') as name, "
        "revenue from gold.category_performance where revenue > 0"
    )
    assert sorted(opened.rows("categories")) == sorted(
        [row["month"], row["name"], euros(row["revenue"])] for row in categories
    )
    countries = shown.query(
        "select coalesce(country, 'unknown') as country, sum(revenue) as revenue "
        "from gold.fact_sales join gold.dim_customer using (customer_key) where is_sale group by 1 "
        "order by 2 desc"
    )
    names = {"DE": "Germany", "FR": "France", "unknown": "unknown"}
    assert opened.rows("countries") == [
        [names[row["country"]], euros(row["revenue"])] for row in countries
    ]
    products = shown.query("select * from gold.top_products order by revenue_rank")
    assert [[row[1], row[6]] for row in opened.rows("products")] == [
        [row["name"], euros(row["revenue"])] for row in products
    ]
    segments = shown.query(
        "select segment, count(*) as customers, sum(lifetime_value) as value "
        "from gold.customer_lifetime_value group by 1 order by 3 desc, 1"
    )
    assert [[row[0], row[1], row[3]] for row in opened.rows("segments")] == [
        [row["segment"], str(row["customers"]), euros(row["value"])] for row in segments
    ]
    customers = shown.one("select count(*) as n from gold.dim_customer")["n"]
    assert sum(int(row[1]) for row in opened.rows("values")) == customers
    opened.choose("2024-01-02", "2024-01-02")
    assert len(opened.rows("categories")) == 1


def test_the_page_of_data_quality(opened: Opened, shown: Shop):
    opened.page.get_by_role("link", name="Data quality").press("Enter")
    expect(opened.page.locator("#page-quality")).to_be_visible()
    expect(opened.page.locator("#page-sales")).to_be_hidden()
    tiles = opened.tiles("quality-tiles")
    bronze = shown.one(
        "select (select count(*) from bronze.orders) + (select count(*) from bronze.order_items) "
        "+ (select count(*) from bronze.customers) + (select count(*) from bronze.products) as n"
    )
    assert tiles["Rows in bronze"] == f"{bronze['n']:,}"
    assert (tiles["Rows in quarantine"], tiles["Late rows"], tiles["Items waiting"]) == (
        "2", "1", "1",
    )  # fmt: skip
    reasons = {row[1]: row for row in opened.rows("reasons")}
    assert reasons["status: not an allowed value"][0:4:2] == ["orders", "1"]
    # The value as it was received, as a text.
    assert MARKUP in json.loads("[" + re.search(
        r'status = (".*")', reasons["status: not an allowed value"][4])[1] + "]")[0]  # fmt: skip
    assert "order_items/ingestion_date=2024-01-01/rows.csv" in reasons[
        "quantity: not a whole number, or out of range"
    ][4]  # fmt: skip
    assert [row[:2] for row in opened.rows("waiting")] == [["I-waits", "never"]]
    states = {row[0]: row for row in opened.rows("states")}
    assert states["gold.fact_sales"][2].endswith("UTC")
    expect(opened.page.locator("#quarantined svg")).to_be_visible()


def test_by_keyboard_alone(opened: Opened):
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
    page.get_by_role("radio", name="Day").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Week")).to_be_checked()
    assert len(opened.rows("revenue")) == 6


def test_light_dark_and_a_phone(browser: Browser, shown: Shop):
    colours = set()
    for dark in (False, True):
        opened = Opened(browser, shown.dashboard, width=390, dark=dark)
        bar = opened.page.locator("#revenue svg path[aria-roledescription=bar]").nth(1)
        expect(bar).to_be_visible()
        colours.add((
            opened.page.evaluate("getComputedStyle(document.body).backgroundColor"),
            bar.get_attribute("fill"),
        ))  # fmt: skip
        assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        opened.close()
    assert len({page for page, _ in colours}) == len({bar for _, bar in colours}) == 2


def test_an_empty_shop(browser: Browser, shop: Shop):
    for table in ("customers", "products", "orders", "order_items"):
        shop.deliver_exactly(table, [])
    shop.run_all()
    assert build_dashboard(settings_of(shop)).days == 0
    opened = Opened(browser, shop.dashboard)
    expect(opened.page.get_by_role("heading", name="No sales yet")).to_be_visible()
    expect(opened.page.locator("#controls")).to_be_hidden()
    opened.page.get_by_role("link", name="Data quality").click()
    assert opened.tiles("quality-tiles")["Rows in quarantine"] == "0"
    opened.close()


def test_a_date_to_come_and_a_person(shop: Shop):
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


def test_a_state_whose_origin_maintenance_forgot_still_counts(
    shown: Shop, monkeypatch: pytest.MonkeyPatch
):
    before = last_states(str(shown.lakehouse))
    assert before["gold.fact_sales"]["rows"] == len(shown.content("gold.fact_sales"))
    monkeypatch.setattr("ecommerce_assets.query.history._operation", lambda snapshot: "replace")
    found = last_states(str(shown.lakehouse))["gold.fact_sales"]
    assert found["rows"] == before["gold.fact_sales"]["rows"]


def test_a_period_typed_by_hand(opened: Opened, shown: Shop):
    """Each key is an event: a year that is half typed is a day far away."""
    field = opened.page.locator("#to")
    field.focus()
    opened.page.keyboard.type("02022024")  # whether the day or the month comes first
    assert opened.tiles() == expected_tiles(shown, date(2024, 1, 29), date(2024, 2, 2))
    opened.choose("2024-01-10", "2024-02-02")
    opened.page.locator("#to").fill("2025-01-01")
    opened.page.locator("#from").fill("1999-01-01")
    assert opened.tiles() == expected_tiles(shown, date(2024, 1, 10), date(2024, 2, 2))


def test_a_tooltip_is_for_people(opened: Opened):
    opened.page.get_by_role("link", name="Data quality").click()
    opened.page.locator("#quarantined svg path[aria-roledescription=bar]").first.hover()
    expect(opened.page.locator("#vg-tooltip-element")).to_contain_text("2024-01-01")


def test_the_command(shown: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    launched = []
    monkeypatch.setattr("click.launch", launched.append)
    file = tmp_path / "new" / "page.html"
    places = {"ECOMMERCE_LAKEHOUSE": str(shown.lakehouse), "ECOMMERCE_DASHBOARD": str(file)}
    done = CliRunner().invoke(ecommerce, ["dashboard"], env=places)
    assert done.stdout.strip() == file.as_uri()
    assert "41 days of sales" in done.stderr
    assert launched == [file.as_uri()]
    assert [found.name for found in file.parent.iterdir()] == ["page.html"]
    (tmp_path / "in the way").touch()
    places["ECOMMERCE_DASHBOARD"] = str(tmp_path / "in the way" / "page.html")
    refused = CliRunner().invoke(ecommerce, ["dashboard", "--no-open"], env=places)
    assert isinstance(refused.exception, PipelineError)
    assert "can't write the dashboard" in str(refused.exception)


def test_tables_that_are_not_there_yet(shop: Shop):
    shop.deliver_one_of_each()
    shop.run("bronze")
    with pytest.raises(PipelineError, match=r"not there yet: gold.fact_sales.*ecommerce run"):
        build_dashboard(settings_of(shop))


def test_what_it_reads_is_what_it_says(shown: Shop, monkeypatch: pytest.MonkeyPatch):
    statements: list[str] = []

    @contextmanager
    def spying(settings: Settings) -> Iterator[Ask]:
        with asking(settings) as ask:
            yield lambda sql: statements.append(sql) or ask(sql)

    monkeypatch.setattr(build, "asking", spying)
    build_dashboard(settings_of(shown))
    named = set(re.findall(r"\b(?:bronze|silver|gold)\.\w+", " ".join(statements)))
    assert named == set(reads())


def test_on_aws_a_link_opens_it(shown: Shop, monkeypatch: pytest.MonkeyPatch):
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
        assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in built.link
        assert "X-Amz-Expires=604800" in built.link
        answer = requests.get(built.link, timeout=30)
        assert answer.headers["Content-Type"].startswith("text/html")
        assert len(answer.content) == built.size
        with pytest.raises(PipelineError, match="ECOMMERCE_DASHBOARD is not set"):
            build_dashboard(Settings(deployment="aws", dashboard=""))
        with pytest.raises(PipelineError, match=r"writing s3://nowhere/a.html: there is no such"):
            build_dashboard(
                Settings(lakehouse=str(shown.lakehouse), dashboard="s3://nowhere/a.html")
            )
