"""The documents name what exists: functions on the walk, settings, checks."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from ecommerce_assets.jobs.audit import checks_of
from ecommerce_assets.shop import shipped_shops
from ecommerce_assets.tables import all_tables
from ecommerce_assets.tables.silver import (
    customers,
    exchange_rates,
    order_items,
    orders,
    products,
    returns,
)
from tools.shop_pages import pages

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
TOOLS = REPOSITORY / "tools"
WALK = (DOCS / "explanation" / "walk.md").read_text("utf-8")
# `name` (`path`), or (`path`, `name`).
NAMED = re.findall(r"`([A-Za-z_.]+)`\s+\(`([a-z_/]+\.py)`\)", WALK) + [
    (name, path) for path, name in re.findall(r"\(`([a-z_/]+\.py)`,\s+`([A-Za-z_.]+)`\)", WALK)
]


@pytest.mark.parametrize(("name", "path"), NAMED)
def test_the_walk_names_what_exists(name: str, path: str) -> None:
    text = (REPOSITORY / "ecommerce_assets" / path).read_text("utf-8")
    last = name.split(".")[-1]
    assert re.search(rf"(?m)\b(def|class) {last}\b|^{last} = ", text), f"no {name} in {path}"


def test_pages_show_the_shipped_shop_files_in_full() -> None:
    """As text, since GitHub shows no included file."""
    shown = pages()
    assert len(shown) == 5
    assert {page for page, text in shown.items() if page.read_text("utf-8") != text} == set()
    texts = "".join(shown.values())
    assert all(shop.text in texts for shop in shipped_shops().values())


def test_the_walk_passes_every_room() -> None:
    rooms = {path.split("/")[0] for _, path in NAMED}
    assert rooms >= {"orchestration", "jobs", "refresh", "tables", "lakehouse", "landing"}


def test_every_setting_is_documented() -> None:
    text = "\n".join(
        file.read_text("utf-8") for file in (REPOSITORY / "ecommerce_assets").rglob("*.py")
    )
    page = (DOCS / "reference" / "settings.md").read_text("utf-8")
    used = set(re.findall(r"\bECOMMERCE_[A-Z_]+[A-Z]\b", text))
    assert {name for name in used if name not in page} == set()


def test_the_page_on_shop_files_lists_every_column_and_what_may_be_empty() -> None:
    page = (DOCS / "how-to" / "shop.md").read_text("utf-8")
    found = re.findall(r"(?m)^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \|$", page)
    listed = {name: cells for name, *cells in found if "(key)" in cells[0]}
    models = {"orders": orders.Orders, "order_items": order_items.OrderItems,
              "products": products.Products, "customers": customers.Customers,
              "returns": returns.Returns, "exchange_rates": exchange_rates.ExchangeRates}  # fmt: skip
    for table, model in models.items():
        wanted: list[list[str]] = [[], [], []]
        for name, column in model.to_schema().columns.items():
            metadata = column.metadata
            computed = name in ("business_date", "line_total", "gross_amount", "amount")
            must = metadata["essential"] and not metadata["instead"]
            may = not column.nullable and metadata["default"] is None and not computed
            wanted[0 if must else 1 if may else 2].append(name)
        names = [sorted(re.findall(r"`(\w+)`", cell)) for cell in listed[table]]
        assert names == [sorted(columns) for columns in wanted], table


def test_every_check_of_its_own_is_documented() -> None:
    page = (DOCS / "reference" / "checks.md").read_text("utf-8")
    names = {check.name for table in all_tables().values() for check in checks_of(table)}
    assert {name for name in names if f"`{name}`" not in page} == set()


def test_the_readme_is_a_front_page() -> None:
    assert len((REPOSITORY / "README.md").read_text("utf-8").splitlines()) <= 200


@pytest.mark.parametrize("name", shipped_shops())
def test_a_shipped_shop_has_a_page_that_says_how_to_use_it(name: str) -> None:
    page = (DOCS / "how-to" / "shops" / f"{name.replace('_', '-')}.md").read_text("utf-8")
    assert name == "default" or f"export ECOMMERCE_SHOP={name}\n" in page
    assert name == "default" or f"ecommerce generate --shop {name} " in page
    assert f"shops/{name.replace('_', '-')}.md" in (DOCS / "how-to" / "shop.md").read_text("utf-8")


@pytest.mark.parametrize("name", ["benchmark", "mutations", "pictures", "prose"])
def test_the_tools_can_be_loaded(name: str) -> None:
    """No other test runs them."""
    import_module(f"tools.{name}.__main__" if (TOOLS / name).is_dir() else f"tools.{name}")
