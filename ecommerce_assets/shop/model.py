"""The shop file: what it may say, and what each key means.

Everything that is particular to a shop is declared here: its sources and how their files are
written, how the tables' columns come from them, its vocabulary, its currency and its time zone.
"""

import codecs
import re
from functools import cache
from itertools import combinations
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ecommerce_assets.errors import did_you_mean
from ecommerce_assets.landing.layout import SOURCE_FILE
from ecommerce_assets.landing.source import LINE_NUMBER, column_of
from ecommerce_assets.shop.times import ISO_TIME, read_differently, time_forms

ANY = "any"
Role = Literal["open", "sale", "cancelled", "returned"]
NOT_SOLD = ("cancelled", "returned")  # roles
TABLES = ("customers", "products", "orders", "order_items", "returns", "exchange_rates")
TABLES_BY_GRAIN = ("order_items", "orders", "products", "customers")  # the finest first
MAY_BE_NONE = ("returns", "exchange_rates")  # of which a delivery may have no row
NEEDED = ("orders", "order_items")  # the members of the others may be known from these alone
# ISO 4217, without funds, metals and test codes.
_CODES = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD "
    "CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS "
    "GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW "
    "KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR "
    "MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR "
    "SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX "
    "USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG"
)
CURRENCIES = frozenset(_CODES.split())
# Digits of the smallest unit after the point, by ISO 4217; of all others, two.
_OF_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_OF_THREE = "BHD IQD JOD KWD LYD OMR TND"
_DIGITS = dict.fromkeys(_OF_NONE.split(), 0) | dict.fromkeys(_OF_THREE.split(), 3)
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@cache
def _zones() -> set[str]:
    return available_timezones() - {"localtime"}  # that of some machine


def _zone(name: str) -> str:
    if name not in _zones():
        raise ValueError(f"{name!r} is no time zone.{_nearest(name, _zones())}")
    return name


def _currency(name: str) -> str:
    if name not in CURRENCIES:
        raise ValueError(
            f"{name!r} is no currency; it must be a code of ISO 4217 like EUR, GBP or USD"
        )
    return name


def digits_of(currency: str) -> int:
    """The digits of a currency's smallest unit after the point: 2 of EUR, 0 of JPY, 3 of KWD."""
    return _DIGITS.get(currency, 2)


def _encoding(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise ValueError(
            f"{name!r} is no encoding; utf-8, cp1252 and iso8859-1 are usual"
        ) from None


def _time_pattern(pattern: str) -> str:
    if pattern != ISO_TIME:
        time_forms(pattern)
    return pattern


def _told_apart(patterns: tuple[str, ...]) -> tuple[str, ...]:
    for one, other in combinations(patterns, 2):
        if text := read_differently(one, other) or read_differently(other, one):
            raise ValueError(
                f"{one!r} and {other!r} read {text!r} as different times, so no value can be told: "
                "leave one out, or declare two sources"
            )
    return patterns


def _nearest(name: str, known: set[str]) -> str:
    said = did_you_mean(name, known)
    return said if "mean" in said else " Names are those of the IANA, like Europe/Berlin"


def _described(columns: Any) -> Any:
    """A list of headers as a table without descriptions."""
    if isinstance(columns, list) and all(isinstance(name, str) for name in columns):
        return dict.fromkeys(columns, "")
    return columns


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def by_source(value: Any) -> Any:
    """A table's parts, one for each source: a list of sources stands for parts that are alike."""
    parts = value if isinstance(value, list) else [value]
    found = []
    for part in parts:
        named = part.get("from") if isinstance(part, dict) else None
        sources = named if isinstance(named, list) and named else [named]
        found += [{**part, "from": source} for source in sources] if named else [part]
    return found


Zone = Annotated[str, AfterValidator(_zone)]
Headers = Annotated[dict[str, str], BeforeValidator(_described)]
Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]


def _small(words: list[str] | str) -> list[str] | str:
    """Words in the letter case in which silver holds them."""
    return words if words == ANY else [word.strip().lower() for word in words]


