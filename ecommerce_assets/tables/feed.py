"""The feeds of a silver table: how the text of each column comes from a source's bronze rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ecommerce_assets.errors import PipelineError, did_you_mean
from ecommerce_assets.landing.layout import PROVENANCE
from ecommerce_assets.landing.source import FILLED_DOWN, LINE_NUMBER, column_of
from ecommerce_assets.model.lookup import Lookup
from ecommerce_assets.shop import Shop
from ecommerce_assets.shop.expressions import row_expression, text_of
from ecommerce_assets.shop.model import TableFile, Value
from ecommerce_assets.shop.times import ISO_TIME
from ecommerce_assets.sql import ansi_literal, quoted

BETWEEN_KEYS = "|"  # between the parts of a key made of several columns
NOTHING = "CAST(NULL AS VARCHAR)"
SELLS = "_sells"  # whether a row of a product's source is an item of an order


@dataclass(frozen=True)
class Writing:
    """How values are written in the files of a source.

    Attributes:
        decimal_mark: of numbers.
        thousands: the separator that numbers may have; empty for none.
        times: patterns of times; `iso` for ISO 8601.
        nulls: texts that mean an empty value.
        zone: time zone of times without one.
        computed: whether an expression gives the text, in which numbers may have an exponent.
    """

    decimal_mark: str = "."
    thousands: str = ""
    times: tuple[str, ...] = ("iso",)
    nulls: tuple[str, ...] = ()
    zone: str = "UTC"
    computed: bool = False


COMPUTED = Writing(computed=True)


@dataclass(frozen=True)
class Feed:
    """Where the rows and the columns of a silver table come from, of one source.

    Attributes:
        source: its name.
        texts: DuckDB's SQL of the text by column; a column that no source gives is null.
        writings: by column whose text stands in files, how it is written there; the others are
            constants and results of expressions.
        maps: by column, its values by the texts that they replace, in any letter case.
        where: condition of the rows that speak of the table, null where that can't be told; empty
            for all.
        gone: condition of the rows that say that their key is gone; empty for none.
        described: by column, where it comes from, for people.
        reads: by column, the bronze columns that it is made of.
        lookups: what the rows look up in other sources.
        sells: of a product: condition of the rows that are items of orders; empty if its source
            has no items.
    """

    source: str
    texts: Mapping[str, str]
    writings: Mapping[str, Writing]
    maps: Mapping[str, Mapping[str, str]]
    where: str
    described: Mapping[str, str]
    reads: Mapping[str, tuple[str, ...]]
    lookups: tuple[Lookup, ...] = ()
    sells: str = ""
    gone: str = ""

    @property
    def rows(self) -> str:
        """Identifier of the table with the rows: bronze, or with what they look up."""
        return looked_up_table(self.source) if self.lookups else f"bronze.{self.source}"

    def times(self, column: str) -> tuple[str, ...]:
        """The patterns of times of a column."""
        return self.writings[column].times if column in self.writings else (ISO_TIME,)

    def writing_of(self, column: str) -> Writing:
        """How the values of a column are written."""
        return self.writings.get(column, COMPUTED)

    def gives(self, column: str) -> bool:
        """Whether any row can have a value in this column."""
        return self.texts[column] != NOTHING


def feeds_for(shop: Shop, table: str, columns: Iterable[str], key: str) -> tuple[Feed, ...]:
    """The feeds of a table, one for each source.

    Args:
        table: a name like `orders`.
        columns: of the table.
        key: its key column.

    Raises:
        PipelineError: the shop file names a column or a header that is not there, or an expression
            that can't be used; the message has the file, the key and the remedy.
    """
    parts = shop.declared.tables.get(table)
    if parts is None:
        return (_no_feed(shop, columns),)
    return tuple(
        _feed(
            _Declared(shop, table, part),
            list(columns),
            key,
            _sells(shop, part.from_) if table == "products" else "",
        )
        for part in parts
    )


def _sells(shop: Shop, source: str) -> str:
    """The condition of the rows of a source that are items; empty if it has none."""
    parts = [part for part in shop.declared.tables["order_items"] if part.from_ == source]
    conditions = [_Declared(shop, "order_items", part).condition()[0] for part in parts]
    return "".join(may_be(condition) or "true" for condition in conditions)


def _feed(declared: "_Declared", columns: Sequence[str], key: str, sells: str) -> Feed:
    values = declared.values(columns, key)
    texts = {name: declared.text(name, value) for name, value in values.items()}
    where, _ = declared.condition()
    return Feed(
        source=declared.source.name,
        texts={name: sql for name, (sql, _) in texts.items()},
        writings={
            name: declared.writing(value.lookup)
            for name, value in values.items()
            if value and (value.column or value.lookup)
        },
        maps={
            name: {text.strip(): to for text, to in value.map.items()}
            for name, value in values.items()
            if value and value.map
        },
        where=where,
        described={name: _described(value) for name, value in values.items()},
        reads={name: read for name, (_, read) in texts.items()},
        lookups=lookups_of(declared.shop, declared.source.name),
        sells=sells,
        gone=declared.gone(),
    )


def looked_up_table(source: str) -> str:
    """Identifier of the table of a source's rows with what they look up in other sources."""
    return f"silver.{source}_looked_up"


