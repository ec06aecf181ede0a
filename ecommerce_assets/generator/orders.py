"""What happens in the shop: orders, and the items in them; amounts in whole cents."""

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True)
class Product:
    """A product as it is on every day; its price changes.

    Attributes:
        number: from 0 on.
        cost_percent: what the shop pays, percent of the price.
    """

    number: int
    name: str
    category: str
    subcategory: str
    brand: str
    cost_percent: int
    listed: datetime

    @property
    def product_id(self) -> str:
        """The key."""
        return f"P{self.number + 1:05d}"

    @property
    def sku(self) -> str:
        """The stock keeping unit."""
        return f"{self.category[:3].upper()}-{self.number + 1:05d}"


@dataclass(frozen=True)
class Item:
    """An item of an order.

    Attributes:
        position: in the order, from 1 on.
        price: of a piece, before `percent`.
        percent: discount on the item.
        total: quantity x price, less the discount.
        total_given: whether the shop writes the total down.
    """

    position: int
    product: Product
    quantity: int
    price: int
    percent: int
    total: int
    total_given: bool


@dataclass(frozen=True)
class Order:
    """An order.

    Attributes:
        number: from 1 on.
        customer: the customer's number, from 0 on.
        ordered: when, by the shop's clock.
        includes_tax: whether the other amounts include the tax.
        currency: of all amounts.
        country: of delivery, two letters.
        changed: when it got this status.
    """

    number: int
    customer: int
    ordered: datetime
    status: str
    payment_method: str
    subtotal: int
    tax: int
    shipping: int
    discount: int
    country: str
    city: str
    items: tuple[Item, ...]
    changed: datetime
    includes_tax: bool = False
    currency: str = "EUR"

    @property
    def total(self) -> int:
        """What the customer pays."""
        return self.subtotal + self.shipping - self.discount + self.tax * (not self.includes_tax)


@dataclass(frozen=True)
class Return:
    """Pieces of an item that came back.

    Attributes:
        changed: when, by the shop's clock.
        amount: the item's part of what was paid for them, in the terms of its price.
        paid_back: the amount with tax.
    """

    item: Item
    quantity: int
    reason: str
    changed: datetime
    amount: int
    paid_back: int


@dataclass(frozen=True)
class Rate:
    """What a currency is worth.

    Attributes:
        rate: EUR for one unit.
        changed: when it was set.
    """

    currency: str
    day: date
    rate: float
    changed: datetime


def money(cents: int) -> str:
    """An amount with two digits after the point."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"
