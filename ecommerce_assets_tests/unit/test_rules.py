"""The compiled conditions evaluate pandera's checks exactly as pandera itself does."""

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import pandera.pyspark as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from ecommerce_assets.engine.spark import SparkRelation
from ecommerce_assets.engine.translation import in_spark
from ecommerce_assets.model.rules import RowRule, row_rules
from ecommerce_assets.tables import all_tables

# pandera's checks as Python functions of a value, by name; independent of the compiled conditions.
CHECKS: dict[str, Callable[[Any, dict[str, Any]], bool]] = {
    "greater_than_or_equal_to": lambda v, s: v >= s["min_value"],
    "greater_than": lambda v, s: v > s["min_value"],
    "less_than_or_equal_to": lambda v, s: v <= s["max_value"],
    "in_range": lambda v, s: s["min_value"] <= v <= s["max_value"],
    "isin": lambda v, s: v in s["allowed_values"],
    "str_matches": lambda v, s: re.match(s["pattern"], v) is not None,
}


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
    kind = column.dtype.type
    if isinstance(kind, T.DecimalType):
        scale = Decimal(1).scaleb(-kind.scale)
        near = [Decimal(bound) + n * scale for bound in bounds for n in (-1, 0, 1)]
        limit = Decimal(10) ** min(kind.precision - kind.scale - 1, 6)
        return st.sampled_from(near) | st.decimals(-limit, limit, places=kind.scale)
    if isinstance(kind, T.IntegralType):
        near = [bound + n for bound in bounds for n in (-1, 0, 1)]
        return st.sampled_from(near) | st.integers(-(2**31), 2**31 - 1)
    allowed = list(check.statistics.get("allowed_values", ()))
    return st.sampled_from([*allowed, "", "a@b.c", "a@b", "DE", "de", "D", "a@b.c\n", " DE", "$x", "a'b"]) | st.text(
        "abDE@. \n-", max_size=8
    )  # fmt: skip


def frame_of(spark: SparkSession, column: pa.Column, rows: list[Any]) -> DataFrame:
    schema = T.StructType([T.StructField("c", column.dtype.type)])
    return spark.createDataFrame([(row,) for row in rows], schema)


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
    schema = pa.DataFrameSchema({"c": pa.Column(column.dtype, check, nullable=True)})

    @settings(max_examples=1, deadline=None, derandomize=True)
    @given(st.lists(values(column, check), min_size=30, max_size=50, unique=True))
    def as_pandera(rows: list[Any]) -> None:
        frame = frame_of(spark, column, [*rows, None])
        broken = {row["c"] for row in frame.where(in_spark(rule.broken)).collect()}
        expected = {row for row in rows if not CHECKS[check.name](row, dict(check.statistics))}
        assert broken == expected
        # The contract judges trimmed texts; before a line end, Java's `$` matches and RE2's not.
        trimmed = {row for row in rows if str(row) == str(row).strip()}
        by_duckdb = SparkRelation(frame).where_row_wise(rule.broken).rows()
        assert {row["c"] for row in by_duckdb} & trimmed == broken & trimmed
        good = frame.where(f"not ({in_spark(rule.broken)})")
        assert schema.validate(good).pandera.errors == {}
        for row in sorted(broken, key=str)[:1]:
            assert schema.validate(frame_of(spark, column, [row])).pandera.errors != {}, row

    as_pandera()


def test_a_required_column_is_broken_by_null_alone(spark: SparkSession) -> None:
    (rule,) = row_rules({"c": pa.Column(T.StringType(), nullable=False)})
    schema = pa.DataFrameSchema({"c": pa.Column(T.StringType(), nullable=False)})
    for row in ("", "a", None):
        frame = frame_of(spark, pa.Column(T.StringType()), [row])
        broken = frame.where(in_spark(rule.broken)).count() == 1
        assert broken == (row is None) == (schema.validate(frame).pandera.errors != {})


def test_every_kind_of_check_in_use_is_compared() -> None:
    assert {column.checks[number].name for _, column, number in USED} <= CHECKS.keys()


def test_a_check_without_a_condition_is_refused() -> None:
    with pytest.raises(ValueError, match="c: no SQL condition for pandera's str_length"):
        row_rules({"c": pa.Column(T.StringType(), pa.Check.str_length(1))})
