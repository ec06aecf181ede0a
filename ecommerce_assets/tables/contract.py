"""The contract of a silver table: typed values from received texts, and the reasons for quarantine.

A silver table's pandera model, with the shop's vocabulary, is its contract. A value that can't be
cast to the column's type, or that fails a check, sends the row to quarantine with that reason; the
same checks then audit what is published.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import chain
from typing import Any

import pandera.pyspark as pa
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.landing.layout import PROVENANCE
from ecommerce_assets.shop import Shop
from ecommerce_assets.shop.model import ANY, ISO_TIME
from ecommerce_assets.sql import spark_literal
from ecommerce_assets.tables.feed import Feed, Writing
from ecommerce_assets.tables.rules import NULLABILITY, row_rules
from ecommerce_assets.tables.types import REASONS

EMAIL = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"
COUNTRY = r"^[A-Z]{2}$"

# All of Unicode's white space, by Unicode's property White_Space, and the byte order mark.
WHITE_SPACE = (
    "\t\n\x0b\x0c\r \x85\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
)
TIMESTAMP = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?\s?(Z|z|[+-]\d{2}(:?\d{2})?)?)?$"
HAS_ZONE = r"[T ].*(Z|z|[+-]\d{2}(:?\d{2})?)$"
EARLIEST = "1970-01-01"
MONTHS_AHEAD = 12
IMPLAUSIBLE = f"implausible: before {EARLIEST}, or more than a year after the delivery"
WHOLE = r"^[+-]?\d+(\.0*)?$"
DECIMAL = r"^[+-]?(\d+(\.\d*)?|\.\d+)$"
# Spark writes small decimals and large floating-point numbers with an exponent.
COMPUTED_DECIMAL = rf"{DECIMAL[:-1]}([Ee][+-]?\d+)?$"
COMPUTED_ZERO = r"^-?0(\.0)?[Ee][+-]?\d+$"


@dataclass(frozen=True)
class CrossFieldRule:
    """A rule over several typed values of one row.

    Attributes:
        reason: the text in `_reasons`.
        broken: Spark SQL condition of a broken rule, on the typed columns; null counts as not
            broken.
    """

    reason: str
    broken: str


def required(description: str, **checks: Any) -> Any:
    """A required column of a contract; a shop may declare that it may be empty."""
    return _contract_field(description, nullable=False, **checks)


def essential(description: str, **checks: Any) -> Any:
    """A required column without which a row means nothing, whatever the shop declares."""
    return _contract_field(description, nullable=False, essential=True, **checks)


def essential_or(default: str, description: str, **checks: Any) -> Any:
    """An essential column whose empty values a shop may declare to mean `default`."""
    return _contract_field(description, nullable=False, essential=True, instead=default, **checks)


def optional(description: str, **checks: Any) -> Any:
    """An optional column of a contract; empty values become `default`."""
    return _contract_field(description, nullable=checks.get("default") is None, **checks)


def _contract_field(
    description: str,
    *,
    nullable: bool,
    essential: bool = False,
    instead: str | None = None,
    default: str | Callable[[Shop], str] | None = None,
    case: str | None = None,
    reason: str | None = None,
    words: Callable[[Shop], tuple[str, ...] | None] | None = None,
    personal: bool = False,
    **checks: Any,
) -> Any:
    metadata = {
        "essential": essential, "instead": instead, "default": default, "case": case,
        "reason": reason, "words": words, "personal": personal,
    }  # fmt: skip
    return pa.Field(description=description, nullable=nullable, metadata=metadata, **checks)


def categories(shop: Shop) -> tuple[str, ...] | None:
    """The categories of products; None for any."""
    return _words(shop.declared.vocabulary.categories)


def payment_methods(shop: Shop) -> tuple[str, ...] | None:
    """The payment methods; None for any."""
    return _words(shop.declared.vocabulary.payment_methods)


def statuses(shop: Shop) -> tuple[str, ...]:
    """The statuses of orders."""
    return tuple(shop.declared.vocabulary.statuses)


def currencies(shop: Shop) -> tuple[str, ...]:
    """The only currency that amounts may have."""
    return (shop.currency,)


def shop_currency(shop: Shop) -> str:
    """The currency of amounts without one."""
    return shop.currency


def _words(declared: list[str] | str) -> tuple[str, ...] | None:
    return None if declared == ANY else tuple(declared)


def of_shop(
    schema: pa.DataFrameSchema, shop: Shop, table: str, feed: Feed, computed: Mapping[str, str]
) -> pa.DataFrameSchema:
    """The contract of a source's rows: the shop's vocabulary, and what it says of empty values.

    Args:
        schema: of the table's model.
        table: its name.
        feed: where its columns come from.
        computed: the columns that are computed where they are empty.

    Raises:
        PipelineError: the shop file lacks a column that is essential, or relaxes what decides
            amounts.
    """
    parts = shop.declared.tables.get(table, ())
    declared = next((part for part in parts if part.from_ == feed.source), None)
    columns = {}
    for name, given in schema.columns.items():
        there = feed.gives(name) or name in computed
        listed = declared is not None and name in declared.may_be_empty
        warns = declared is not None and name in declared.warn
        if declared is not None:
            wrong = _what_is_wrong(given, there=there, listed=listed)
            if wrong:
                raise shop.mistake_in(table, feed.source, name, wrong)
            if warns and not _is_word(given):
                raise shop.mistake_in(
                    table,
                    feed.source,
                    "warn",
                    f"{name} can't be kept if it breaks a rule, since figures depend on it",
                )
        columns[name] = _of_shop(given, shop, may_be_empty=listed or not there, warns=warns)
    return pa.DataFrameSchema(
        columns, name=schema.name, description=schema.description, unique=schema.unique
    )


def of_all_sources(contracts: Sequence["Contract"]) -> dict[str, pa.Column]:
    """The columns of a table that holds rows of several sources: what one may lack, it may lack."""
    found = {}
    for name, first in contracts[0].schema.columns.items():
        given = [contract.schema.columns[name] for contract in contracts]
        found[name] = column = copy(first)
        column.nullable = any(one.nullable for one in given)
        column.metadata = first.metadata | {"warns": any(one.metadata["warns"] for one in given)}
        said = {contract.feed.source: contract.feed.described[name] for contract in contracts}
        if set(said.values()) == {name}:
            continue
        source = (
            "; ".join(f"{name}: {text}" for name, text in said.items())
            if len(set(said.values())) > 1
            else next(iter(said.values()))
        )
        column.description = f"{first.description} Source: {source}."
    return found


def _what_is_wrong(given: pa.Column, *, there: bool, listed: bool) -> str:
    """What a shop file can't say of this column; empty if nothing is wrong.

    Args:
        there: whether any row has a value.
        listed: whether the file says that values may be missing.
    """
    metadata = given.metadata
    if not metadata["essential"] or (listed and metadata["instead"]) or (there and not listed):
        return ""
    if there:
        return "may not be empty"
    return (
        "is missing: name a header, a constant or an expression for it, since the source has no "
        "header of this name"
    )


def _is_word(column: pa.Column) -> bool:
    """Whether no figure depends on a column."""
    return isinstance(column.dtype.type, T.StringType) and not column.metadata["essential"]


def _of_shop(given: pa.Column, shop: Shop, *, may_be_empty: bool, warns: bool) -> pa.Column:
    column = copy(given)
    column.metadata = metadata = dict(given.metadata)
    instead, known, default = metadata.pop("instead"), metadata.pop("words"), metadata["default"]
    metadata["warns"] = warns
    if may_be_empty and metadata["essential"]:
        default = instead
    elif callable(default):
        default = default(shop)
    metadata["default"] = default
    if default is not None:
        column.nullable = False
    elif may_be_empty:
        column.nullable = True
    words = known(shop) if known else None
    if words is not None:
        column.checks = [*given.checks, pa.Check.isin(words)]
    return column


@dataclass(frozen=True)
class Contract:
    """Typed values and reasons of a source's bronze row, by the pandera model of its silver table.

    Attributes:
        schema: of the silver table, with the shop's vocabulary.
        computed: by column that may be empty, Spark SQL of its value from the other typed columns.
        rules: on several values of a row.
        feed: where the columns come from.
        kept: the columns in which quarantine keeps a row as received; those that the source lacks
            are null.
    """

    schema: pa.DataFrameSchema
    computed: Mapping[str, str]
    rules: tuple[CrossFieldRule, ...]
    feed: Feed
    kept: Mapping[str, T.DataType]

    def version_parts(self) -> tuple[object, ...]:
        """What decides the typed values and the reasons, for the code version."""
        columns = [
            (name, column.dtype.type, column.metadata or {}, row_rules({name: column}))
            for name, column in self.schema.columns.items()
        ]
        return (columns, self.computed, self.rules, self.feed, self.kept)

    def parse(self, bronze: DataFrame) -> DataFrame:
        """The typed values, the provenance, `_reasons`, and `_received` if there are reasons.

        One row per bronze row; `_reasons` is null in rows that do not speak of the table. In steps,
        so that each value is trimmed, cast and computed once before it is checked. All functions
        used support Spark's code generation: with an interpreted one, a million rows take 50 %
        longer.
        """
        columns, feed = self.schema.columns, self.feed
        received = self._received(bronze)
        kept = ["_received", *([_SELECTED] if feed.where else [])]
        texts = [_text(name, column, feed).alias(_TEXT + name) for name, column in columns.items()]
        casts = [
            _cast(name, column, feed.writing_of(name)).alias(_CAST + name)
            for name, column in columns.items()
        ]
        values = [
            F.when(_plausible(name), F.col(_CAST + name)).alias(name)
            if isinstance(column.dtype.type, T.TimestampType)
            else F.col(_CAST + name).alias(name)
            for name, column in columns.items()
            if name not in self.computed
        ]
        computed = [
            F.coalesce(_CAST + name, F.expr(sql)).alias(name) for name, sql in self.computed.items()
        ]
        provenance_columns = list(PROVENANCE)
        selected = F.col(_SELECTED) if feed.where else F.lit(True)
        rejected = selected & (F.col(_JOINED) != "")
        return (
            received.select(*texts, *kept, *provenance_columns)
            .select("*", *casts)
            .select("*", *values)
            .select("*", *computed)
            .select(
                *columns,
                *provenance_columns,
                *kept,
                F.concat_ws(_BETWEEN, *self._reasons()).alias(_JOINED),
            )
            .select(
                *columns,
                *provenance_columns,
                F.when(rejected, F.col("_received")).alias("_received"),
                F.when(rejected, F.split(_JOINED, _BETWEEN))
                .when(selected, F.array().cast(REASONS))
                .alias("_reasons"),
            )
        )

    def _received(self, bronze: DataFrame) -> DataFrame:
        """The trimmed text of each column, the row as received, and whether it is selected.

        Raises:
            PipelineError: Spark can't compute an expression of the shop file.
        """
        texts, where = self.feed.texts, self.feed.where
        there = {name.lower() for name in bronze.columns}
        lacking = {
            name: F.lit(self.feed.source if name == SOURCE else None).cast(kind)
            for name, kind in self.kept.items()
            if name.lower() not in there
        }
        if lacking:
            # Of other sources, or of a header that was declared since bronze was read.
            bronze = bronze.withColumns(lacking)
        fields = [F.col(f"`{name}`").alias(name) for name in self.kept]
        kept = [F.struct(*fields).alias("_received")]
        try:
            if where:
                kept.append(F.expr(f"coalesce({where}, false)").alias(_SELECTED))
            trimmed = [_trimmed(texts[name]).alias(_TRIMMED + name) for name in self.schema.columns]
            return bronze.select(*trimmed, *kept, *PROVENANCE)
        except AnalysisException as error:
            raise PipelineError(
                "an expression of the shop file can't be computed: " + str(error).splitlines()[0]
            ) from None

    def _reasons(self) -> list[Column]:
        """One column per rule: the reason if the row breaks it, else null."""
        found = []
        for name, column in self.schema.columns.items():
            text, cast = F.col(_TEXT + name), F.col(_CAST + name)
            kind = type(column.dtype.type)
            if not self.feed.gives(name) and (column.nullable or name in self.computed):
                continue
            if wrong := not_a(kind, self.feed.times(name)):
                uncast = text.isNotNull() & cast.isNull()
                found.append(F.when(uncast, F.lit(f"{name}: {wrong}")))
            if kind is T.TimestampType:
                found.append(F.when(~_plausible(name), F.lit(f"{name}: {IMPLAUSIBLE}")))
            for rule in row_rules({name: column}):
                if rule.warns:
                    continue
                broken = text.isNull() if rule.kind == NULLABILITY else F.expr(rule.broken)
                if name in self.computed:
                    if rule.kind == NULLABILITY:
                        continue
                    # An error in a computed value is an error in its inputs.
                    broken = text.isNotNull() & broken
                found.append(F.when(broken, F.lit(f"{name}: {rule.reason}")))
        for cross in self.rules:
            found.append(F.when(F.expr(f"coalesce({cross.broken}, false)"), F.lit(cross.reason)))
        return found


SOURCE = "_source"
_SELECTED = "_selected"
_TRIMMED = "_trimmed_"
_TEXT = "_text_"
_CAST = "_cast_"
_JOINED = "_joined"
_BETWEEN = "\x1f"  # ASCII unit separator; occurs in no reason


def key_as_received(received: str) -> str:
    """Spark SQL of a key, from that of its text: keys are neither mapped nor changed in case."""
    return f"btrim({received}, {spark_literal(WHITE_SPACE)})"


def _trimmed(received: str) -> Column:
    """A text, given as Spark SQL, without surrounding white space.

    Trimming by Spark is slow, so only strings are trimmed whose first or last character is not
    printable ASCII. The last is taken from the bytes, since Spark would count the characters.
    """
    text = F.expr(received)
    starts = (text >= "!") & (text < "\x7f")
    ends = F.substring(text.cast("binary"), -1, 1).between(F.lit(b"!"), F.lit(b"~"))
    trimmed = F.call_function("btrim", text, F.lit(WHITE_SPACE))
    return F.when(starts & ends, text).otherwise(trimmed)


def _text(name: str, column: pa.Column, feed: Feed) -> Column:
    """The trimmed string: mapped; null or the default if empty; in the column's letter case."""
    metadata = column.metadata or {}
    trimmed = F.col(_TRIMMED + name)
    nulls = feed.writing_of(name).nulls
    text = F.when(~trimmed.isin("", *nulls) if nulls else trimmed != "", trimmed)
    if mapped := feed.maps.get(name):
        known = F.create_map(*map(F.lit, chain.from_iterable(mapped.items())))
        text = F.coalesce(F.element_at(known, F.lower(text)), text)
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