def _small_with_roles(statuses: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for word, role in statuses.items():
        if found.setdefault(word.strip().lower(), role) != role:
            raise ValueError(f"{word!r} has two roles; capital and small letters do not differ")
    return found


# What `ecommerce shop check` finds doubtful, and a table may accept.
Doubt = Literal[
    "nothing_selected", "ids_that_are_none", "ids_alike", "ids_that_are_addresses", "rounded_ids",
    "fractions", "orders_without_item", "constant", "named_by_no_sale", "files_that_disagree",
]  # fmt: skip
Words = Annotated[list[str] | Literal["any"], AfterValidator(_small)]
Character = Annotated[str, Field(min_length=1, max_length=1)]


class Part(BaseModel):
    """A part of the shop file: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Shop(Part):
    """The shop as a whole."""

    currency: Annotated[str, AfterValidator(_currency)] = Field(
        description="Reporting currency, ISO 4217: of all figures, and of orders that name none."
    )
    zone: Zone = Field(
        default="UTC",
        description="Time zone (IANA) of the business day, and of times without a zone.",
    )
    prices_include_tax: bool = Field(
        default=False,
        description="Whether prices, discounts, shipping and amounts of returns include tax; the "
        "column of this name of orders says so of one order.",
    )


class FillDown(Part):
    """Columns whose value stands only in the first line of several that belong together."""

    within: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)] = Field(
        description="Headers whose values tell which lines belong together."
    )
    columns: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)] = Field(
        description="Headers whose empty values mean the one above."
    )


class SourceFile(Part):
    """A source: its files are one bronze table, as received."""

    description: str = Field(default="", description="What a row is.")
    folder: str = Field(
        default="", description="Its folder below landing; by default, the source's name."
    )
    files: str = Field(
        default="",
        description="Pattern of its files' names in a date's folder, like `lines_*.csv`; by "
        "default, all files that end in .csv or .csv.gz.",
    )
    delimiter: Character = Field(default=",", description="The character between two fields.")
    quote: Annotated[str, Field(max_length=1)] = Field(
        default='"', description="The character around a field; empty if fields are never quoted."
    )
    escape: Annotated[str, Field(max_length=1)] = Field(
        default="",
        description="The character before a quote that is a part of a field, like a backslash; by "
        "default, such quotes are doubled.",
    )
    encoding: Annotated[str, AfterValidator(_encoding)] = Field(
        default="utf-8", description="Encoding of its files, like cp1252."
    )
    skip_lines: int = Field(default=0, ge=0, description="Lines above the header.")
    header: Names = Field(
        default=(),
        description="The names of the fields, in their order, if files have no header; by default, "
        "they are all required.",
    )
    loose_header: bool = Field(
        default=False, description="Whether headers are matched without regard to case and blanks."
    )
    decimal_mark: Literal[".", ","] = Field(default=".", description="The decimal mark of numbers.")
    thousands: Literal["", ".", ",", " ", "'"] = Field(
        default="", description="The thousands separator that numbers may have."
    )
    times: Annotated[tuple[Annotated[str, AfterValidator(_time_pattern)], ...],
                     BeforeValidator(_listed), Field(min_length=1),
                     AfterValidator(_told_apart)] = Field(
        default=(ISO_TIME,),
        description="How times are written, like `dd.MM.yyyy HH:mm`; `iso` is ISO 8601. The first "
        "one that fits counts.",
    )  # fmt: skip
    nulls: Names = Field(default=(), description="Texts that mean an empty value, like `NULL`.")
    zone: Zone | None = Field(
        default=None, description="Time zone of its times without one; by default, the shop's."
    )
    may_be_absent: bool = Field(
        default=False,
        description="Whether a date may have no delivery of it without a warning.",
    )
    number_lines_within: Names = Field(
        default=(),
        description="Headers whose values group a file's lines; the number of a line in its group "
        "is the column `_line_number`, for use in a key.",
    )
    fill_down: FillDown | None = Field(
        default=None,
        description="Columns whose value stands only in the first of several lines.",
    )
    required: Headers = Field(description="Headers that a file must have, with descriptions.")
    optional: Headers = Field(
        default={}, description="Headers that a file may have, with descriptions."
    )

    @model_validator(mode="before")
    @classmethod
    def _required_of_header(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("header") and "required" not in value:
            return value | {"required": _listed(value["header"])}
        return value

    @model_validator(mode="after")
    def _consistent(self) -> "SourceFile":
        headers = [*self.required, *self.optional]
        columns: dict[str, str] = {}
        for header in headers:
            column = column_of(header).lower()
            if not column:
                raise ValueError(f"the header {header!r} has no letter or digit to name a column")
            if column in columns:
                raise ValueError(
                    f"the headers {columns[column]!r} and {header!r} would be one column"
                )
            columns[column] = header
        down = self.fill_down
        for key, names in (
            ("number_lines_within", self.number_lines_within),
            ("fill_down.within", down.within if down else ()),
            ("fill_down.columns", down.columns if down else ()),
        ):
            for name in names:
                if name not in headers:
                    raise ValueError(
                        f"{key}: there is no header {name!r}.{did_you_mean(name, headers)}"
                    )
        for name in headers if self.header else ():
            if name not in self.header:
                raise ValueError(f"header: it has no {name!r}.{did_you_mean(name, self.header)}")
        if len(set(self.header)) < len(self.header):
            raise ValueError("header: a name stands there twice; each field needs its own")
        marks = [mark for mark in (self.delimiter, self.quote, self.escape) if mark]
        if len(set(marks)) < len(marks):
            raise ValueError("delimiter, quote and escape must differ")
        if self.thousands and self.thousands == self.decimal_mark:
            raise ValueError("thousands and decimal_mark must differ")
        return self


class Value(Part):
    """Where a column's value comes from: a header or several, a constant, or an expression."""

    column: str | None = Field(default=None, description="A header of the source.")
    columns: tuple[str, ...] | None = Field(
        default=None,
        description="Several headers, whose values together are the value, as of a key.",
    )
    constant: str | int | float | bool | None = Field(
        default=None, description="The same in every row."
    )
    sql: str | None = Field(default=None, description="A row-wise expression of DuckDB's SQL.")
    lookup: str | None = Field(
        default=None,
        description="Another source, in which the value is looked up by a key: of its rows with "
        "that key, the latest one delivered counts.",
    )
    key: Names = Field(
        default=(), description="For `lookup`: the headers of this source that make up the key."
    )
    by: Names = Field(
        default=(),
        description="For `lookup`: the headers of the other source that make up the key; by "
        "default, the same as of this one.",
    )
    value: str | None = Field(
        default=None, description="For `lookup`: the header of the value in the other source."
    )
    map: dict[str, str] = Field(
        default={},
        description="Values to replace, like Germany by DE; compared without regard to case and "
        "white space around them.",
    )

    @model_validator(mode="before")
    @classmethod
    def _of_header(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"column": value}
        return {"columns": value} if isinstance(value, list) else value

    @model_validator(mode="after")
    def _one_origin(self) -> "Value":
        origins = ("column", "columns", "constant", "sql", "lookup")
        given = [name for name in origins if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                "must be a header, a list of headers, or have one of column, constant, sql and "
                f"lookup; it has {' and '.join(given) or 'none'}"
            )
        of_lookup = [name for name in ("key", "by", "value") if getattr(self, name)]
        if self.lookup is None and of_lookup:
            raise ValueError(f"has {' and '.join(of_lookup)}, which takes lookup")
        if self.lookup is not None and not (self.key and self.value):
            raise ValueError("looks up a value: name its header by value, and key, that of the key")
        if self.by and len(self.by) != len(self.key):
            raise ValueError("key and by must list as many headers")
        return self


class TableFile(BaseModel):
    """A table, or its part from one source: which rows, and where each column comes from.

    A column that is not named comes from the header of the same name, if the source has it.
    """

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)
    __pydantic_extra__: dict[str, Value] = Field(init=False)

    from_: str = Field(
        alias="from",
        description="The source; or several, written alike. For sources that are written "
        "differently, write the table several times: `[[tables.orders]]`.",
    )
    where: str = Field(
        default="",
        description="A row-wise condition of DuckDB's SQL; other rows do not speak of this table.",
    )
    key: Names = Field(
        default=(), description="The headers, or `_line_number`, that make up the key."
    )
    may_be_empty: Names = Field(default=(), description="Columns whose value may be missing.")
    warn: Names = Field(
        default=(),
        description="Columns whose values are kept, with a warning, if they break a rule.",
    )
    repeats: bool = Field(
        default=False,
        description="Whether a key may come again within a file, as a newer version of its row. "
        "Without it, such rows are doubtful, since one of them counts.",
    )
    continues: bool | None = Field(
        default=None,
        description="Of a key with `_line_number`: whether the lines that a further file has for "
        "an order are further lines of it (true), or newer versions of the lines of the same "
        "numbers (false). Without it, such lines are doubtful.",
    )
    replaces: Literal["order"] | None = Field(
        default=None,
        description="Of order_items: `order` if a date's delivery of an order's lines is the whole "
        "order, so that lines which it no longer has are gone.",
    )
    complete: bool = Field(
        default=False,
        description="Whether each date's delivery is the whole table, so that rows which the "
        "latest one no longer has are gone.",
    )
    gone: str = Field(
        default="",
        description="A row-wise condition of DuckDB's SQL; a row for which it holds says that its "
        "key is gone. Such a row needs nothing but the key.",
    )
    accept: Annotated[tuple[Doubt, ...], BeforeValidator(_listed)] = Field(
        default=(), description="Doubts of `ecommerce shop check` that are answered: it is meant."
    )

    @model_validator(mode="after")
    def _continues_by_numbers(self) -> "TableFile":
        if self.continues is not None and LINE_NUMBER not in self.key:
            raise ValueError(
                f"continues: takes {LINE_NUMBER} in the key; rows with an id of their own are "
                "further rows in any file"
            )
        return self

    @property
    def key_headers(self) -> tuple[str, ...]:
        """What makes up the key: with the file, where numbers begin anew in each."""
        return (*self.key, SOURCE_FILE) if self.continues else self.key

    @property
    def values(self) -> dict[str, Value]:
        """The declared values by column."""
        return dict(self.__pydantic_extra__ or {})


