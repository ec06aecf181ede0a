"""The whole table where it is smaller: the same rows, and the same judgement of the run's dates."""

import pytest

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.refresh import limits
from ecommerce_assets.refresh.limits import Limits
from ecommerce_assets_tests.shop import Shop
from ecommerce_assets_tests.three_days import DAYS, deliver, different


@pytest.fixture(autouse=True)
def _quicker_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DEFAULT", Limits())


def test_small_tables_are_recomputed_as_a_whole(shop: Shop) -> None:
    for number in range(3):
        shop.run_all(deliver(shop, number))
    assert different(shop) == {}
    shop.deliver("orders", {"order_id": "O0", "customer_id": "C9", "order_date": DAYS[1]},
                 day=DAYS[0])  # fmt: skip
    shop.run_all(DAYS[0])
    assert different(shop) == {}


def test_a_broken_delivery_is_not_diluted_by_good_ones(shop: Shop) -> None:
    many = [{"order_id": f"O{n}"} for n in range(50)]
    shop.deliver("orders", *many, day=DAYS[0])
    shop.deliver("orders", {"order_id": "O60", "status": "on its way"}, day=DAYS[1])
    shop.run("bronze", first=DAYS[0], last=DAYS[1])
    shop.run("silver", first=DAYS[0], last=DAYS[0])
    shop.deliver("orders", {"order_id": "O61", "status": "on its way"}, day=DAYS[2])
    shop.run("bronze", first=DAYS[2])
    said = f"1 of 1 rows .* of {DAYS[2]} broke the contract"
    with pytest.raises(PipelineError, match=said):
        shop.run("silver", "orders", first=DAYS[2], limit=0.5)
    # The same for a delivery that replaces another one, after which all of them are parsed.
    shop.deliver("orders", {"order_id": "O61"}, day=DAYS[2])
    for layer in ("bronze", "silver"):
        shop.run(layer, first=DAYS[2], limit=0.5)
    shop.deliver("orders", {"order_id": "O61", "status": "on its way"}, day=DAYS[2])
    shop.run("bronze", first=DAYS[2])
    with pytest.raises(PipelineError, match=said):
        shop.run("silver", "orders", first=DAYS[2], limit=0.5)