def lookups_of(shop: Shop, source: str) -> tuple[Lookup, ...]:
    """What the rows of a source look up in other sources, for all tables that it feeds.

    Raises:
        PipelineError: the shop file names a source or a header that is not there.
    """
    found: dict[str, Lookup] = {}
    for table, parts in shop.declared.tables.items():
        for part in parts:
            if part.from_ != source:
                continue
            for column, value in part.values.items():
                if value.lookup is not None:
                    lookup = _Declared(shop, table, part).lookup(column, value)
                    found[lookup.column] = lookup
    return tuple(found.values())


def conditions_of(shop: Shop, source: str) -> list[str]:
    """SQL of the rows that may speak of a table, for each table that a source feeds.

    Returns:
        Nothing if every row speaks of some table.

    Raises:
        PipelineError: a condition can't be used.
    """
    conditions = [
        may_be(_Declared(shop, name, part).condition()[0])
        for name, parts in shop.declared.tables.items()
        for part in parts
        if part.from_ == source
    ]
    return conditions if all(conditions) else []


def may_be(condition: str) -> str:
    """A condition that holds as well where it can't be told; none stays none."""
    return f"coalesce({condition}, true)" if condition else ""


def _no_feed(shop: Shop, columns: Iterable[str]) -> Feed:
    """The feed of a table that no source feeds: no row of the orders' source speaks of it."""
    names = list(columns)
    return Feed(
        source=shop.declared.tables["orders"][0].from_,
        texts=dict.fromkeys(names, NOTHING),
        writings={},
        maps={},
        where="false",
        described=dict.fromkeys(names, "not delivered"),
        reads=dict.fromkeys(names, ()),
    )


