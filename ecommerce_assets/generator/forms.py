"""The forms of the shop's exports: four files, as the default shop has them, or one of order lines.

A form is named like the shop file that reads it, from which it takes how the files are written.
"""

from datetime import date, datetime

from ecommerce_assets.errors import PipelineError, did_you_mean
from ecommerce_assets.generator import defects
from ecommerce_assets.generator.catalogue import COLUMNS
from ecommerce_assets.generator.delivery import Deliveries, File
from ecommerce_assets.generator.form import Form, Person
from ecommerce_assets.generator.order_lines import LINES
from ecommerce_assets.generator.orders import Order, Product, Rate, Return, money
from ecommerce_assets.generator.people import customer_id, timestamp
from ecommerce_assets.shop import shipped_shops

DEFAULT = "default"
ONCE_A_DAY = "exchange_rates"  # a rate comes again on another day alone


def form_of(name: str) -> Form:
    """The form that a shipped shop file reads.

    Raises:
        PipelineError: there is none of this name.
    """
    if name == DEFAULT:
        return FourFiles()
    if name not in LINES:
        known = [DEFAULT, *LINES]
        raise PipelineError(
            f"--shop is {name!r}; the generator writes the forms {', '.join(known)}."
            f"{did_you_mean(name, known)}"
        )
    return LINES[name](shipped_shops()[name])


def all_names() -> set[str]:
    """The names of the files and folders of every form."""
    forms = [form_of(name) for name in (DEFAULT, *LINES)]
    files = [(name, file.folder) for form in forms for name, file in form.files.items()]
    return {name for names in files for name in names}


class FourFiles(Form):
    """A file for each of customers, products, orders and order items."""

    names_customers = False
    has_rates = True

    def __init__(self) -> None:
        self.files = {
            table: File(
                table, tuple(columns), defects.QUARANTINED[table], together=table == ONCE_A_DAY
            )
            for table, columns in COLUMNS.items()
        }

    def ordered(
        self, to: Deliveries, day: date, order: Order, person: Person, changes: date
    ) -> None:
        """An order and its items."""
        stamp = timestamp(order.ordered)
        for item in order.items:
            row = [
                f"{_order_id(order)}-{item.position}", _order_id(order), item.product.product_id,
                str(item.quantity), money(item.price), str(item.percent) if item.percent else "",
                money(item.total) if item.total_given else "", stamp,
            ]  # fmt: skip
            to.put("order_items", day, row)
        self.changed(to, day, order, person)

    def changed(self, to: Deliveries, day: date, order: Order, person: Person) -> None:
        """The order's row."""
        row = [
            _order_id(order), customer_id(order.customer), timestamp(order.ordered), order.status,
            order.payment_method, money(order.subtotal), money(order.tax), money(order.shipping),
            money(order.discount) if order.discount else "", money(order.total), order.currency,
            order.country, order.city, timestamp(order.changed),
        ]  # fmt: skip
        to.put("orders", day, row)

    def returned(
        self, to: Deliveries, day: date, order: Order, back: Return, person: Person
    ) -> None:
        """The return's row; every other one names its amount."""
        stamp = timestamp(back.changed)
        row = [
            f"R{order.number:09d}-{back.item.position}", _order_id(order),
            f"{_order_id(order)}-{back.item.position}", back.item.product.product_id,
            str(back.quantity), "" if order.number % 2 else money(back.amount), stamp, back.reason,
            stamp,
        ]  # fmt: skip
        to.put("returns", day, row)

    def product(
        self, to: Deliveries, day: date, product: Product, price: int, stock: int, *, plain: bool
    ) -> None:
        """A product's row."""
        changed = datetime.combine(day, datetime.min.time()).replace(hour=3)
        row = [
            product.product_id, product.sku, product.name,
            f'{product.name}, from the "{product.subcategory}" range', product.category,
            product.subcategory, product.brand, money(price),
            money(price * product.cost_percent // 100), str(stock), "true",
            timestamp(product.listed), timestamp(changed),
        ]  # fmt: skip
        to.put("products", day, row, plain=plain)

    def customer(self, to: Deliveries, day: date, row: list[str]) -> None:
        """A customer's row."""
        to.put("customers", day, row)

    def rate(self, to: Deliveries, day: date, rate: Rate) -> None:
        """A rate's row."""
        row = [rate.day.isoformat(), rate.currency, f"{rate.rate:.6f}", timestamp(rate.changed)]
        to.put("exchange_rates", day, row)


def _order_id(order: Order) -> str:
    return f"O{order.number:09d}"
