"""Whether the amounts of samples add up: items to totals, pieces to the amounts of lines."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from ecommerce_assets.landing.source import column_of
from ecommerce_assets.model.shares import percent
from ecommerce_assets.shop.numbers import number_of
from ecommerce_assets.sql import ansi_literal
from ecommerce_assets.trial.guess import Draft
from ecommerce_assets.trial.samples import SIGNS, Column

MOST = 0.9  # of the orders, from which on amounts add up
A_FEW = 2  # rows that differ are a mistake of the shop
A_CENT = "0.011"
ADDED = (("discount_amount", "-"), ("shipping_amount", "+"), ("tax_amount", "+"))


@dataclass(frozen=True)
class Sum:
    """How totals come about.

    Attributes:
        items: how an item's amount is made: of its `pieces` and price, or of its `line`.
        with_: what is added or taken away, as columns of orders.
        share: the share of the orders of which it is true.
        orders: the number of orders that were compared.
        factor: by what the items' amounts are multiplied: 0.01 if they are cents, 100 if the
            totals are.
    """

    items: str
    with_: tuple[str, ...]
    share: float
    orders: int
    factor: str

    @property
    def adds_up(self) -> bool:
        """Whether it is true of nearly all orders."""
        return self.share >= MOST


def number(column: Column) -> str:
    """SQL of the number in a sample's column."""
    text = f'"{column_of(column.header)}"'
    if column.sign:
        text = f"regexp_replace({text}, {ansi_literal(f'[{SIGNS}]')}, '')"
    return f"({number_of(text, column.number or '.', column.thousands)})"


def rows_that_differ(items: Draft) -> tuple[int, int]:
    """The rows whose amount is not pieces times price, less the discount; and all rows."""
    quantity, price, amount = map(items.column, ("quantity", "unit_price", "line_total"))
    if not (quantity and price and amount):
        return 0, 0
    made = f"{number(quantity)} * {number(price)}"
    if discount := items.column("discount_percent"):
        whole = "1" if discount.fractions else "100"
        made += f" * (1 - coalesce({number(discount)}, 0) / {whole})"
    rows, alike = items.sample.connection.execute(
        f"SELECT count({number(amount)}), "
        f"coalesce(count_if(abs({made} - {number(amount)}) < {A_CENT}), 0) "
        f'FROM "{items.sample.name}"'
    ).fetchone() or (0, 0)
    return rows - alike, rows


def totals(orders: Draft, items: Draft) -> Sum | None:
    """What the orders' totals are made of; None if there are none, or no amounts of items."""
    of_item = dict(_amounts(items))
    added = [(name, sign) for name, sign in ADDED if orders.column(name)]
    joined = _orders_with_items(orders, items, of_item, [name for name, _ in added])
    if not joined:
        return None
    ways = [
        (name, tuple(one for one, taken in zip(added, chosen, strict=True) if taken), factor)
        for factor in ("1", "0.01", "100")
        for chosen in _choices(len(added))
        for name in of_item
    ]
    made = [
        f"{name} * {factor}{''.join(f' {sign} {other}' for other, sign in with_)}"
        for name, with_, factor in ways
    ]
    counts = ", ".join(f"coalesce(count_if(abs({sql} - total) < {A_CENT}), 0)" for sql in made)
    found = items.sample.connection.execute(f"SELECT count(*), {counts} FROM ({joined})").fetchone()
    rows, *numbers = found or (0,)
    if not rows:
        return None
    best = max(range(len(ways)), key=lambda n: (numbers[n], -len(ways[n][1])))
    name, with_, factor = ways[best]
    return Sum(name, tuple(n for n, _ in with_), numbers[best] / rows, rows, factor)


def _orders_with_items(
    orders: Draft, items: Draft, of_item: Mapping[str, str], added: Sequence[str]
) -> str:
    """The query of each order's total, what is added to it, and its items' amounts; empty if the
    samples lack one of them.
    """
    total, order, of_order = (
        orders.column("total_amount"),
        items.columns.get("order_id"),
        orders.key,
    )
    if not (total and of_item and order and of_order and len(of_order) == 1):
        return ""
    columns = [(name, orders.column(name)) for name in added]
    parts = "".join(
        f", coalesce(max({number(column)}), 0) AS {name}" for name, column in columns if column
    )
    sums = ", ".join(f"sum({sql}) AS {name}" for name, sql in of_item.items())
    return (
        f'WITH i AS (SELECT "{column_of(order)}" AS id, {sums} FROM "{items.sample.name}" '
        f'GROUP BY 1), o AS (SELECT "{column_of(of_order[0])}" AS id, max({number(total)}) AS total'
        f'{parts} FROM "{orders.sample.name}" GROUP BY 1) '
        "SELECT * FROM i JOIN o USING (id) WHERE total > 0"
    )


def _choices(length: int) -> Iterator[tuple[bool, ...]]:
    """All choices of so many things, those of few first."""
    yield from sorted(product([False, True], repeat=length), key=sum)


def _amounts(items: Draft) -> Iterator[tuple[str, str]]:
    """The ways in which an item's amount is known, and their SQL."""
    quantity, price, amount = map(items.column, ("quantity", "unit_price", "line_total"))
    if amount:
        yield "line", number(amount)
    if price:
        yield "pieces", f"{number(price)} * {number(quantity) if quantity else '1'}"


def described(found: Sum, orders: Draft) -> str:
    """What totals are made of, and how often."""
    total = orders.columns["total_amount"]
    signs = {"discount_amount": " less ", "shipping_amount": " plus ", "tax_amount": " plus "}
    made = "the items" + "".join(f"{signs[name]}{orders.columns[name]!r}" for name in found.with_)
    return f"{total!r} is {made} for {percent(found.share)} of {found.orders:,} orders"
