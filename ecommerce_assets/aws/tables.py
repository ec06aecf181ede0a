"""The tables of a lakehouse on AWS, for those who sign in as boto3 does, unlike the jobs."""

from collections.abc import Iterable

from ecommerce_assets.aws.clients import credentials, explained
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse.catalog import Lakehouse
from ecommerce_assets.lakehouse.history import History, existing


def histories_on_aws(lakehouse: str, environment: str, tables: Iterable[str]) -> dict[str, History]:
    """The histories of those tables that exist.

    Raises:
        PipelineError: AWS refuses the Data Catalog or its files.
    """
    with explained(f"looking at {lakehouse}"):
        try:
            # Arrow knows fewer ways to sign in than boto3.
            opened = Lakehouse(lakehouse, environment, credentials())
            return existing(opened, tables)
        except OSError as error:  # Arrow reads the files
            raise PipelineError(f"looking at {lakehouse}: {error}") from error
