"""Types of the columns, named by what they hold."""

from collections.abc import Callable, Mapping
from copy import copy

import pandera.pandas as pa
from pandera.dtypes import immutable
from pandera.engines.pandas_engine import DataType


@immutable(init=True)
class ColumnType(DataType):
    """A type of a table's columns, in the words in which sqlglot writes DuckDB's types."""

    def __init__(self, sql: str) -> None:
        object.__setattr__(self, "type", sql)

    def __str__(self) -> str:
        return str(self.type)


TEXT = ColumnType("TEXT")
FLAG = ColumnType("BOOLEAN")
DATE = ColumnType("DATE")
TIMESTAMP = ColumnType("TIMESTAMPTZ")
WHOLE = ColumnType("INT")
COUNT = ColumnType("BIGINT")
KEY = ColumnType("BIGINT")
PERCENT = ColumnType("DECIMAL(5, 2)")
MONEY = ColumnType("DECIMAL(12, 2)")
PRICE = ColumnType("DECIMAL(18, 4)")  # of a piece; an amount made from it is rounded once
MONEY_SUM = ColumnType("DECIMAL(18, 2)")
SHARE = ColumnType("DECIMAL(9, 6)")
RATE = ColumnType("DECIMAL(18, 12)")  # units of the reporting currency for one unit of another
REASONS = ColumnType("TEXT[]")
TEXTS = ColumnType("MAP(TEXT, TEXT)")


def kinds_of(columns: Mapping[str, pa.Column]) -> dict[str, str]:
    """By column, its type as in SQL."""
    return {name: str(column.dtype) for name, column in columns.items()}


def with_types(
    schema: pa.DataFrameSchema, type_of: Callable[[ColumnType], ColumnType]
) -> pa.DataFrameSchema:
    """A copy of a schema, whose columns have other types.

    Args:
        type_of: returns the type in place of one.
    """
    found = copy(schema)
    found.columns = {name: copy(column) for name, column in schema.columns.items()}
    for column in found.columns.values():
        column.dtype = type_of(column.dtype)
    return found
