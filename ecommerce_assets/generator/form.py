"""What is delivered of the things that happen in the shop."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import date
from typing import ClassVar

from ecommerce_assets.generator.delivery import Deliveries, File
from ecommerce_assets.generator.orders import Order, Product, Rate, Return

# Parts of an order's customer: e-mail, first name, last name, phone.
Person = tuple[str, str, str, str]


class Form(ABC):
    """The form of the shop's exports.

    Attributes:
        files: by name, the files of a day.
        discounts_items, discounts_orders: whether there is a place for such discounts; otherwise
            items have reduced prices, and orders no discount.
        names_customers: whether an order says who its customer is.
        includes_tax: whether prices, discounts and shipping include tax.
        has_rates: whether orders may have several currencies, whose rates are delivered.
        whole_orders: whether an order that changed comes again as a whole; some lose an item then.
    """

    files: Mapping[str, File]
    discounts_items: ClassVar[bool] = True
    discounts_orders: ClassVar[bool] = True
    names_customers: ClassVar[bool] = True
    includes_tax: ClassVar[bool] = False
    whole_orders: ClassVar[bool] = False
    has_rates: ClassVar[bool] = False

    @abstractmethod
    def ordered(
        self, to: Deliveries, day: date, order: Order, person: Person, changes: date
    ) -> None:
        """Deliver a new order, whose status changes on a later day."""

    @abstractmethod
    def changed(self, to: Deliveries, day: date, order: Order, person: Person) -> None:
        """Deliver an order that got another status."""

    @abstractmethod
    def returned(
        self, to: Deliveries, day: date, order: Order, back: Return, person: Person
    ) -> None:
        """Deliver pieces of an order that came back, where there is a place for it."""

    @abstractmethod
    def product(
        self, to: Deliveries, day: date, product: Product, price: int, stock: int, *, plain: bool
    ) -> None:
        """Deliver a new or changed product, where there is a place for it."""

    @abstractmethod
    def customer(self, to: Deliveries, day: date, row: list[str]) -> None:
        """Deliver a new or changed customer, where there is a place for it."""

    def rate(self, to: Deliveries, day: date, rate: Rate) -> None:  # noqa: B027
        """Deliver an exchange rate, where there is a place for it."""
