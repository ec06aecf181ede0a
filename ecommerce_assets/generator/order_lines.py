"""Exports with one file, a line an item of an order."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import ClassVar
from zoneinfo import ZoneInfo

from ecommerce_assets.generator.delivery import Deliveries, File
from ecommerce_assets.generator.form import Form, Person
from ecommerce_assets.generator.orders import Item, Order, Product, Return, money
from ecommerce_assets.generator.people import customer_id
from ecommerce_assets.shop import Shop

GUEST_EVERY = 20  # so many orders have one without a customer


@dataclass(frozen=True)
class Line:
    """A line of an order, for the columns of a form.

    Attributes:
        person: None for a guest.
        sign: -1 in a credit note.
        back: what of the order came back.
    """

    order: Order
    item: Item
    person: Person | None
    zone: str
    sign: int = 1
    back: Return | None = None

    @property
    def pieces_back(self) -> int:
        """The pieces of the line that came back."""
        return self.back.quantity if self.back and self.back.item == self.item else 0


class OrderLines(Form):
    """One file, a line an item, with what it says of the order and the customer."""

    columns: ClassVar[Mapping[str, Callable[[Line], str]]]
    numbers: ClassVar[tuple[str, ...]] = ()  # headers whose decimal mark is the source's
    broken: ClassVar[Mapping[str, tuple[str, str]]]
    first_line_only: ClassVar[tuple[str, ...]] = ()

    def __init__(self, shop: Shop) -> None:
        (source,) = shop.sources
        self._zone, self._source = shop.zone, source.name
        self._decimal_mark = shop.declared.sources[source.name].decimal_mark
        required = {name for name, needed in source.columns.items() if needed}
        assert required <= self.columns.keys() <= source.columns.keys()
        self.files = {
            source.name: File(
                source.folder, tuple(self.columns), self.broken, source.dialect, together=True
            )
        }

    def ordered(
        self, to: Deliveries, day: date, order: Order, person: Person, changes: date
    ) -> None:
        """The order's lines; late or again only before they come with another status."""
        self._put(to, day, order, person, before=changes)

    def changed(self, to: Deliveries, day: date, order: Order, person: Person) -> None:
        """The order's lines again; where lines have no status, a credit note for what came back."""
        self._put(to, day, order, person)

    def returned(
        self, to: Deliveries, day: date, order: Order, back: Return, person: Person
    ) -> None:
        """The order's lines once more, with what came back."""
        self._put(to, day, order, person, back=back)

    def product(
        self, to: Deliveries, day: date, product: Product, price: int, stock: int, *, plain: bool
    ) -> None:
        """Nothing: lines say of a product what their order needs."""

    def customer(self, to: Deliveries, day: date, row: list[str]) -> None:
        """Nothing: lines say of a customer what their order needs."""

    def _put(
        self,
        to: Deliveries,
        day: date,
        order: Order,
        person: Person,
        *,
        sign: int = 1,
        back: Return | None = None,
        before: date | None = None,
    ) -> None:
        named = None if order.number % GUEST_EVERY == 0 else person
        rows = []
        for item in order.items:
            line = Line(order, item, named, self._zone, sign, back)
            rows.append(
                [
                    ""
                    if name in self.first_line_only and item.position > 1
                    else self._number(text(line))
                    if name in self.numbers
                    else text(line)
                    for name, text in self.columns.items()
                ]
            )
        to.put(self._source, day, *rows, before=before)

    def _number(self, text: str) -> str:
        return text.replace(".", self._decimal_mark)


def _paid(line: Line) -> str:
    if line.order.status == "pending":
        return "pending"
    if line.back:
        return "refunded" if line.back.paid_back == line.order.total else "partially_refunded"
    return {"cancelled": "voided", "returned": "refunded"}.get(line.order.status, "paid")


def _refunded(line: Line) -> str:
    if line.back:
        return money(line.back.paid_back)
    return money(line.order.total if line.order.status == "returned" else 0)


def _email(line: Line) -> str:
    return line.person[0] if line.person else ""


