"""The contract of a source: typed values from received strings, and the reasons for quarantine.

A silver table's pandera model is the contract of its source. A value that can't be cast to the
column's type, or that fails a check, sends the row to quarantine with that reason; the same checks
then audit what is published.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandera.pyspark as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from ecommerce_assets.landing.layout import PROVENANCE
from ecommerce_assets.tables.rules import NULLABILITY, row_rules
from ecommerce_assets.tables.types import REASONS

EMAIL = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"
COUNTRY = r"^[A-Z]{2}$"
ORDER_STATUSES = ("pending", "confirmed", "shipped", "delivered", "cancelled", "returned")
PAYMENT_METHODS = ("credit_card", "debit_card", "paypal", "bank_transfer", "cash_on_delivery")
CATEGORIES = (
    "electronics", "clothing", "home_garden", "sports", "books", "toys", "beauty", "food",
)  # fmt: skip

# All of Unicode's white space, by Unicode's property White_Space, and the byte order mark.
WHITE_SPACE = (
    "\t\n\x0b\x0c\r \x85\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
)
_TIMESTAMP = (
    r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?\s?(Z|z|[+-]\d{2}(:?\d{2})?)?)?$"
)
EARLIEST = "1970-01-01"
MONTHS_AHEAD = 12
IMPLAUSIBLE = f"implausible: before {EARLIEST}, or more than a year after the delivery"
_WHOLE = r"^[+-]?\d+(\.0*)?$"
_DECIMAL = r"^[+-]?(\d+(\.\d*)?|\.\d+)$"


@dataclass(frozen=True)
class CrossFieldRule:
    """A rule over several typed values of one row.

    Attributes:
        reason: the text in `_reasons`.
        broken: the condition of a broken rule, on the typed columns; null counts as not broken.
    """

    reason: str
    broken: Callable[[Mapping[str, Column]], Column]


def required(description: str, **checks: Any) -> Any:
    """A required column of a contract."""
    return _contract_field(description, nullable=False, **checks)


def optional(description: str, **checks: Any) -> Any:
    """An optional column of a contract; empty values become `default`."""
    return _contract_field(description, nullable=checks.get("default") is None, **checks)


def _contract_field(
    description: str,
    *,
    nullable: bool,
    default: str | None = None,
    case: str | None = None,
    reason: str | None = None,
    **checks: Any,
) -> Any:
    metadata = {"default": default, "case": case, "reason": reason}
    return pa.Field(description=description, nullable=nullable, metadata=metadata, **checks)


@dataclass(frozen=True)
class Contract:
    """Typed values and reasons of a bronze row, by the pandera model of its silver table."""

    schema: pa.DataFrameSchema
    computed: Mapping[str, Callable[[Mapping[str, Column]], Column]]
    rules: tuple[CrossFieldRule, ...]

    def version_parts(self) -> tuple[object, ...]:
        """What decides the typed values and the reasons, for the code version."""
        columns = [
            (name, column.dtype.type, column.metadata or {}, row_rules({name: column}))
            for name, column in self.schema.columns.items()
        ]
        return (columns, self.computed, self.rules)

    def parse(self, bronze: DataFrame) -> DataFrame:
        """The typed values, the provenance, `_reasons`, and `_received` if there are reasons.

        One row per bronze row. In steps, so that each value is trimmed, cast and computed once
        before it is checked. All functions used support Spark's code generation: with an
        interpreted one, a million rows take 50 % longer.
        """
        columns = self.schema.columns
        trimmed = [_trimmed(name).alias(_TRIMMED + name) for name in columns]
        texts = [_text(name, column).alias(_TEXT + name) for name, column in columns.items()]
        casts = [_cast(name, column).alias(_CAST + name) for name, column in columns.items()]
        received = F.struct(*bronze.columns)
        cast_values = {name: F.col(_CAST + name) for name in columns}
        values = [
            F.coalesce(cast_values[name], self.computed[name](cast_values)).alias(name)
            if name in self.computed
            else F.when(_plausible(name), cast_values[name]).alias(name)
            if isinstance(column.dtype.type, T.TimestampType)
            else cast_values[name].alias(name)
            for name, column in columns.items()
        ]
        provenance_columns = list(PROVENANCE)
        return (
            bronze.select(*trimmed, received.alias("_received"), *provenance_columns)
            .select(*texts, "_received", *provenance_columns)
            .select("*", *casts)
            .select("*", *values)
            .select(
                *columns,
                *provenance_columns,
                "_received",
                F.concat_ws(_BETWEEN, *self._reasons()).alias(_JOINED),
            )
            .select(
                *columns,
                *provenance_columns,
                F.when(F.col(_JOINED) != "", F.col("_received")).alias("_received"),
                F.when(F.col(_JOINED) != "", F.split(_JOINED, _BETWEEN))
                .otherwise(F.array().cast(REASONS))
                .alias("_reasons"),
            )
        )

    def _reasons(self) -> list[Column]:
        """One column per rule: the reason if the row breaks it, else null."""
        found = []
        for name, column in self.schema.columns.items():
            text, cast = F.col(_TEXT + name), F.col(_CAST + name)
            kind = type(column.dtype.type)
            if kind in _NOT_A:
                uncast = text.isNotNull() & cast.isNull()
                found.append(F.when(uncast, F.lit(f"{name}: {_NOT_A[kind]}")))
            if kind is T.TimestampType:
                found.append(F.when(~_plausible(name), F.lit(f"{name}: {IMPLAUSIBLE}")))
            for rule in row_rules({name: column}):
                broken = text.isNull() if rule.kind == NULLABILITY else F.expr(rule.broken)
                if name in self.computed:
                    if rule.kind == NULLABILITY:
                        continue
                    # An error in a computed value is an error in its inputs.
                    broken = text.isNotNull() & broken
                found.append(F.when(broken, F.lit(f"{name}: {rule.reason}")))
        values = {name: F.col(name) for name in self.schema.columns}
        for cross in self.rules:
            found.append(
                F.when(F.coalesce(cross.broken(values), F.lit(False)), F.lit(cross.reason))
            )
        return found


_TRIMMED = "_trimmed_"
_TEXT = "_text_"
_CAST = "_cast_"
_JOINED = "_joined"
_BETWEEN = "\x1f"  # ASCII unit separator; occurs in no reason


def _trimmed(name: str) -> Column:
    """The received string without surrounding white space.

    Trimming by Spark is slow, so only strings are trimmed whose first or last character is not
    printable ASCII. The last is taken from the bytes, since Spark would count the characters.
    """
    text = F.col(name)
    starts = (text >= "!") & (text < "\x7f")
    ends = F.substring(text.cast("binary"), -1, 1).between(F.lit(b"!"), F.lit(b"~"))
    trimmed = F.call_function("btrim", text, F.lit(WHITE_SPACE))
    return F.when(starts & ends, text).otherwise(trimmed)


def _text(name: str, column: pa.Column) -> Column:
    """The trimmed string: null or the default if empty, in the column's letter case."""
    metadata = column.metadata or {}
    trimmed = F.col(_TRIMMED + name)
    text = F.when(trimmed != "", trimmed)
    if metadata.get("case") == "lower":
        text = F.lower(text)
    elif metadata.get("case") == "upper":
        text = F.upper(text)
    if metadata.get("default") is not None:
        text = F.coalesce(text, F.lit(metadata["default"]))
    return text


