"""A query's result as a table for people, CSV, JSON or Parquet."""

import json
import sys
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from rich import box
from rich.console import Console
from rich.table import Table

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.query.engine import open_engine, query_athena
from ecommerce_assets.query.local import AsOf, connect
from ecommerce_assets.settings import Settings

COPY = {
    "csv": "FORMAT csv, HEADER",
    "json": "FORMAT json, ARRAY true",
    "parquet": "FORMAT parquet",
}
# DuckDB's own shows only the tables of the current schema.
SHOWN = {
    "show tables": "SELECT schema_name AS layer, view_name AS name FROM duckdb_views() "
    "WHERE schema_name IN ('bronze', 'silver', 'gold') ORDER BY ALL"
}
MAX_ROWS = 10_000
MAX_WIDTH = 10_000
GAP = "  "  # between columns


def write_result(
    settings: Settings, sql: str, form: str, output: Path | None, as_of: AsOf | None = None
) -> None:
    """Run a query and write its result to `output`, or to standard output.

    Raises:
        PipelineError: the query fails, or `output` can't be written.
    """
    connection = duckdb.connect() if settings.on_aws else connect(settings.lakehouse, sql, as_of)
    try:
        if settings.on_aws:
            relation = query_athena(connection, sql, settings, as_of=as_of)
        else:
            _must_only_read(connection, sql)
            relation = connection.sql(SHOWN.get(sql.strip().rstrip(";").lower(), sql))
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
    except BrokenPipeError:
        raise  # the reader has closed the pipe
    except OSError as error:
        raise PipelineError(f"can't write the result: {error}") from error
    finally:
        connection.close()


def print_trace(
    settings: Settings,
    table: str,
    key: str,
    limit: int,
    *,
    json_output: bool = False,
    personal: bool = False,
) -> None:
    """Print what a row was computed from, part by part; with `json_output` as JSON.

    Args:
        personal: whether to show personal values.

    Raises:
        PipelineError: as `trace`.
    """
    from ecommerce_assets.query.trace import trace

    with open_engine(settings) as query:
        parts = trace(table, key, query, limit=limit, on_aws=settings.on_aws, personal=personal)
        if json_output:
            listed = [
                {"part": p.title, "rows": p.rows, "first": p.first.to_pylist()} for p in parts
            ]
            print(as_json(listed))
            return
        for part in parts:
            shown = f", the first {limit}" if part.rows > limit else ""
            print(f"{part.title}: {part.rows:,}{shown}\n{arrow_as_table(part.first)}\n")


def _must_only_read(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    statements = connection.extract_statements(sql)
    if [statement.expected_result_type for statement in statements] != [
        [duckdb.ExpectedResultType.QUERY_RESULT]
    ]:
        raise PipelineError("`ecommerce query` takes one statement, and only for reading")


def print_table(title: str, rows: list[dict[str, Any]]) -> None:
    """Print rows as a table, in which no word is broken.

    On a terminal that is too narrow for it, each row is a block of lines, one a column.
    """
    console = _console()
    if not rows:
        console.print(f"{title}: none", style="bold")
        return
    console.print(title, style="bold")
    cells = [[_shown(value) for value in row.values()] for row in rows]
    names = list(rows[0])
    widest = [max(map(_longest_word, texts)) for texts in zip(names, *cells, strict=True)]
    if sum(widest) + len(GAP) * (len(names) - 1) > console.width:
        for row in cells:
            print("\n".join(f"{name:<{max(map(len, names))}}  {text}"
                            for name, text in zip(names, row, strict=True)), "\n")  # fmt: skip
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name, width in zip(names, widest, strict=True):
        number = isinstance(rows[0][name], int | float | Decimal)
        table.add_column(name, justify="right" if number else "left", min_width=width)
    for row in cells:
        table.add_row(*row)
    console.print(table)


def _longest_word(text: str) -> int:
    return max(map(len, text.split()), default=0)


def as_json(rows: Any) -> str:
    """Rows as JSON; dates and decimals as text."""
    return json.dumps(rows, indent=2, default=str, ensure_ascii=False)


def _console() -> Console:
    """A console with colour and the terminal's width; without a terminal, as wide as the rows."""
    return Console() if sys.stdout.isatty() else Console(width=MAX_WIDTH, color_system=None)


def _shown(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value).lower()
    return f"{value:,}" if isinstance(value, int | Decimal) else str(value)


def as_table(relation: duckdb.DuckDBPyRelation) -> str:
    """The rows as a box table with all columns."""
    import io
    from contextlib import redirect_stdout

    if relation.columns == ["explain_key", "explain_value"]:
        return "\n".join(value for _, value in relation.fetchall()).rstrip()
    text = io.StringIO()
    with redirect_stdout(text):
        relation.show(max_width=MAX_WIDTH, max_rows=MAX_ROWS)
    return text.getvalue().rstrip()


def arrow_as_table(rows: pa.Table) -> str:
    """An Arrow table as a box table."""
    connection = duckdb.connect()
    try:
        connection.register("_rows", rows)
        return as_table(connection.sql("SELECT * FROM _rows"))
    finally:
        connection.close()


def _copy(
    relation: duckdb.DuckDBPyRelation,
    connection: duckdb.DuckDBPyConnection,
    output: Path,
    form: str,
) -> None:
    relation.create_view("_result")
    target = str(output).replace("'", "''")
    connection.execute(f"COPY (SELECT * FROM _result) TO '{target}' ({COPY[form]})")
