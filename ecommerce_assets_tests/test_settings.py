from datetime import date

import pytest

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.settings import Settings


def test_defaults():
    settings = Settings.from_environment({})
    assert settings.landing.endswith("data/landing")
    assert settings.start_date == date(2024, 1, 1)
    assert settings.quarantine_limit == 0.05


def test_empty_variable_counts_as_unset():
    assert Settings.from_environment({"ECOMMERCE_START_DATE": " "}).start_date == date(2024, 1, 1)


def test_a_uri_stays_as_it_is():
    assert Settings.from_environment({"ECOMMERCE_LANDING": "s3://b/l"}).landing == "s3://b/l"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ECOMMERCE_DEPLOYMENT", "azure"),
        ("ECOMMERCE_START_DATE", "01.02.2024"),
        ("ECOMMERCE_START_DATE", "20240102"),
        ("ECOMMERCE_QUARANTINE_LIMIT", "5%"),
        ("ECOMMERCE_QUARANTINE_LIMIT", "1.01"),
        ("ECOMMERCE_QUARANTINE_LIMIT", "nan"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str):
    with pytest.raises(PipelineError, match=name):
        Settings.from_environment({name: value})
