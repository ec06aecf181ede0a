"""The compiled conditions evaluate pandera's checks exactly as pandera itself does."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from ecommerce_assets.engine.spark import SparkRelation, struct_of
from ecommerce_assets.engine.translation import in_spark
from ecommerce_assets.model.rules import RowRule, row_rules
from ecommerce_assets.sql import DECIMAL_TYPE
from ecommerce_assets.tables import all_tables
from ecommerce_assets.tables.types import COUNT, TEXT, WHOLE


def used() -> Iterable[tuple[str, pa.Column, int]]:
    """Every different check of the declared tables: its column, and its number there."""
    seen = set()
    for table in all_tables().values():
        for name, column in table.columns.items():
            for number, check in enumerate(column.checks):
                what = (str(column.dtype), check.name, str(check.statistics))
                if what not in seen:
                    seen.add(what)
                    yield f"{table.identifier}.{name} {check.name}", column, number


USED = list(used())


def values(column: pa.Column, check: Any) -> st.SearchStrategy[Any]:
    """Values of the column's type, many of them near what the check compares with."""
    bounds = [
        check.statistics[name] for name in ("min_value", "max_value") if name in check.statistics
    ]
    if found := DECIMAL_TYPE.fullmatch(str(column.dtype)):
        precision, places = map(int, found.groups())
        near = [Decimal(bound) + Decimal(n).scaleb(-places) for bound in bounds for n in (-1, 0, 1)]
        limit = Decimal(10) ** min(precision - places - 1, 6)
        return st.sampled_from(near) | st.decimals(-limit, limit, places=places)
    if str(column.dtype) in (str(WHOLE), str(COUNT)):
        near = [bound + n for bound in bounds for n in (-1, 0, 1)]
        return st.sampled_from(near) | st.integers(-(2**31), 2**31 - 1)
    allowed = list(check.statistics.get("allowed_values", ()))
    return st.sampled_from([*allowed, "", "a@b.c", "a@b", "DE", "de", "D", "a@b.c\n", " DE", "$x", "a'b"]) | st.text(
        "abDE@. \n-", max_size=8
    )  # fmt: skip


def frame_of(spark: SparkSession, column: pa.Column, rows: list[Any]) -> DataFrame:
    return spark.createDataFrame([(row,) for row in rows], struct_of({"c": str(column.dtype)}))


def refused(column: pa.Column, rows: list[Any]) -> set[Any]:
    """The values that pandera refuses; of any type, as the declared types are those of SQL."""
    schema = pa.DataFrameSchema({"c": pa.Column(None, column.checks, nullable=column.nullable)})
    try:
        schema.validate(pd.DataFrame({"c": pd.Series(rows, dtype=object)}), lazy=True)
    except pa.errors.SchemaErrors as error:
        return set(error.failure_cases["failure_case"])
    return set()


def rules_of(column: pa.Column, number: int) -> RowRule:
    (rule,) = row_rules({"c": pa.Column(column.dtype, column.checks[number], nullable=True)})
    return rule


@pytest.mark.slow
@pytest.mark.parametrize(("column", "number"), [pytest.param(c, n, id=i) for i, c, n in USED])
def test_a_compiled_check_is_panderas_own(
    spark: SparkSession, column: pa.Column, number: int
) -> None:
    check = column.checks[number]
    rule = rules_of(column, number)
    alone = pa.Column(column.dtype, check, nullable=True)

    @settings(max_examples=1, deadline=None, derandomize=True)
    @given(st.lists(values(column, check), min_size=30, max_size=50, unique=True))
    def as_pandera(rows: list[Any]) -> None:
        frame = frame_of(spark, column, [*rows, None])
        broken = {row["c"] for row in frame.where(in_spark(rule.broken)).collect()}
        assert broken == refused(alone, [*rows, None])
        # The contract judges trimmed texts; before a line end, Java's `$` matches and RE2's not.
        trimmed = {row for row in rows if str(row) == str(row).strip()}
        by_duckdb = SparkRelation(frame).where_row_wise(rule.broken).rows()
        assert {row["c"] for row in by_duckdb} & trimmed == broken & trimmed

    as_pandera()


def test_a_required_column_is_broken_by_null_alone(spark: SparkSession) -> None:
    required = pa.Column(TEXT, nullable=False)
    (rule,) = row_rules({"c": required})
    for row in ("", "a", None):
        broken = frame_of(spark, required, [row]).where(in_spark(rule.broken)).count() == 1
        assert broken == (row is None) == bool(refused(required, [row]))


def test_a_check_without_a_condition_is_refused() -> None:
    with pytest.raises(ValueError, match="c: no SQL condition for pandera's str_length"):
        row_rules({"c": pa.Column(TEXT, pa.Check.str_length(1))})
