"""The contract of a silver table: typed values from received texts, and the reasons for quarantine.

A silver table's pandera model, with the shop's vocabulary, is its contract. A value that can't be
cast to the column's type, or that fails a check, sends the row to quarantine with that reason; the
same checks then audit what is published.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandera.pandas as pa

from ecommerce_assets.engine.macros import MACROS, SETTINGS
from ecommerce_assets.engine.relation import ROWS, Relation
from ecommerce_assets.engine.types import Kind
from ecommerce_assets.landing.layout import PROVENANCE
from ecommerce_assets.model.rules import NULLABILITY, row_rules
from ecommerce_assets.shop import Shop
from ecommerce_assets.shop.model import ANY
from ecommerce_assets.sql import ansi_literal, quoted
from ecommerce_assets.tables.amounts import EXACT, EXACT_TYPES
from ecommerce_assets.tables.casting import (
    IMPLAUSIBLE,
    TIMES,
    cast,
    decimal,
    not_a,
    plausible,
    text,
)
from ecommerce_assets.tables.feed import SELLS, Feed
from ecommerce_assets.tables.types import FLAG, REASONS, TEXT, kinds_of

EMAIL = r"^[^@\s\x0b]+@[^@\s\x0b]+\.[^@\s\x0b]+$"  # not all engines' \s has the vertical tab
COUNTRY = r"^[A-Z]{2}$"
SOURCE = "_source"
# The column that says what became of a row: true if it keeps the contract, false if it breaks it,
# null if it does not speak of the table.
VALID = "_is_valid"
SAYS_GONE = "_says_gone"  # whether a row says that its key is gone; null where that can't be told
IS_GONE = "_is_gone"  # the mark of a row that says that its key is gone


@dataclass(frozen=True)
class CrossFieldRule:
    """A rule over several typed values of one row.

    Attributes:
        reason: the text in `_reasons`.
        broken: SQL condition of a broken rule, on the typed columns; null counts as not broken.
    """

    reason: str
    broken: str


def given(name: str) -> str:
    """SQL of whether a row has a text for a column, for a `CrossFieldRule`."""
    return f"({_TEXT}{name} IS NOT NULL)"


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
    """The currencies that amounts may have."""
    return shop.currencies


def shop_currency(shop: Shop) -> str:
    """The currency of orders that name none."""
    return shop.currency


def prices_include_tax(shop: Shop) -> str:
    """Whether the prices of an order include tax, unless the order says so."""
    return str(shop.declared.shop.prices_include_tax).lower()


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
        said = {contract.feed.source: contract.described(name) for contract in contracts}
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
    return str(column.dtype) == str(TEXT) and not column.metadata["essential"]


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


@dataclass(frozen=True, eq=False)  # the tables that prepare rows alike share one
class Contract:
    """Typed values and reasons of a source's bronze row, by the pandera model of its silver table.

    Attributes:
        schema: of the silver table, with the shop's vocabulary.
        computed: by column that may be empty, SQL of its value from the other typed columns.
        rules: on several values of a row.
        feed: where the columns come from.
        marks: by name, SQL of a condition of a row that an audit counts, on the typed columns and
            on their exact values.
        kept: the columns in which quarantine keeps a row as received; those that the source lacks
            are null.
    """

    schema: pa.DataFrameSchema
    computed: Mapping[str, str]
    rules: tuple[CrossFieldRule, ...]
    feed: Feed
    marks: Mapping[str, str]
    kept: Mapping[str, str]

    def version_parts(self) -> tuple[object, ...]:
        """What decides the typed values and the reasons, for the code version."""
        return (self.query, self.kinds, MACROS, SETTINGS)

    def __call__(self, bronze: Relation) -> Relation:
        """The rows of `query`, of rows of bronze."""
        known = {name.lower() for name in bronze.columns}
        there = [name for name in self.kept if name.lower() in known]
        # Of other sources, or of a header that was declared since bronze was read.
        lacking = [self._lacking(name) for name in self.kept if name.lower() not in known]
        rows = f"(SELECT *, {', '.join(lacking)} FROM {ROWS})" if lacking else ROWS
        return bronze.select(*there).row_wise(self._query(rows), self.kinds)

    def _lacking(self, name: str) -> str:
        value = ansi_literal(self.feed.source) if name == SOURCE else "NULL"
        return f"CAST({value} AS {self.kept[name]}) AS {quoted(name)}"

    def described(self, name: str) -> str:
        """Where a column comes from, for people."""
        if name in self.computed and not self.feed.gives(name):
            return "computed"
        return self.feed.described[name]

    @property
    def reads(self) -> dict[str, tuple[str, ...]]:
        """By column, the bronze columns that it is made of."""
        own, found = self.feed.reads, dict(self.feed.reads)
        for name, sql in self.computed.items():
            used = [other for other in own if re.search(rf"\b({EXACT})?{other}\b", sql)]
            found[name] = tuple(dict.fromkeys(c for other in [name, *used] for c in own[other]))
        return found

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        """The columns of `query` and their types."""
        return {
            **kinds_of(self.schema.columns),
            **{name: self.kept[name] for name in PROVENANCE},
            "_received": self.kept,
            "_reasons": str(REASONS),
            VALID: str(FLAG),
            **dict.fromkeys(self.marks, str(FLAG)),
        }

    @cached_property
    def query(self) -> str:
        """The typed values, the provenance, `_received` if there are reasons, `_reasons`, `VALID`,
        and the marks.

        One row per bronze row; `_reasons` is null in rows that do not speak of the table.
        """
        return self._query(ROWS)

    def _query(self, rows: str) -> str:
        received = ", ".join(f"{ansi_literal(name)}: {quoted(name)}" for name in self.kept)
        broken = "_selected AND len(_reasons) > 0"
        return (
            f"SELECT {', '.join([*self.schema.columns, *PROVENANCE])}, "
            f"CASE WHEN {broken} THEN _received END AS _received, "
            "CASE WHEN _selected THEN _reasons END AS _reasons, "
            f"CASE WHEN _selected THEN len(_reasons) = 0 END AS {VALID}"
            f"{''.join(f', {mark}' for mark in self.marks)} "
            f"FROM ({self.judged(rows, f'{{{received}}} AS _received')})"
        )

    def judged(self, rows: str, *carried: str) -> str:
        """The query of every received row, typed and judged.

        Beside the typed values and the provenance: `_text_` and a column's name, its text; whether
        the row speaks of the table, `_selected`; and its `_reasons`. In steps, so that each value
        is trimmed, cast and computed once before it is checked.

        Args:
            rows: the relation of bronze rows.
            carried: SQL, with an alias, of further columns of theirs.
        """
        columns, feed = self.schema.columns, self.feed
        texts = [f"coalesce({_SPEAKS}, true) AS _selected"]
        texts += [f"{text(n, c, feed, _RAW + n)} AS {_TEXT}{n}" for n, c in columns.items()]
        casts = [
            f"{cast(c, feed.writing_of(n), _TEXT + n)} AS {_CAST}{n}" for n, c in columns.items()
        ]
        casts += [
            f"{decimal(kind, feed.writing_of(n), _TEXT + n)} AS {EXACT}{n}"
            for n, kind in self._exact.items()
        ]
        values = [
            f"{self._value(n, c)} AS {n}" for n, c in columns.items() if n not in self.computed
        ]
        computed = [f"{self._computed(n, sql)} AS {n}" for n, sql in self.computed.items()]
        marks = [f"coalesce({sql}, false) AS {name}" for name, sql in self.marks.items()]
        raw = [f"{sql} AS {_RAW}{n}" for n, sql in feed.texts.items() if n in columns]
        raw += [f"{feed.where or 'true'} AS {_SPEAKS}"]
        raw += [f"{feed.sells} AS {SELLS}"] if feed.sells else []
        raw += [f"{feed.gone} AS {SAYS_GONE}"] if feed.gone else []
        query = f"SELECT {', '.join([*raw, *PROVENANCE, *carried])} FROM {rows}"
        joined = f"{self._joined()} AS _joined"
        steps = (texts, casts, values, computed, marks, [joined], [self._listed()])
        for step in filter(None, steps):
            query = f"SELECT *, {', '.join(step)} FROM ({query})"
        return query

    @property
    def _exact(self) -> dict[str, str]:
        """The columns whose values are used before they are rounded, and the types of these."""
        used = " ".join([*self.computed.values(), *self.marks.values()])
        return {
            name: EXACT_TYPES[str(column.dtype)]
            for name, column in self.schema.columns.items()
            if re.search(rf"\b{EXACT}{name}\b", used)
        }

    def _computed(self, name: str, sql: str) -> str:
        kind = self.schema.columns[name].dtype
        return f"coalesce({_CAST}{name}, TRY(CAST({sql} AS {kind})))"

    @staticmethod
    def _value(name: str, column: pa.Column) -> str:
        value = _CAST + name
        if str(column.dtype) not in TIMES:
            return value
        return f"CASE WHEN {plausible(value)} THEN {value} END"

    def _joined(self) -> str:
        """The reasons of the rules that the row breaks, one after the other."""
        broken = [
            f"CASE WHEN {condition} THEN {ansi_literal(reason)} END"
            for condition, reason in self._rules()
        ]
        return f"concat_ws({', '.join([_BETWEEN, *(broken or _NONE)])})"

    def _rules(self) -> Iterator[tuple[str, str]]:
        """Each rule: the condition of a row that breaks it, and the reason."""
        for name, column in self.schema.columns.items():
            received, value = _TEXT + name, _CAST + name
            kind = str(column.dtype)
            if not self.feed.gives(name) and (column.nullable or name in self.computed):
                continue
            if wrong := not_a(kind, self.feed.times(name)):
                yield f"{received} IS NOT NULL AND {value} IS NULL", f"{name}: {wrong}"
            if kind in TIMES:
                yield f"NOT ({plausible(value)})", f"{name}: {IMPLAUSIBLE}"
            for rule in row_rules({name: column}):
                if rule.warns or (rule.kind == NULLABILITY and name in self.computed):
                    continue
                broken = rule.broken
                if rule.kind == NULLABILITY:
                    broken = f"{received} IS NULL"
                elif name in self.computed:
                    # An error in a computed value is an error in its inputs.
                    broken = f"{received} IS NOT NULL AND {broken}"
                yield broken, f"{name}: {rule.reason}"
        for cross in self.rules:
            yield f"TRY({cross.broken})", cross.reason
        if self.feed.where:
            yield f"{_SPEAKS} IS NULL", UNKNOWN
        if self.feed.gone:
            yield f"{SAYS_GONE} IS NULL", UNKNOWN_GONE

    def _listed(self) -> str:
        """The reasons as a list; none of a row that says that its key is gone, and has it."""
        (key,) = self.schema.unique
        gone = f"OR ({SAYS_GONE} AND {_TEXT}{key} IS NOT NULL) " if self.feed.gone else ""
        return (
            f"CASE WHEN _joined = '' {gone}THEN CAST([] AS VARCHAR[]) "
            f"ELSE string_split(_joined, {_BETWEEN}) END AS _reasons"
        )


UNKNOWN = "where: can't be told for this row"
UNKNOWN_GONE = "gone: can't be told for this row"
_SPEAKS = "_speaks"
_RAW = "_raw_"
_TEXT = "_text_"
_CAST = "_cast_"
_BETWEEN = "chr(31)"  # ASCII's unit separator; occurs in no reason
_NONE = ("NULL",)
