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
        shop.run("silver", "orders", first=DAYS[2], limit=0.05)
    # The same for a delivery that replaces another one, after which all of them are parsed.
    shop.deliver("orders", {"order_id": "O61"}, day=DAYS[2])
    for layer in ("bronze", "silver"):
        shop.run(layer, first=DAYS[2], limit=0.05)
    shop.deliver("orders", {"order_id": "O61", "status": "on its way"}, day=DAYS[2])
    shop.run("bronze", first=DAYS[2])
    with pytest.raises(PipelineError, match=said):
        shop.run("silver", "orders", first=DAYS[2], limit=0.05)


def test_a_version_that_is_gone_does_not_stay_in_a_small_table_of_many_versions(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many versions of one key: quick to merge with, and not to read as a whole."""
    monkeypatch.setattr(limits, "DEFAULT", Limits(finding_changes=2))
    days = [f"2024-01-{number:02}" for number in range(1, 9)]
    for day in days:
        shop.deliver("orders", {"updated_at": day}, day=day)
    for layer in ("bronze", "silver"):
        shop.run(layer, "orders", first=days[0], last=days[-1])
    shop.deliver("orders", {"order_id": "O2", "updated_at": days[-1]}, day=days[-1])
    for layer in ("bronze", "silver"):
        shop.run(layer, "orders", first=days[-1])
    current = "select order_id, strftime(updated_at, '%Y-%m-%d') as d from silver.orders order by 1"
    assert [tuple(row.values()) for row in shop.query(current)] == [
        ("O1", days[-2]), ("O2", days[-1]),
    ]  # fmt: skip
