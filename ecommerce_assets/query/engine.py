"""The query engine: DuckDB on the local lakehouse, Athena on AWS."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.query.local import AsOf, connect
from ecommerce_assets.settings import Settings

Query = Callable[[str], pa.Table]


@contextmanager
def open_engine(settings: Settings, workgroup: str = "") -> Iterator[Query]:
    """Open the engine; yields a function that runs a query and returns its rows.

    Args:
        workgroup: on AWS, Athena's workgroup if it is not that of the settings.

    Raises:
        PipelineError: there is no lakehouse, or a query fails.
    """
    connection = duckdb.connect() if settings.on_aws else connect(settings.lakehouse)

    def query(sql: str) -> pa.Table:
        if settings.on_aws:
            return query_athena(connection, sql, settings, workgroup).to_arrow_table()
        return connection.sql(sql).to_arrow_table()

    try:
        yield query
    except duckdb.Error as error:
        raise PipelineError(str(error)) from error
    finally:
        connection.close()


def query_athena(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    settings: Settings,
    workgroup: str = "",
    as_of: AsOf | None = None,
) -> duckdb.DuckDBPyRelation:
    """Run a query in Athena; its cost goes to standard error.

    Args:
        sql: names tables `layer.table`, whatever the environment.
        workgroup: Athena's workgroup if it is not that of the settings.

    Raises:
        PipelineError: Athena refuses it, or it failed.
    """
    # Importing boto3 takes longer than a local query.
    from ecommerce_assets.query import athena

    sql = athena.in_environment(athena.at(sql, as_of), settings.environment)
    answer = athena.run(
        connection,
        sql,
        workgroup or settings.workgroup,
        lambda line: print(line, file=sys.stderr),
    )
    scanned = f"{answer.scanned_bytes / 1e6:,.2f} MB scanned"
    print(f"{scanned}, {answer.usd:.6f} USD", file=sys.stderr)
    return answer.relation
