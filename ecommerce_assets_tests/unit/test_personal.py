"""Personal data stay in the tables: no check, alert, page or report shows them unasked."""

import json
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ecommerce_assets.cli.main import ecommerce
from ecommerce_assets.dashboard.build import build_dashboard
from ecommerce_assets.jobs import reporting, run
from ecommerce_assets.settings import Settings
from ecommerce_assets.shop import shipped_shops, using
from ecommerce_assets.tables import tables_of
from ecommerce_assets.tables.personal import MASK, personal_columns, without_personal
from ecommerce_assets_tests.shop import Shop
from ecommerce_assets_tests.unit.test_shipped_shops import SHOPIFY

PERSON = {"email": "ann at example", "first_name": "Annabel", "last_name": "Underhill",
          "phone": "+49 30 123456", "city": "Wiesbaden", "address": "Lindenweg 4"}  # fmt: skip


def test_the_columns_of_people_are_marked_once() -> None:
    assert personal_columns() == {*PERSON, "shipping_city", "_rescued_data"}
    with using(shipped_shops()["shopify"]):
        # Who orders is known by the e-mail address, so the key is one.
        assert personal_columns() >= {"email", "customer_id", "billing_phone"}
    with using(shipped_shops()["erp"]):
        assert personal_columns() >= {"kunde", "ort"}


def test_values_are_masked_where_they_are() -> None:
    row = {"Email": "a@b.c", "city": None, "country": "DE", "_filled_down": {"email": "a@b.c"}}
    assert without_personal(row) == {
        "Email": MASK, "city": None, "country": "DE", "_filled_down": {"email": MASK},
    }  # fmt: skip


class Told:
    """What a job reports to Dagster."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def report_asset_check(self, **given: Any) -> None:
        self.said.append(given)

    def report_asset_materialization(self, **given: Any) -> None:
        self.said.append(given)


@pytest.mark.parametrize("name", [None, *shipped_shops()])
def test_gold_holds_no_personal_data(name: str | None) -> None:
    """What silver marks is in no table that analysts read. Ids of customers: test_shipped_shops."""
    with using(shipped_shops()[name]) if name else nullcontext():
        marked = personal_columns() - {"customer_id"}
        assert {"email", "last_name", "shipping_city"} <= marked or name
        for table in tables_of("gold"):
            assert marked.isdisjoint(table.columns), table.name


def test_no_check_tells_a_persons_data(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told()
    reporter = reporting.PipesReporter(told)
    monkeypatch.setattr(run, "open_reporter", lambda _: nullcontext(reporter))
    shop.deliver("customers", PERSON, {"customer_id": "C2", "country": "Germany"})
    shop.run("bronze", "customers")
    # Both rows are bad, which warns, with examples, and does not block at this limit.
    shop.run("silver", "customers,customers_quarantine", limit=0.3)
    text = json.dumps(told.said, ensure_ascii=False, default=str)
    assert "email: not an e-mail address" in text
    assert MASK in text
    assert [value for value in PERSON.values() if value in text] == []


def test_trace_shows_them_only_when_asked(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.deliver("customers", {**PERSON, "email": "ann@example.com"})
    shop.run("bronze", "customers")
    shop.run("silver", "customers,customers_quarantine")
    monkeypatch.setenv("ECOMMERCE_LAKEHOUSE", str(shop.lakehouse))
    call = ["trace", "--table", "silver.customers", "--key", "C1", "--json"]
    masked = CliRunner().invoke(ecommerce, call)
    assert masked.exit_code == 0
    assert "Annabel" not in masked.stdout
    assert MASK in masked.stdout
    shown = CliRunner().invoke(ecommerce, [*call, "--show-personal"]).stdout
    assert "Annabel" in shown
    assert "ann@example.com" in shown


def test_neither_the_page_nor_the_trial_shows_them(shop: Shop) -> None:
    text = SHOPIFY.replace("bob@example.com", "bob.example.com")
    shop.file("orders_export").write_text(text, "utf-8")
    settings = Settings(landing=str(shop.landing), lakehouse=str(shop.lakehouse),
                        dashboard=str(shop.dashboard), start_date=date(2024, 1, 1))  # fmt: skip
    with using(shipped_shops()["shopify"]):
        shop.run_all()
        build_dashboard(settings)
        assert shop.one("select count(*) as n from silver.customers_quarantine")["n"] == 2
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ECOMMERCE_LANDING", str(shop.landing))
            tried = CliRunner().invoke(ecommerce, ["shop", "check"]).stdout
    page = Path(shop.dashboard).read_text("utf-8")
    assert "not an e-mail address" in page
    assert "bob.example.com" not in page
    assert "not an e-mail address" in tried
    assert "bob.example.com" not in tried