def _local(line: Line, moment: datetime) -> str:
    return moment.replace(tzinfo=ZoneInfo(line.zone)).strftime("%Y-%m-%d %H:%M:%S %z")


class Shopify(OrderLines):
    """Shopify's export of orders: the order's fields stand on its first row only."""

    discounts_items = False
    includes_tax = True
    whole_orders = True
    columns = {
        "Name": lambda line: f"#{line.order.number + 1000}",
        "Email": _email,
        "Financial Status": _paid,
        "Currency": lambda _: "EUR",
        "Subtotal": lambda line: money(line.order.subtotal - line.order.discount),
        "Shipping": lambda line: money(line.order.shipping),
        "Taxes": lambda line: money(line.order.tax),
        "Total": lambda line: money(line.order.total),
        "Discount Amount": lambda line: money(line.order.discount),
        "Shipping Method": lambda _: "Standard",
        "Created at": lambda line: _local(line, line.order.ordered),
        "Lineitem quantity": lambda line: str(line.item.quantity),
        "Lineitem name": lambda line: line.item.product.name,
        "Lineitem price": lambda line: money(line.item.price),
        "Lineitem sku": lambda line: line.item.product.sku,
        "Shipping City": lambda line: line.order.city,
        "Shipping Country": lambda line: line.order.country,
        "Billing Country": lambda line: line.order.country if line.person else "",
        "Cancelled at": lambda line: (
            _local(line, line.order.changed) if line.order.status == "cancelled" else ""
        ),
        "Payment Method": lambda line: line.order.payment_method,
        "Refunded Amount": _refunded,
        "Vendor": lambda line: line.item.product.brand,
    }
    first_line_only = (
        "Email", "Financial Status", "Currency", "Subtotal", "Shipping", "Taxes", "Total",
        "Discount Amount", "Shipping Method", "Created at", "Shipping City", "Shipping Country",
        "Billing Country", "Cancelled at", "Payment Method", "Refunded Amount",
    )  # fmt: skip
    broken = {
        "invalid_price": ("Lineitem price", "n/a"),
        "zero_quantity": ("Lineitem quantity", "0"),
        "fractional_quantity": ("Lineitem quantity", "1.5"),
    }


class WooCommerce(OrderLines):
    """WooCommerce's orders by Advanced Order Export: the order's fields stand in each row."""

    whole_orders = True
    discounts_items = False
    columns = {
        "Order Number": lambda line: str(line.order.number),
        "Order Status": lambda line: {
            "pending": "Pending payment", "confirmed": "Processing", "shipped": "Completed",
            "delivered": "Completed", "cancelled": "Cancelled", "returned": "Refunded",
        }[line.order.status],
        "Order Date": lambda line: line.order.ordered.strftime("%Y-%m-%d %H:%M"),
        "First Name (Billing)": lambda line: line.person[1] if line.person else "",
        "Last Name (Billing)": lambda line: line.person[2] if line.person else "",
        "Country Code (Billing)": lambda line: line.order.country if line.person else "",
        "Email (Billing)": _email,
        "Phone (Billing)": lambda line: line.person[3] if line.person else "",
        "City (Shipping)": lambda line: line.order.city,
        "Country Code (Shipping)": lambda line: line.order.country,
        "Payment Method Title": lambda line: line.order.payment_method,
        "Cart Discount Amount": lambda line: money(line.order.discount),
        "Order Subtotal Amount": lambda line: money(line.order.subtotal),
        "Order Shipping Amount": lambda line: money(line.order.shipping),
        "Order Total Amount": lambda line: money(line.order.total),
        "Order Total Tax Amount": lambda line: money(line.order.tax),
        "SKU": lambda line: line.item.product.sku,
        "Item #": lambda line: str(line.item.position),
        "Item Name": lambda line: line.item.product.name,
        "Quantity": lambda line: str(line.item.quantity),
        "Quantity (- Refund)": lambda line: str(line.item.quantity - line.pieces_back),
        "Modification Date": lambda line: (
            (line.back.changed if line.back else line.order.changed).strftime("%Y-%m-%d %H:%M")
        ),
        "Item Cost": lambda line: money(line.item.price),
    }  # fmt: skip
    broken = {
        "invalid_price": ("Item Cost", "n/a"),
        "invalid_order_date": ("Order Date", "2024-13-45"),
        "unknown_status": ("Order Status", "Misplaced"),
        "missing_item_number": ("Item #", ""),
    }