_NOT_A: dict[type[T.DataType], str] = {
    T.IntegerType: "not a whole number, or out of range",
    T.DecimalType: "not a number, or out of range",
    T.BooleanType: "not true or false",
    T.TimestampType: "not an ISO 8601 time",
}


def _plausible(name: str) -> Column:
    """Whether a time is plausible for the delivery; null without one."""
    day = F.to_date(_CAST + name)
    return day.between(F.lit(EARLIEST).cast("date"), F.add_months("_ingestion_date", MONTHS_AHEAD))


def _cast(name: str, column: pa.Column) -> Column:
    """The string cast to the column's type; null if it can't be."""
    kind = column.dtype.type
    text = F.col(_TEXT + name)
    if isinstance(kind, T.IntegerType):
        # Cast from the string: a cast from decimal would overflow silently.
        return F.when(text.rlike(_WHOLE), text.cast(kind.simpleString()))
    if isinstance(kind, T.DecimalType):
        # Spark rounds half up when casting a string to decimal.
        return F.when(text.rlike(_DECIMAL), text.cast(kind.simpleString()))
    if isinstance(kind, T.BooleanType):
        word = F.lower(text)
        return F.when(word.isin("true", "t", "yes", "1"), F.lit(True)).when(
            word.isin("false", "f", "no", "0"), F.lit(False)
        )
    if isinstance(kind, T.TimestampType):
        # The session's time zone is UTC; without the Z, Spark parses faster.
        utc = F.replace(text, F.lit("Z"), F.lit(""))
        return F.when(text.rlike(_TIMESTAMP), utc.cast(kind.simpleString()))
    return text
