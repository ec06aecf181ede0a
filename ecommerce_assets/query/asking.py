"""Statements for where the tables are: DuckDB over the local lakehouse, Athena on AWS."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.query.local import AsOf, connect
from ecommerce_assets.settings import Settings

Ask = Callable[[str], pa.Table]


@contextmanager
def asking(settings: Settings) -> Iterator[Ask]:
    """A function that runs a reading statement and gives its rows, while the block lasts.

    Raises:
        PipelineError: there is no lakehouse, or a statement is refused or fails.
    """
    connection = duckdb.connect() if settings.on_aws else connect(settings.lakehouse)

    def ask(sql: str) -> pa.Table:
        if settings.on_aws:
            return asked_of_athena(connection, sql, settings.workgroup).to_arrow_table()
        return connection.sql(sql).to_arrow_table()

    try:
        yield ask
    except duckdb.Error as error:
        raise PipelineError(str(error)) from error
    finally:
        connection.close()


def asked_of_athena(
    connection: duckdb.DuckDBPyConnection, sql: str, workgroup: str, as_of: AsOf | None = None
) -> duckdb.DuckDBPyRelation:
    """The rows of a statement; what it cost goes to standard error.

    Raises:
        PipelineError: Athena refuses it, or it failed.
    """
    # boto3 takes longer to load than a local query takes.
    from ecommerce_assets.query.athena import ask, at

    answer = ask(connection, at(sql, as_of), workgroup, lambda line: print(line, file=sys.stderr))
    scanned = f"{answer.scanned_bytes / 1e6:,.2f} MB scanned"
    print(f"{scanned}, {answer.usd:.6f} USD", file=sys.stderr)
    return answer.relation
