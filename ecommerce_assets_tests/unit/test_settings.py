from datetime import date

import pytest

from ecommerce_assets.deployment import deployment
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.orchestration.local_storage import home
from ecommerce_assets.settings import Settings


def test_defaults() -> None:
    settings = Settings.from_environment({})
    assert settings.landing.endswith("data/landing")
    assert settings.start_date == date(2024, 1, 1)
    assert settings.thresholds.quarantine_limit == 0.05


def test_empty_variable_counts_as_unset() -> None:
    assert Settings.from_environment({"ECOMMERCE_START_DATE": " "}).start_date == date(2024, 1, 1)


AWS = {
    "ECOMMERCE_DEPLOYMENT": "aws",
    "ECOMMERCE_LANDING": "s3://shop/landing/",
    "ECOMMERCE_LAKEHOUSE": "s3://lake",
    "ECOMMERCE_DASHBOARD": "s3://results/dashboard/sales.html",
    "ECOMMERCE_ARTIFACTS": "s3://artifacts",
}


def test_on_aws_everything_is_on_s3() -> None:
    settings = Settings.from_environment(AWS)
    assert settings.on_aws
    assert settings.landing == "s3://shop/landing"
    assert settings.workgroup == "ecommerce"


def test_an_environment_has_names_of_its_own_on_aws() -> None:
    assert Settings.from_environment({**AWS, "ECOMMERCE_ENVIRONMENT": "dev"}).workgroup == (
        "dev-ecommerce"
    )
    named = deployment("dev")
    assert named.jobs["gold"].name == "dev-ecommerce-gold-aggregation"
    assert named.storage["log_group"] == "/dev/ecommerce/glue"
    assert deployment().jobs["gold"].name == "ecommerce-gold-aggregation"


def test_an_environment_has_folders_of_its_own_on_a_laptop() -> None:
    settings = Settings.from_environment({"ECOMMERCE_ENVIRONMENT": "dev"})
    assert settings.landing.endswith("/data/dev/landing")
    assert settings.lakehouse.endswith("/data/dev/lakehouse")
    assert settings.dashboard.endswith("/data/dev/dashboard.html")
    given = {"ECOMMERCE_ENVIRONMENT": "dev", "ECOMMERCE_LANDING": "/elsewhere"}
    assert Settings.from_environment(given).landing == "/elsewhere"


def test_its_history_is_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ECOMMERCE_ENVIRONMENT", raising=False)
    assert home() == ".dagster"
    monkeypatch.setenv("ECOMMERCE_ENVIRONMENT", "dev")
    assert home() == ".dagster-dev"


def test_a_dashboard_is_not_needed_on_aws_but_can_t_be_a_file_there() -> None:
    assert Settings.from_environment({**AWS, "ECOMMERCE_DASHBOARD": ""}).dashboard == ""
    with pytest.raises(PipelineError, match="ECOMMERCE_DASHBOARD is 'data/here'"):
        Settings.from_environment({**AWS, "ECOMMERCE_DASHBOARD": "data/here"})


@pytest.mark.parametrize("name", ["LANDING", "LAKEHOUSE", "ARTIFACTS"])
@pytest.mark.parametrize("value", ["", "data/here", "s3://"])
def test_half_a_configuration(name: str, value: str) -> None:
    with pytest.raises(PipelineError, match=f"'aws'.*ECOMMERCE_{name} is .*terraform"):
        Settings.from_environment({**AWS, f"ECOMMERCE_{name}": value})


@pytest.mark.parametrize("name", ["LANDING", "LAKEHOUSE"])
def test_the_configuration_of_the_other_deployment(name: str) -> None:
    with pytest.raises(PipelineError, match=f"'local'.*ECOMMERCE_{name} is 's3://b'"):
        Settings.from_environment({f"ECOMMERCE_{name}": "s3://b"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ECOMMERCE_DEPLOYMENT", "azure"),
        ("ECOMMERCE_ENVIRONMENT", "Prod"),
        ("ECOMMERCE_ENVIRONMENT", "dev-2"),
        ("ECOMMERCE_ENVIRONMENT", "../elsewhere"),
        ("ECOMMERCE_START_DATE", "01.02.2024"),
        ("ECOMMERCE_START_DATE", "20240102"),
        ("ECOMMERCE_QUARANTINE_LIMIT", "5%"),
        ("ECOMMERCE_QUARANTINE_LIMIT", "1.01"),
        ("ECOMMERCE_QUARANTINE_LIMIT", "nan"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    with pytest.raises(PipelineError, match=name):
        Settings.from_environment({name: value})