def not_a(kind: type[T.DataType], times: tuple[str, ...]) -> str:
    """Why a text can't be cast to a type; empty if any can.

    Args:
        times: the patterns of times.
    """
    if kind is T.TimestampType and times != (ISO_TIME,):
        return f"not a time like {' or '.join(times)}"
    return _NOT_A.get(kind, "")


def _plausible(name: str) -> Column:
    """Whether a time is plausible for the delivery; null without one."""
    day = F.to_date(_CAST + name)
    return day.between(F.lit(EARLIEST).cast("date"), F.add_months("_ingestion_date", MONTHS_AHEAD))


def _cast(name: str, column: pa.Column, writing: Writing) -> Column:
    """The string cast to the column's type; null if it can't be."""
    kind = column.dtype.type
    text = F.col(_TEXT + name)
    if isinstance(kind, T.IntegerType):
        # Cast from the string: a cast from decimal would overflow silently.
        number = _number(text, writing)
        return F.when(number.rlike(WHOLE), number.cast(kind.simpleString()))
    if isinstance(kind, T.DecimalType):
        # Spark rounds half up when casting a string to decimal.
        number = _number(text, writing)
        pattern = COMPUTED_DECIMAL if writing.computed else DECIMAL
        return F.when(number.rlike(pattern), number.cast(kind.simpleString()))
    if isinstance(kind, T.BooleanType):
        word = F.lower(text)
        return F.when(word.isin("true", "t", "yes", "1"), F.lit(True)).when(
            word.isin("false", "f", "no", "0"), F.lit(False)
        )
    if isinstance(kind, T.TimestampType):
        times = [_time(text, pattern, writing.zone) for pattern in writing.times]
        return times[0] if len(times) == 1 else F.coalesce(*times)
    return text