class Vocabulary(Part):
    """The words that a shop uses."""

    categories: Words = Field(
        default="any", description="Categories of products, in any letter case; or `any`."
    )
    payment_methods: Words = Field(
        default="any", description="Payment methods, in any letter case; or `any`."
    )
    currencies: tuple[Annotated[str, AfterValidator(_currency)], ...] = Field(
        default=(),
        description="Currencies that orders may have beside the shop's, ISO 4217; they take the "
        "table exchange_rates.",
    )
    statuses: Annotated[dict[str, Role], Field(min_length=1), AfterValidator(_small_with_roles)] = (
        Field(
            description="The role of each order status, in any letter case. Orders whose status is "
            "`cancelled` or `returned` are no sales."
        )
    )


class ShopFile(Part):
    """A shop file."""

    shop: Shop
    sources: Annotated[dict[str, SourceFile], Field(min_length=1)]
    tables: dict[
        str, Annotated[tuple[TableFile, ...], BeforeValidator(by_source), Field(min_length=1)]
    ]
    vocabulary: Vocabulary

    @model_validator(mode="after")
    def _consistent(self) -> "ShopFile":
        for name in self.sources:
            if not _NAME.fullmatch(name):
                raise ValueError(
                    f"sources.{name}: a source's name is a table's: lower-case letters, digits "
                    "and underscores, a letter first"
                )
        for name, parts in self.tables.items():
            if name not in TABLES:
                raise ValueError(
                    f"tables.{name}: there is no such table.{did_you_mean(name, TABLES)}"
                )
            self._check_sources(name, [part.from_ for part in parts])
            for part in parts:
                if part.replaces and name != "order_items":
                    raise ValueError(
                        f"tables.{name}.replaces: only the lines of orders, order_items, can be "
                        "replaced as a whole"
                    )
                if part.complete and (part.replaces or len(parts) > 1):
                    raise ValueError(
                        f"tables.{name}.complete: takes a table of one source, without replaces"
                    )
            if len({part.replaces for part in parts}) > 1:
                raise ValueError(
                    f"tables.{name}.replaces: must be the same for all sources of the table"
                )
        for name in NEEDED:
            if name not in self.tables:
                raise ValueError(f"tables.{name}: the table is missing; say where it comes from")
        others = sorted({*self.vocabulary.currencies} - {self.shop.currency})
        if others and "exchange_rates" not in self.tables:
            raise ValueError(
                f"vocabulary.currencies: {', '.join(others)} can't be converted: say where "
                "tables.exchange_rates comes from"
            )
        if "exchange_rates" in self.tables and not others:
            raise ValueError(
                "tables.exchange_rates: nothing is converted: name the currencies that orders may "
                f"have beside {self.shop.currency} in vocabulary.currencies"
            )
        return self

    def _check_sources(self, table: str, names: list[str]) -> None:
        """Whether the sources of a table exist, and give it no row twice."""
        files: dict[tuple[str, str], str] = {}
        for name in names:
            if name not in self.sources:
                raise ValueError(
                    f"tables.{table}.from: there is no source {name!r}."
                    f"{did_you_mean(name, self.sources)}"
                )
            source = self.sources[name]
            other = files.setdefault((source.folder or name, source.files), name)
            if names.count(name) > 1:
                raise ValueError(f"tables.{table}.from: {name} is named twice")
            if other != name:
                raise ValueError(
                    f"tables.{table}.from: {other} and {name} have the same files, so each row "
                    "would come twice; give them different folders or patterns of files"
                )
