"""SQL over the tables on AWS: run by Athena, with the rows as a typed DuckDB relation."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa

from ecommerce_assets.aws.clients import client, explained
from ecommerce_assets.deployment import deployment
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.tables import all_tables

CATALOG = "AwsDataCatalog"
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.2, 5.0
LAYERS = deployment().jobs["maintenance"].writes
READING = ("select", "with", "values", "table", "show", "describe", "explain")
# A layer's name, with what precedes and follows it; or a text, a comment or another quoted name, in
# which names are none.
NAMED = re.compile(
    rf"""'(?:[^']|'')*' | --[^\n]* | /\*.*?\*/
    | "(?!(?:{"|".join(LAYERS)}|{CATALOG})")(?:[^"]|"")*"
    | (?P<after>\b(?:from|join|in|describe|table)\s+)?
      (?<![\w.]) (?:["`]?{CATALOG}["`]?\s*\.\s*)? ["`]?
      (?P<layer>{"|".join(LAYERS)})\b ["`]? (?:\s*\.\s*["`]?(?P<table>\w+))?""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
ENDED = {"SUCCEEDED", "FAILED", "CANCELLED"}
# DuckDB's type names by Athena's.
TYPES = {
    name: name
    for name in ("boolean", "tinyint", "smallint", "integer", "bigint", "float", "double", "real",
                 "date", "timestamp", "time")
} | {"timestamp with time zone": "timestamptz"}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """The result of a query.

    Attributes:
        relation: its rows.
        scanned_bytes: what Athena read.
        usd: its cost by the public price list.
    """

    relation: duckdb.DuckDBPyRelation
    scanned_bytes: int
    usd: float


def run(
    connection: duckdb.DuckDBPyConnection, sql: str, workgroup: str, tell: Callable[[str], None]
) -> Answer:
    """Run a statement in Athena, wait for it, fetch all of its rows.

    Args:
        connection: holds the result.
        tell: receives a line with the query's id.

    Raises:
        PipelineError: Athena refuses it, or it failed; the message has Athena's reason.
    """
    # As Athena does, whatever the local time zone is.
    connection.execute("SET TimeZone = 'UTC'")
    if not re.match(rf"\s*\(*\s*({'|'.join(READING)})\b", _without_comments(sql), re.IGNORECASE):
        raise PipelineError("`ecommerce query` takes one statement, and only for reading")
    athena = client("athena")
    with explained(f"starting the query in Athena, workgroup {workgroup}"):
        started = athena.start_query_execution(
            QueryString=sql, WorkGroup=workgroup, QueryExecutionContext={"Catalog": CATALOG}
        )
    identifier = started["QueryExecutionId"]
    tell(f"Athena query {identifier}")
    try:
        ended = _wait(athena, identifier)
    except KeyboardInterrupt:
        with explained(f"stopping query {identifier}"):
            athena.stop_query_execution(QueryExecutionId=identifier)
        raise
    status = ended["Status"]
    if status["State"] != "SUCCEEDED":
        reason = status.get("StateChangeReason") or "no reason given"
        raise PipelineError(f"Athena: {status['State'].lower()}: {reason}")
    scanned = int(ended.get("Statistics", {}).get("DataScannedInBytes") or 0)
    with explained(f"fetching the rows of query {identifier}"):
        relation = _relation(connection, athena, identifier)
    usd = deployment().prices.query(scanned, athena.meta.region_name)
    return Answer(relation, scanned, usd)


def _without_comments(sql: str) -> str:
    return re.sub(r"--[^\n]*|/\*.*?\*/", " ", sql, flags=re.DOTALL)


def at(sql: str, as_of: datetime | int | None) -> str:
    """The statement with every table `layer.name` as of a time, or at a snapshot."""
    if as_of is None:
        return sql
    if isinstance(as_of, int):
        when = f"FOR VERSION AS OF {as_of}"
    else:
        when = f"FOR TIMESTAMP AS OF TIMESTAMP '{as_of.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC'"
    # A table follows FROM, JOIN or a comma; other dotted names are columns.
    return re.sub(
        rf"((?:\bfrom|\bjoin|,)\s+)((?:{'|'.join(LAYERS)})\.\w+)\b(?!\.)",
        rf"\1\2 {when}",
        sql,
        flags=re.IGNORECASE,
    )


def in_environment(sql: str, environment: str) -> str:
    """The statement on an environment's databases: `gold.dim_date` becomes `dev_gold.dim_date`.

    So does a table that is not there, if only a table's name can stand where it is; columns and
    aliases with a layer's name stay.
    """
    if not environment:
        return sql
    tables = all_tables()
    showing = bool(re.match(r"\s*show\b", _without_comments(sql), re.IGNORECASE))

    def named(found: re.Match[str]) -> str:
        layer, table = found["layer"], found["table"]
        if layer is None:
            return found[0]
        known = table is not None and f"{layer}.{table}".lower() in tables
        if known or (found["after"] and (table or showing)):
            at = found.start("layer") - found.start()
            return f"{found[0][:at]}{environment}_{found[0][at:]}"
        return found[0]

    return NAMED.sub(named, sql)


def _wait(athena: Any, identifier: str) -> dict[str, Any]:
    wait = FIRST_WAIT_SECONDS
    while True:
        with explained(f"polling query {identifier}"):
            answer = athena.get_query_execution(QueryExecutionId=identifier)
        execution: dict[str, Any] = answer["QueryExecution"]
        if execution["Status"]["State"] in ENDED:
            return execution
        time.sleep(wait)
        wait = min(wait * 1.5, LONGEST_WAIT_SECONDS)


def _relation(
    connection: duckdb.DuckDBPyConnection, athena: Any, identifier: str
) -> duckdb.DuckDBPyRelation:
    columns: list[dict[str, Any]] = []
    rows: list[list[str | None]] = []
    for number, page in enumerate(_pages(athena, identifier)):
        result = page["ResultSet"]
        found = [[cell.get("VarCharValue") for cell in row["Data"]] for row in result["Rows"]]
        if number == 0:
            columns = result["ResultSetMetadata"]["ColumnInfo"]
            # The first row of a SELECT is its header; SHOW and DESCRIBE have none.
            names = [column["Name"] for column in columns]
            found = found[1:] if found and found[0] == names else found
        rows += found
    if not columns:
        return connection.sql("SELECT 'done' AS result WHERE false")
    names = [f"c{number}" for number in range(len(columns))]
    texts = pa.table({
        name: pa.array([row[number] for row in rows], pa.string())
        for number, name in enumerate(names)
    })  # fmt: skip
    connection.register("_athena", texts)
    casts = ", ".join(
        f'CAST({name} AS {_type(column)}) AS "{column["Name"]}"'
        for name, column in zip(names, columns, strict=True)
    )
    return connection.sql(f"SELECT {casts} FROM _athena")


def _pages(athena: Any, identifier: str) -> Iterator[dict[str, Any]]:
    yield from athena.get_paginator("get_query_results").paginate(QueryExecutionId=identifier)


def _type(column: dict[str, Any]) -> str:
    name = str(column["Type"])
    if name == "decimal":
        return f"decimal({column['Precision']},{column['Scale']})"
    # Types without an equivalent stay text.
    return TYPES.get(name, "varchar")