def _number(text: Column, writing: Writing) -> Column:
    """A number as Spark writes it; null where a separator of thousands is misplaced."""
    if writing.computed:
        return F.regexp_replace(text, COMPUTED_ZERO, "0")
    mark, thousands = writing.decimal_mark, writing.thousands
    pattern = number_pattern(mark, thousands)
    if not pattern:
        return text
    plain = F.replace(text, F.lit(thousands), F.lit("")) if thousands else text
    return F.when(text.rlike(pattern), F.replace(plain, F.lit(mark), F.lit(".")))


def number_pattern(mark: str, thousands: str) -> str:
    """The pattern of numbers with such a decimal mark and separator; empty for plain numbers."""
    if mark == "." and not thousands:
        return ""
    grouped = rf"\d{{1,3}}({re.escape(thousands)}\d{{3}})+|" if thousands else ""
    return rf"^[+-]?({grouped}\d*)({re.escape(mark)}\d*)?$"


def _time(text: Column, pattern: str, zone: str) -> Column:
    """The time in UTC; one without a zone is a time of `zone`.

    Of an hour that occurs twice, it is the first one; an hour that never occurs is counted on from
    the hour before.
    """
    if pattern != ISO_TIME:
        return _from_zone(F.to_timestamp(text, pattern), zone)
    # The session's time zone is UTC; without the Z, Spark parses faster.
    utc = F.replace(text, F.lit("Z"), F.lit("")).cast("timestamp")
    if zone != "UTC":
        utc = F.when(text.rlike(HAS_ZONE), utc).otherwise(_from_zone(utc, zone))
    return F.when(text.rlike(TIMESTAMP), utc)


def _from_zone(local: Column, zone: str) -> Column:
    return local if zone == "UTC" else F.to_utc_timestamp(local, zone)
