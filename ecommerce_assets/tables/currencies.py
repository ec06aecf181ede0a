"""Money of several currencies: each amount in its currency's smallest unit, and converted.

An order keeps its currency. Its amounts are rounded to that currency's smallest unit, and converted
at the rate of its business day, each of them once, half up.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ecommerce_assets.engine.queries import Query, query
from ecommerce_assets.engine.relation import Relation
from ecommerce_assets.model.dependency import DependencyMapping, by_match
from ecommerce_assets.model.table import Table
from ecommerce_assets.shop import Shop
from ecommerce_assets.shop.model import digits_of
from ecommerce_assets.sql import ansi_literal
from ecommerce_assets.tables.star import thousandths
from ecommerce_assets.tables.types import MONEY, MONEY_SUM, RATE, ColumnType, with_types

RATES = "gold.dim_exchange_rate"
DAYS_VALID = 7  # of a rate, after its day
AS_RECEIVED = ColumnType("DECIMAL(18, 8)")  # of the same range as MONEY
_UNIT = "DECIMAL(4, 3)"
_OF_MONEY = re.compile(r"DECIMAL\s*\(\s*18\s*,\s*2\s*\)", re.IGNORECASE)  # MONEY_SUM
# Columns of silver.orders and silver.order_items.
AMOUNTS = (
    "subtotal", "tax_amount", "shipping_amount", "discount_amount", "tip_amount", "total_amount",
    "gross_amount", "line_total",
)  # fmt: skip


@dataclass(frozen=True)
class Currencies:
    """The currencies of a shop, as its queries see them.

    Attributes:
        own: the reporting currency.
        others: those that orders may have beside it.
    """

    own: str
    others: tuple[str, ...] = ()

    @property
    def are_of_two_digits(self) -> bool:
        """Whether the smallest unit of all of them is a hundredth."""
        return all(digits_of(one) == 2 for one in (self.own, *self.others))

    @property
    def digits(self) -> int:
        """The digits of the reporting currency's smallest unit after the point."""
        return digits_of(self.own)

    @property
    def scale(self) -> int:
        """The digits after the point of all amounts in gold."""
        return max(2, *(digits_of(one) for one in (self.own, *self.others)))

    @property
    def kind(self) -> ColumnType:
        """The type of all amounts in gold; with room for the largest one at the highest rate."""
        return ColumnType(f"DECIMAL({16 + self.scale}, {self.scale})")

    def received(self, kind: ColumnType) -> ColumnType:
        """The type of amounts in silver, of columns declared to be of a type.

        An item does not know its currency, so where a smallest unit is no hundredth, silver keeps
        all digits, and gold rounds.
        """
        is_amount = str(kind) == str(MONEY)
        return AS_RECEIVED if is_amount and not self.are_of_two_digits else kind

    @property
    def received_digits(self) -> int:
        """The digits after the point of amounts in silver."""
        return 2 if self.are_of_two_digits else 8

    @property
    def upstream(self) -> tuple[str, ...]:
        """The table of the rates, for facts; none of a shop of one currency."""
        return (RATES,) if self.others else ()

    def on(self, *through: str) -> Mapping[str, DependencyMapping]:
        """How changed rates map to orders: by the tables whose rows have a currency and a day."""
        same = {"currency": "currency", "date": "business_date"}
        return {name: by_match("order_id", dict.fromkeys(through, same)) for name in self.upstream}

    def units(self, currency: str) -> str:
        """SQL of the columns that say in which units a row's amounts are counted.

        `per_unit`, how many of them make 1, and `unit`.
        """
        counts = self._by_digits(currency, {d: str(10**d) for d in (0, 2, 3)})
        sizes = {d: f"CAST({10**-d:.{d}f} AS {_UNIT})" for d in (0, 2, 3)}
        return f"{counts} AS per_unit, {self._by_digits(currency, sizes)} AS unit"

    def rounded_or_exact(self, amount: str, currency: str) -> str:
        """SQL of an amount as its row can tell it: rounded, or with the most digits of a currency.

        Args:
            currency: SQL of the row's; may be null.
        """
        exact = f"CAST(round({amount}, {self.scale}) AS {self.kind})"
        return (
            f"CASE WHEN {currency} IS NULL THEN {exact} ELSE {self.rounded(amount, currency)} END"
        )

    def rounded(self, amount: str, currency: str) -> str:
        """SQL of an amount as received, rounded half up to its currency's smallest unit."""
        if self.are_of_two_digits:
            return f"CAST({amount} AS {self.kind})"
        return self._by_digits(
            currency, {d: f"CAST(round({amount}, {d}) AS {self.kind})" for d in (0, 2, 3)}
        )

    def all_rounded(self, currency: str, amounts: Mapping[str, str]) -> str:
        """SQL of a row's amounts as received, each rounded as by `rounded`.

        Args:
            amounts: by the SQL of an amount, the name of its column.
        """
        found = (f"{self.rounded(sql, currency)} AS {name}" for sql, name in amounts.items())
        return ", ".join(found)

    def joined(self, currency: str, day: str, rates: str = RATES) -> str:
        """SQL of the join with a day's `rates`, as `x`; empty for a shop of one currency."""
        if not self.others:
            return ""
        return f"LEFT JOIN {rates} AS x ON x.currency = {currency} AND x.date = {day}"

    def rates(self, tables: Mapping[str, Relation]) -> dict[str, Relation]:
        """The daily rates among the tables of a run, by the name `rates`; none of one currency."""
        # A broadcast would be another Spark job.
        return {"rates": tables[RATES].joined_by("shuffle_hash")} if self.others else {}

    def rate(self, currency: str) -> str:
        """SQL of the rate and its day; null where it is not known, its day of the own currency."""
        one = f"CAST(1 AS {RATE})"
        if not self.others:
            return f"{one} AS exchange_rate, CAST(NULL AS DATE) AS rate_date"
        own = f"{currency} = {ansi_literal(self.own)}"
        return (
            f"CASE WHEN {own} THEN {one} ELSE x.exchange_rate END AS exchange_rate, "
            f"CASE WHEN {own} THEN NULL ELSE x.rate_date END AS rate_date"
        )

    def converted(self, amount: str) -> str:
        """SQL of an amount in the reporting currency, by the row's exchange_rate."""
        if not self.others:
            return f"CAST({amount} AS {self.kind})"
        wide = f"CAST({amount} AS DECIMAL(19, {self.scale}))"
        return f"CAST(round({wide} * exchange_rate, {self.digits}) AS {self.kind})"

    def in_smallest_units(self, *, orders: Relation, items: Relation) -> dict[str, Relation]:
        """Orders and items with their amounts as the facts have them, by `orders` and `items`.

        Items have their order's smallest unit as well, as `unit`.
        """
        if self.are_of_two_digits:
            with_unit = f"SELECT *, CAST(0.01 AS {_UNIT}) AS unit FROM items"
            return {"orders": orders, "items": query(with_unit, items=items)}
        of_orders, of_items = [
            ", ".join(
                f"{self.rounded(f'{row}.{name}', 'o.currency')} AS {name}"
                if name in AMOUNTS
                else f"{row}.{name}"
                for name in rows.columns
            )
            for row, rows in (("o", orders), ("i", items))
        ]
        joined = "items AS i LEFT JOIN orders AS o ON o.order_id = i.order_id"
        return {
            "orders": query(f"SELECT {of_orders} FROM orders AS o", orders=orders),
            "items": query(
                f"SELECT {of_items}, {self.units('o.currency')} FROM {joined}",
                items=items,
                orders=orders,
            ),
        }

    def _by_digits(self, currency: str, sql: Mapping[int, str]) -> str:
        """SQL that differs by the digits of a currency."""
        by_digits: dict[int, list[str]] = {}
        for one in (self.own, *self.others):
            by_digits.setdefault(digits_of(one), []).append(one)
        if len(by_digits) == 1:
            return sql[next(iter(by_digits))]
        *cases, last = sorted(by_digits.items(), key=lambda found: len(found[1]))
        whens = " ".join(
            f"WHEN {currency} IN ({', '.join(map(ansi_literal, ones))}) THEN {sql[digits]}"
            for digits, ones in cases
        )
        return f"CASE {whens} ELSE {sql[last[0]]} END"


