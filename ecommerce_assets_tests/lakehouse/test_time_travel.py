"""Earlier snapshots: which there are, and the tables as they were."""

import time
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner, Result

from ecommerce_assets.cli.main import ecommerce
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.query.athena import at
from ecommerce_assets.query.history import published_snapshots
from ecommerce_assets_tests.shop import Shop

NOON = datetime(2024, 1, 31, 12, tzinfo=UTC)


def run(shop: Shop, *words: str) -> Result:
    places = {"ECOMMERCE_LANDING": str(shop.landing), "ECOMMERCE_LAKEHOUSE": str(shop.lakehouse)}
    return CliRunner().invoke(ecommerce, words, env=places)


@pytest.fixture(scope="module")
def times(module_shop: Shop) -> list[str]:
    """When the shop had no table, one order, and two."""
    moments = []
    for number in range(3):
        if number:
            module_shop.deliver("orders", *({"order_id": f"O{n}"} for n in range(number)))
            module_shop.run("bronze", "orders")
        time.sleep(0.01)
        moments.append(datetime.now(UTC).isoformat())
        time.sleep(0.01)
    return moments


def test_states_are_listed_the_newest_first(module_shop: Shop, times: list[str]) -> None:
    snapshots = published_snapshots(str(module_shop.lakehouse), "bronze.orders")
    assert [snapshot["rows"] for snapshot in snapshots] == [2, 1, 0]
    assert [snapshot["written"] for snapshot in snapshots[:2]] == [2, 1]
    assert [snapshot["sources"] for snapshot in snapshots] == [
        "2024-01-01",
        "2024-01-01",
        "created",
    ]
    assert {snapshot["run"] for snapshot in snapshots[:2]} == {"script"}
    listed = run(module_shop, "history", "bronze.orders", "--limit", "1")
    assert snapshots[0]["snapshot"] in listed.stdout
    assert snapshots[1]["snapshot"] not in listed.stdout
    with pytest.raises(
        PipelineError, match=r"no table gold\.nonsense\. There are: bronze\.customers"
    ):
        published_snapshots(str(module_shop.lakehouse), "gold.nonsense")
    with pytest.raises(
        PipelineError, match=r"no table daily_revenu\. Did you mean gold\.daily_revenue"
    ):
        published_snapshots(str(module_shop.lakehouse), "daily_revenu")
    lakehouse = str(module_shop.lakehouse)
    # On a laptop, an environment is a folder: its catalog has no prefixes.
    for environment in ("", "dev"):
        assert published_snapshots(lakehouse, "bronze.orders", environment) == snapshots


def test_tables_as_they_were(module_shop: Shop, times: list[str]) -> None:
    def orders(*words: str) -> str:
        done = run(
            module_shop, "query", "select count(*) from bronze.orders", "--format", "csv", *words
        )
        return done.stdout.splitlines()[1] if done.exit_code == 0 else str(done.exception)

    assert orders() == "2"
    assert orders("--as-of", times[2]) == "2"
    assert orders("--as-of", times[1]) == "1"
    assert "bronze.orders had no snapshot at" in orders("--as-of", times[0])
    first = published_snapshots(str(module_shop.lakehouse), "bronze.orders")[1]["snapshot"]
    assert orders("--as-of", first) == "1"
    assert "has no snapshot 12345678901" in orders("--as-of", "12345678901")


def test_a_time_that_is_none_is_wrong_usage(module_shop: Shop) -> None:
    wrong = run(module_shop, "query", "select 1", "--as-of", "yesterday")
    assert wrong.exit_code == 2
    assert "neither a time like 2024-01-31T12:00" in wrong.stderr


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("select * from gold.a", "select * from gold.a {}"),
        ("SELECT gold.a.x FROM gold.a JOIN silver.b b USING (k)",
         "SELECT gold.a.x FROM gold.a {} JOIN silver.b {} b USING (k)"),
        ("select a.x, gold.a.y from gold.a,\n silver.b", "select a.x, gold.a.y from gold.a {},\n silver.b {}"),
        ("select 1", "select 1"),
    ],
)  # fmt: skip
def test_athena_is_asked_for_the_tables_as_they_were(sql: str, said: str) -> None:
    assert at(sql, None) == sql
    assert at(sql, 42) == said.replace("{}", "FOR VERSION AS OF 42")
    when = "FOR TIMESTAMP AS OF TIMESTAMP '2024-01-31 12:00:00 UTC'"
    assert at(sql, NOON) == said.replace("{}", when)
