"""Random deliveries of tiny shops, full of awkward values; many shops side by side in one landing.

A world is a shop with keys of its own. Worlds share the tables, the dates and the runs, so one run
takes as many random histories a step further as there are worlds.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from ecommerce_assets_tests.shop import Shop

TABLES = ("customers", "products", "orders", "order_items", "returns", "exchange_rates")
DAYS = ("2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02")
ORDER_DATES = (
    "2024-01-30T23:59:59Z",
    "2024-01-31",
    "2024-02-01 00:30:00+02:00",
    "2024-02-29",
    "2023-12-31",
)
# Seven days before an order, and eight.
RATE_DATES = ("2023-12-23", "2023-12-24", "2024-01-23", "2024-01-24", "2024-01-31", "2024-02-21",
              "2024-02-22")  # fmt: skip
UPDATED = ("", "2024-01-01", "2024-02-01T00:00:00Z", "2024-02-01T00:00:00.000001Z", "2024-03-01")
Row = dict[str, str]


def _row(table: str, world: str, pick: random.Random, others: Sequence[str]) -> Row:
    """A row of a table: mostly valid, of few keys, so that keys meet again.

    Args:
        others: the currencies beside the shop's own.
    """
    other = pick.choice(others or ("SEK",))

    def key(kind: str, number: int) -> str:
        return f"{kind}{world}-{pick.randint(1, number)}"

    def odd(*values: str, usual: Sequence[str]) -> str:
        return pick.choice(values) if pick.random() < 0.08 else pick.choice(usual)

    updated_at = odd("yesterday", "9999-12-31", "1969-12-31", usual=UPDATED)
    if table == "customers":
        return {
            "customer_id": odd("", f"  C{world}-1 ", usual=[key("C", 3)]),
            "email": odd("nobody", "", usual=["Ann@Example.com", " bob@example.org"]),
            "country": odd("Germany", usual=["de", "FR"]),
            "city": pick.choice(["", "Köln", 'a "city", quoted', "two\nlines"]),
            "created_at": odd("", usual=["2023-05-01", "2023-05-01T12:00:00+01:00"]),
            "updated_at": updated_at,
        }
    if table == "products":
        return {
            "product_id": odd("", usual=[key("P", 3)]),
            "name": odd("", usual=["Lamp", "Chair"]),
            "category": odd("cars", usual=["home_garden", " TOYS"]),
            "price": odd("-1", "1e3", usual=["10", "9.995", "0"]),
            "role": odd("gift", usual=["", "goods", "Charge"]),
            "stock_quantity": odd("1.5", usual=["", "2.0"]),
            "updated_at": updated_at,
        }
    if table == "orders":
        return {
            "order_id": odd("", f" O{world}-1", usual=[key("O", 4)]),
            "customer_id": odd("", f"C{world}-unknown", usual=[key("C", 3)]),
            "order_date": odd("", "2024-02-30", "2025-02-03", usual=ORDER_DATES),
            "status": odd("lost", usual=["delivered", "Pending", "cancelled", "returned"]),
            "payment_method": odd("shells", usual=["", "paypal"]),
            "subtotal": odd("-5", usual=["", "20.00"]),
            "discount_amount": odd("x", usual=["", "0", "0.01", "3.33", "9999.99"]),
            "tax_amount": odd("-1", usual=["", "0", "3.33", "19.00", "50"]),
            "shipping_amount": odd("x", usual=["", "4.90"]),
            "tip_amount": odd("-1", usual=["", "1"]),
            "prices_include_tax": odd("perhaps", usual=["", "true", "false"]),
            "total_amount": odd("", usual=["20", "0"]),
            "currency": odd("USD", f"{other.lower()} ", usual=["", other]),
            "updated_at": updated_at,
        }
    if table == "returns":
        return {
            "return_id": odd("", usual=[key("R", 5)]),
            "order_id": odd("", f"O{world}-unknown", f"N{world}", usual=[key("O", 4)]),
            "order_item_id": odd(f"I{world}-unknown", usual=["", "", key("I", 7)]),
            "product_id": odd(f"P{world}-unknown", usual=["", key("P", 3)]),
            "customer_id": odd(f"C{world}-unknown", usual=["", key("C", 3)]),
            "returned_at": odd("", usual=ORDER_DATES),
            "quantity": odd("-1", usual=["", "1", "2"]),
            "unit_price": odd("x", usual=["", "", "3.335"]),
            "amount": odd("-5", usual=["", "", "3.33", "10"]),
            "tax_amount": odd("99", usual=["", "", "0.50"]),
            "refund_amount": odd("-5", usual=["", "", "5.00", "0"]),
            "currency": odd("USD", usual=["", "", other]),
            "reason": pick.choice(["", "damaged"]),
            "updated_at": updated_at,
        }
    if table == "exchange_rates":
        return {
            "rate_date": odd("", "2024-02-30", "2024-01-31T00:00", "1969-12-31", usual=RATE_DATES),
            "currency": odd("", other.lower(), "EUR", "pounds", "SEK", usual=[other]),
            "rate": odd("0", "-1", "x", "0.000000004", "1", usual=["1.16", "1.17345678", "0.5"]),
            "updated_at": updated_at,
        }
    return {
        "order_item_id": odd("", usual=[key("I", 7)]),
        "order_id": odd(f"O{world}-unknown", usual=[key("O", 4)]),
        "product_id": odd(f"P{world}-unknown", usual=[key("P", 3)]),
        "quantity": odd("0", "1.5", "3000000000", usual=["1", "2", "3.0"]),
        "unit_price": odd("-1", "9999999999.99", usual=["0", "10.00", "3.3349"]),
        "discount_percent": odd("101", usual=["", "0", "12.5", "100"]),
        "discount_amount": odd("x", usual=["", "", "0.50", "11"]),
        "tax_rate": odd("120", usual=["", "", "19", "7.00", "0"]),
        "tax_amount": odd("-1", usual=["", "", "1.50"]),
        "line_total": odd("-1", "1", "7.4996", usual=["", "10.00", "0"]),
        "updated_at": updated_at,
    }


@dataclass
class Worlds:
    """What the worlds have delivered, by table and day, and the shop that it lands in."""

    shop: Shop
    worlds: int
    others: Sequence[str] = ("PLN",)
    rows: dict[tuple[str, str], dict[str, list[Row]]] = field(default_factory=dict)

    does: ClassVar[tuple[str, ...]] = (
        "add", "add", "add", "change", "remove", "empty", "nothing", "move",
    )  # fmt: skip

    def deliver(self, table: str, day: str, seed: int) -> None:
        """Every world does something to one delivery: adds to it, corrects it, empties it."""
        delivery = self.rows.setdefault((table, day), {})
        # Rates are those of all worlds; so that some are missing, one delivers them.
        for number in range(1 if table == "exchange_rates" else self.worlds):
            world = str(number)
            pick = random.Random(f"{seed}-{table}-{day}-{world}")
            rows = delivery.setdefault(world, [])
            what = pick.choice(self.does)
            if what == "add" or not rows:
                rows += [self._row(table, world, pick) for _ in range(pick.randint(1, 4))]
            elif what == "change":
                place = pick.randrange(len(rows))
                name = pick.choice(list(rows[place]))
                rows[place] = {**rows[place], name: self._row(table, world, pick)[name]}
            elif what == "remove":
                rows.pop(pick.randrange(len(rows)))
            elif what == "empty":
                rows.clear()
            elif what == "move":
                other = self.rows.setdefault((table, pick.choice(DAYS)), {})
                other.setdefault(world, []).append(rows.pop())
        for (name, when), parts in self.rows.items():
            if name == table:
                self._land(table, when, [row for part in parts.values() for row in part])

    def _row(self, table: str, world: str, pick: random.Random) -> Row:
        return _row(table, world, pick, self.others)

    def _land(self, table: str, day: str, rows: list[Row]) -> None:
        if rows:
            self.shop.deliver_exactly(table, rows, day=day)
        else:
            self.shop.file(table, day).write_text("")