class Invoices(OrderLines):
    """A form of invoices: without a status, so what comes back is a credit note."""

    discounts_orders = False

    def changed(self, to: Deliveries, day: date, order: Order, person: Person) -> None:
        """A credit note, if the order was cancelled or returned."""
        if order.status in ("cancelled", "returned"):
            note = replace(order, ordered=order.changed)
            self._put(to, day, note, person, sign=-1)

    def returned(
        self, to: Deliveries, day: date, order: Order, back: Return, person: Person
    ) -> None:
        """A credit note of the pieces that came back."""
        item = replace(back.item, quantity=back.quantity, total=back.amount, total_given=True)
        note = replace(order, items=(item,), ordered=back.changed)
        self._put(to, day, note, person, sign=-1)


class InvoiceLines(Invoices):
    """Invoice lines of a wholesaler; credit notes have a number that begins with C."""

    discounts_items = False
    columns = {
        "InvoiceNo": lambda line: f"{'C' if line.sign < 0 else ''}{line.order.number + 500_000}",
        "StockCode": lambda line: line.item.product.sku,
        "Description": lambda line: line.item.product.name,
        "Quantity": lambda line: str(line.sign * line.item.quantity),
        "InvoiceDate": lambda line: line.order.ordered.strftime("%Y-%m-%dT%H:%M:%S"),
        "UnitPrice": lambda line: money(line.item.price),
        "CustomerID": lambda line: str(line.order.customer + 12_000) if line.person else "",
        "Country": lambda line: line.order.country,
    }
    broken = {
        "invalid_price": ("UnitPrice", "n/a"),
        "negative_price": ("UnitPrice", "-1.00"),
        "missing_product": ("StockCode", ""),
        "invalid_date": ("InvoiceDate", "2024-13-45"),
    }


class Erp(Invoices):
    """Document lines of a European ERP; credit notes are documents of another kind."""

    columns = {
        "Belegnr": lambda line: f"{'G' if line.sign < 0 else 'R'}{line.order.number:07d}",
        "Position": lambda line: str(line.item.position),
        "Belegdatum": lambda line: line.order.ordered.strftime("%d.%m.%Y %H:%M"),
        "Belegart": lambda line: "Gutschrift" if line.sign < 0 else "Rechnung",
        "Kundennr": lambda line: customer_id(line.order.customer),
        "Kunde": lambda line: line.person[2] if line.person else "-",
        "Ort": lambda line: line.order.city,
        "Land": lambda line: {
            "DE": "Deutschland", "AT": "Österreich", "FR": "Frankreich",
        }.get(line.order.country, line.order.country),
        "Artikelnr": lambda line: line.item.product.product_id,
        "Bezeichnung": lambda line: line.item.product.name,
        "Warengruppe": lambda line: line.item.product.category,
        "Menge": lambda line: str(line.sign * line.item.quantity),
        "Einzelpreis": lambda line: money(line.item.price),
        "Rabatt %": lambda line: str(line.item.percent),
        "Betrag": lambda line: money(line.sign * line.item.total) if line.item.total_given else "-",
    }  # fmt: skip
    numbers = ("Menge", "Einzelpreis", "Rabatt %", "Betrag")
    broken = {
        "invalid_price": ("Einzelpreis", "9.99"),
        "invalid_date": ("Belegdatum", "2024-01-31"),
        "missing_product": ("Artikelnr", ""),
    }


LINES: dict[str, type[OrderLines]] = {
    "shopify": Shopify, "woocommerce": WooCommerce, "invoice_lines": InvoiceLines, "erp": Erp,
}  # fmt: skip