def currencies_of(shop: Shop) -> Currencies:
    """The currencies of a shop."""
    own, *others = shop.currencies
    return Currencies(own, tuple(others))


def in_scale(table: Table, currencies: Currencies) -> Table:
    """A table of gold with room for the digits of the currencies in its amounts."""
    if table.layer != "gold" or str(currencies.kind) == str(MONEY_SUM):
        return table
    schema = with_types(
        table.schema, lambda kind: currencies.kind if str(kind) == str(MONEY_SUM) else kind
    )

    def scaled(given: object) -> Any:
        if not isinstance(given, Query):
            return given
        return replace(given, sql=_OF_MONEY.sub(str(currencies.kind), given.sql))

    prepared = {name: scaled(prepare) for name, prepare in table.prepare.items()}
    return replace(table, schema=schema, transform=scaled(table.transform), prepare=prepared)


def part_of(amount: str, part: str, whole: str) -> str:
    """SQL of `amount x part / whole` in whole units of the row, rounded once, half up.

    Args:
        amount, part, whole: SQL of numbers of at most three digits, none of them negative; the
            whole is not 0.
    """
    below = f"{thousandths(whole)} * 1000"
    product = f"2 * {thousandths(amount)} * {thousandths(part)} * CAST(per_unit AS HUGEINT)"
    units = f"CAST(({product} + {below}) // (2 * {below}) AS DECIMAL(28, 0))"
    return f"CAST({units} * unit AS {MONEY_SUM})"


def money_of(units: str) -> str:
    """SQL of whole units of the row as money; 0 of null."""
    return f"CAST(coalesce({units}, 0) * unit AS {MONEY_SUM})"
