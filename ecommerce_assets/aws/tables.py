"""The tables of a lakehouse on AWS, for who has not the jobs' ways to sign in."""

from collections.abc import Iterable

from ecommerce_assets.aws.clients import credentials, explained
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse.catalog import Lakehouse
from ecommerce_assets.lakehouse.history import History, history_of


def histories_on_aws(lakehouse: str, environment: str, tables: Iterable[str]) -> dict[str, History]:
    """The histories of those tables that exist.

    Raises:
        PipelineError: AWS refuses the Data Catalog or its files.
    """
    with explained(f"looking at {lakehouse}"):
        try:
            # Arrow knows fewer ways to sign in than boto3.
            opened = Lakehouse(lakehouse, environment, credentials())
            return {name: history_of(opened, name) for name in tables if opened.exists(name)}
        except OSError as error:  # Arrow reads the files
            raise PipelineError(f"looking at {lakehouse}: {error}") from error
