"""A query's result as a table for people, CSV, JSON or Parquet."""

import sys
import tempfile
from pathlib import Path

import duckdb

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.query.local import connect

COPY = {
    "csv": "FORMAT csv, HEADER",
    "json": "FORMAT json, ARRAY true",
    "parquet": "FORMAT parquet",
}
MAX_ROWS = 10_000
MAX_WIDTH = 10_000


def write_result(lakehouse: str, sql: str, form: str, output: Path | None) -> None:
    """Run `sql` and write its result to `output`, or to standard output.

    Raises:
        PipelineError: DuckDB refuses the statement, or `output` can't be written.
    """
    connection = connect(lakehouse, sql)
    try:
        _must_only_read(connection, sql)
        relation = connection.sql(sql)
        if form == "table":
            text = as_table(relation)
            if output is None:
                print(text)
            else:
                output.write_text(text + "\n", encoding="utf-8")
        elif output is not None:
            _copy(relation, connection, output, form)
        else:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "result"
                _copy(relation, connection, file, form)
                sys.stdout.write(file.read_text(encoding="utf-8"))
    except duckdb.Error as error:
        raise PipelineError(str(error)) from error
    except OSError as error:
        raise PipelineError(f"can't write the result: {error}") from error
    finally:
        connection.close()


def _must_only_read(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    statements = connection.extract_statements(sql)
    if [statement.expected_result_type for statement in statements] != [
        [duckdb.ExpectedResultType.QUERY_RESULT]
    ]:
        raise PipelineError("`ecommerce query` takes one statement, and only for reading")


def as_table(relation: duckdb.DuckDBPyRelation) -> str:
    """The rows as a box table, no column left out."""
    import io
    from contextlib import redirect_stdout

    text = io.StringIO()
    with redirect_stdout(text):
        relation.show(max_width=MAX_WIDTH, max_rows=MAX_ROWS)
    return text.getvalue().rstrip()


def _copy(
    relation: duckdb.DuckDBPyRelation,
    connection: duckdb.DuckDBPyConnection,
    output: Path,
    form: str,
) -> None:
    relation.create_view("_result")
    target = str(output).replace("'", "''")
    connection.execute(f"COPY (SELECT * FROM _result) TO '{target}' ({COPY[form]})")