class _Declared:
    """What the shop file says about a table's rows of a source, in the bronze table's columns."""

    def __init__(self, shop: Shop, table: str, part: TableFile) -> None:
        self.shop = shop
        self._table = table
        self._declared = part
        (self.source,) = [s for s in shop.sources if s.name == self._declared.from_]
        # SQL of the columns that may be named, by the names by which the file may call them.
        self._names = {header: self._received(header) for header in self.source.columns}
        numbers = [*PROVENANCE, *([LINE_NUMBER] if self.source.numbered_within else [])]
        self._names |= {name: f"CAST({quoted(name)} AS VARCHAR)" for name in numbers}
        self._called: dict[str, str] = {}

    def values(self, columns: Sequence[str], key: str) -> dict[str, Value | None]:
        """Where each column comes from; None if no source has it."""
        declared = self._declared
        for name in [*declared.values, *declared.may_be_empty, *declared.warn]:
            if name not in columns:
                raise self._mistake(
                    name,
                    f"silver.{self._table} has no such column.{did_you_mean(name, columns)}",
                )
        found = {name: declared.values.get(name) or self._of_same_name(name) for name in columns}
        if made_of := declared.key_headers:
            self._called[key] = "key"
            one = made_of[0] if len(made_of) == 1 else None
            found[key] = Value.model_validate(one or list(made_of))
        if found[key] and found[key].map:  # type: ignore[union-attr]
            raise self._mistake(key, "is the key, so its values can't be mapped; use an expression")
        if found[key] is None:
            raise self._mistake(
                "key", f"is missing: name the headers that identify a row of {self._table}"
            )
        return found

    def text(self, name: str, value: Value | None) -> tuple[str, tuple[str, ...]]:
        """SQL of a column's text, and the bronze columns that it reads."""
        if value is None:
            return NOTHING, ()
        if value.constant is not None:
            text = str(value.constant)
            return ansi_literal(text.lower() if isinstance(value.constant, bool) else text), ()
        if value.sql is not None:
            sql, read = self._expression(name, value.sql)
            return text_of(sql), read
        if value.lookup is not None:
            lookup = self.lookup(name, value)
            return quoted(lookup.column), (lookup.column,)
        headers = value.columns if value.columns is not None else (str(value.column),)
        columns = [self._column(name, header) for header in headers]
        read = tuple(map(self._bronze, headers))
        return (columns[0] if value.columns is None else _joined(columns)), read

    def lookup(self, name: str, value: Value) -> Lookup:
        """What a column looks up."""
        other = next((s for s in self.shop.sources if s.name == value.lookup), None)
        if other is None or other is self.source:
            named, others = str(value.lookup), [s.name for s in self.shop.sources]
            hint = did_you_mean(named, [one for one in others if one != self.source.name])
            raise self._mistake(name, f"there is no other source {named!r}.{hint}")
        own, by = [self._column(name, header) for header in value.key], value.by or value.key
        for header in (*by, str(value.value)):
            if header not in other.columns:
                raise self._mistake(
                    name,
                    f"{other.name} has no header {header!r}.{did_you_mean(header, other.columns)}",
                )
        return Lookup(
            table=f"bronze.{other.name}",
            key=_key(own),
            by=_key([quoted(column_of(header)) for header in by]),
            value=quoted(column_of(str(value.value))),
            column=column_of(f"{other.name} {value.value} by {' '.join(value.key)}"),
            reads=tuple(map(self._bronze, value.key)),
            found_in=column_of(str(value.value)),
        )

    def condition(self) -> tuple[str, tuple[str, ...]]:
        """SQL of whether a row speaks of the table, and the columns that it reads; empty for all.

        It is null where that can't be told. What a file lacks is an empty text.
        """
        return self._condition("where", self._declared.where)

    def gone(self) -> str:
        """SQL of whether a row says that its key is gone; empty for none."""
        return self._condition("gone", self._declared.gone)[0]

    def _condition(self, key: str, declared: str) -> tuple[str, tuple[str, ...]]:
        if not declared:
            return "", ()
        sql, read = self._expression(key, declared, condition=True)
        return f"TRY(({sql}\n))", read

    def writing(self, lookup: str | None = None) -> Writing:
        """How values are written in the files, or in those in which they are looked up."""
        written = self.shop.declared.sources[lookup or self.source.name]
        return Writing(
            written.decimal_mark,
            written.thousands,
            written.times,
            written.nulls,
            written.zone or self.shop.zone,
        )

    def _received(self, header: str) -> str:
        """A column as received, or filled from the lines above."""
        name = column_of(header)
        column = quoted(name)
        if header not in self.source.filled_down:
            return column
        above = f"{quoted(FILLED_DOWN)}[{ansi_literal(name)}]"
        return f"if(trim({column}) <> '', {column}, {above})"

    def _bronze(self, name: str) -> str:
        """The bronze column of a name by which the file may call it."""
        return column_of(name) if name in self.source.columns else name

    def _of_same_name(self, name: str) -> Value | None:
        return Value.model_validate(name) if name in self.source.columns else None

    def _column(self, key: str, header: str) -> str:
        if header in self._names:
            return self._names[header]
        hint = did_you_mean(header, self._names)
        if header == LINE_NUMBER:
            hint = " It takes `number_lines_within` of the source."
        raise self._mistake(key, f"the source has no header {header!r}.{hint}")

    def _expression(
        self, key: str, sql: str, *, condition: bool = False
    ) -> tuple[str, tuple[str, ...]]:
        try:
            written, names = self.writing(), self._names
            if condition:
                names = {name: f"coalesce({column}, '')" for name, column in names.items()}
            marks = written.decimal_mark, written.thousands
            found = row_expression(sql, names, marks=marks, condition=condition)
            return found.sql, tuple(map(self._bronze, found.names))
        except ValueError as error:
            raise self._mistake(key, str(error)) from None

    def _mistake(self, key: str, text: str) -> PipelineError:
        return self.shop.mistake_in(self._table, self.source.name, self._called.get(key, key), text)


def _key(columns: Sequence[str]) -> str:
    """The text of a key; null where a part is empty."""
    return _joined(columns) if len(columns) > 1 else f"nullif(trim({columns[0]}), '')"


def _joined(columns: Sequence[str]) -> str:
    """The text of several columns, so joined that different values have different texts."""
    texts = [f"trim({column})" for column in columns]
    escaped = [_replaced(_replaced(text, "\\", "\\\\"), BETWEEN_KEYS, f"\\{BETWEEN_KEYS}")
               for text in texts]  # fmt: skip
    complete = " AND ".join(f"{text} <> ''" for text in texts)
    return f"if({complete}, concat_ws({ansi_literal(BETWEEN_KEYS)}, {', '.join(escaped)}), NULL)"


def _replaced(text: str, old: str, new: str) -> str:
    return f"replace({text}, {ansi_literal(old)}, {ansi_literal(new)})"


def _described(value: Value | None) -> str:
    if value is None:
        return "not delivered"
    looked_up = (
        f"{value.value} of {value.lookup} by {' + '.join(value.key)}" if value.lookup else ""
    )
    said = value.sql or value.column or looked_up or " + ".join(value.columns or ())
    said = said or f"always {value.constant!r}"
    return f"{said}, {len(value.map)} values mapped" if value.map else said
