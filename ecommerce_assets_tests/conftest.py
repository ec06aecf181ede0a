"""Fixtures: one Spark session for the whole test run, a shop a test, no settings from outside."""

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from pyspark.sql import SparkSession

from ecommerce_assets.engine.embedded import EmbeddedEngine
from ecommerce_assets.engine.spark_session import open_session
from ecommerce_assets.garbage import collect_seldom
from ecommerce_assets.lakehouse.catalog import open_lakehouse
from ecommerce_assets.refresh import limits
from ecommerce_assets_tests import chromium, terraform_plan
from ecommerce_assets_tests.ecs_stand_in import postgres_programs
from ecommerce_assets_tests.shop import Shop
from ecommerce_assets_tests.terraform_plan import Planned, terraform_test

collect_seldom()

# Chosen by `pytest --hypothesis-profile NAME`.
COMMON = {"deadline": None, "print_blob": True}
QUICK = {**COMMON, "stateful_step_count": 5, "phases": [Phase.generate], "derandomize": True}
settings.register_profile("default", max_examples=2, **QUICK)
settings.register_profile("ci", max_examples=5, **QUICK)
settings.register_profile("mutation", max_examples=4, **QUICK)
settings.register_profile("soak", max_examples=75, stateful_step_count=10, **COMMON)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engine", help="what computes the rows locally, if not the default")


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside(pytestconfig: pytest.Config) -> None:
    for name in [name for name in os.environ if name.startswith(("ECOMMERCE_", "DAGSTER_"))]:
        del os.environ[name]
    if engine := pytestconfig.getoption("engine"):
        os.environ["ECOMMERCE_ENGINE"] = engine


@pytest.fixture(scope="session", autouse=True)
def _always_increments() -> None:
    """A few rows are quicker recomputed as a whole, and the tests are of the increments."""
    limits.DEFAULT = limits.Limits(finding_changes=limits.ALWAYS_INCREMENT)


# The files that take longest, first: two workers then end at about the same time.
LONGEST = ("aws_end_to_end", "safety", "processes", "incremental", "dagster", "cli", "dashboard",
           "dagster_on_aws", "checks", "maintenance", "layers", "function_of_upstream",
           "aws_glue_jobs")  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {f"test_{name}": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


def pytest_report_header() -> list[str]:
    """Which optional parts are missing, and what is skipped without them."""
    missing = []
    if not any(map(shutil.which, chromium.NAMES)):
        missing.append("no Chromium: the tests of the dashboard's page are skipped")
    if shutil.which("terraform") is None:
        missing.append("no Terraform: the tests of what it deploys are skipped")
    elif not terraform_plan.STAND_IN.exists():
        missing.append("Terraform's tests are skipped if it can't fetch its AWS provider")
    if postgres_programs() is None:
        missing.append("no Postgres: the tests of Dagster as it runs on AWS are skipped")
    return missing


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> SparkSession:
    return open_session(str(tmp_path_factory.mktemp("spark") / "lakehouse"))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EmbeddedEngine]:
    """DuckDB beside an empty lakehouse."""
    with closing(EmbeddedEngine(open_lakehouse(str(tmp_path / "lakehouse")))) as engine:
        yield engine


@pytest.fixture(scope="session")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    """What Terraform would create, and whether its own tests pass."""
    return terraform_test(tmp_path_factory.mktemp("terraform"))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.fixture(scope="module")
def module_shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop that the tests of a module look at together."""
    return Shop(tmp_path_factory.mktemp("shop"))
