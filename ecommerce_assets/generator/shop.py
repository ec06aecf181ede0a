"""The shop's days: who orders what, when, at which price; determined by one seed.

Days are streamed. Customers are functions of their number, and only prices are stored, so memory
does not grow with the number of orders.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from random import Random

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.generator.catalogue import (
    BRANDS,
    CATEGORIES,
    LINES,
    PAYMENT_METHODS,
    PAYMENT_WEIGHTS,
    PRICES,
    RATES,
    REASON_WEIGHTS,
    REASONS,
)
from ecommerce_assets.generator.delivery import MANIFEST, Deliveries
from ecommerce_assets.generator.form import Form, Person
from ecommerce_assets.generator.forms import DEFAULT, all_names, form_of
from ecommerce_assets.generator.orders import Item, Order, Product, Rate, Return
from ecommerce_assets.generator.people import country_of, customer_row, pools

WEEKDAYS = (1.10, 1.0, 0.95, 0.95, 1.0, 0.9, 1.15)
HOURS = (2, 1, 1, 1, 1, 2, 4, 6, 8, 9, 10, 10, 11, 10, 9, 9, 10, 11, 13, 15, 16, 14, 9, 5)
ITEM_WEIGHTS = (35, 30, 18, 10, 7)
POPULARITY = 1.4  # 1 would sell all products equally; here the best seller has a few percent
HEAVY_EVERY = 5  # every fifth customer is one of the 20 % ...
HEAVY_SHARE = 0.8  # ... who make 80 % of the orders
RETURNED = 0.08  # share of the orders delivered of which something comes back
EDITED = 0.04  # share of the orders that lose an item, where they come again as a whole
CORRECTED = 0.04  # share of the exchange rates that come again on the next working day
DAYS_OF_RATES = 7  # before the first day
OLD_CUSTOMERS = 0.6  # share of customers from before the first day


@dataclass(frozen=True)
class Options:
    """What to generate; shares are of rows, 0 to 1.

    Attributes:
        records: orders.
        customers, products: numbers of each; None derives them from the orders.
        more_days: days of each continuation; `records` are the orders of the days before.
        shop: the shipped shop file in whose form the deliveries are.
    """

    records: int
    start_date: date
    days: int = 30
    customers: int | None = None
    products: int | None = None
    seed: int = 42
    late: float = 0.0
    duplicates: float = 0.0
    defects: float = 0.0
    flat: bool = False
    more_days: tuple[int, ...] = ()
    shop: str = DEFAULT

    @property
    def all_days(self) -> int:
        """Days of deliveries, continuations included."""
        return self.days + sum(self.more_days)

    @property
    def lasts(self) -> list[date]:
        """The last day of the first generation and of each continuation."""
        before = accumulate((self.days, *self.more_days))
        return [self.start_date + timedelta(days=days - 1) for days in before]


def generate(output: Path, options: Options, progress: Callable[[int], object]) -> Path:
    """Write the deliveries and their manifest; returns the manifest's path.

    Args:
        output: folder for the tables.
        progress: receives the number of new orders.

    Raises:
        PipelineError: a count below one, an unknown shop, or other files in `output`.
    """
    for name in ("records", "days", "customers", "products"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise PipelineError(f"--{name} is {value}; it must be 1 or more")
    form = form_of(options.shop)
    deliveries = Deliveries(
        output,
        form.files,
        all_names(),
        flat=options.flat,
        first=options.start_date,
        lasts=options.lasts,
        late=options.late,
        duplicates=options.duplicates,
        row_defects=options.defects,
    )
    shop = _Shop(options, form, deliveries)
    for number, orders in enumerate(_orders_a_day(options)):
        day = options.start_date + timedelta(days=number)
        shop.open(number, day)
        for _ in range(orders):
            shop.order(day)
        progress(orders)
        deliveries.close_day(day)
    return deliveries.close({**asdict(options), "start_date": options.start_date.isoformat()})


def continued(output: Path, days: int, progress: Callable[[int], object]) -> Path:
    """Add days to the deliveries in `output`, by their own options; the files there stay as is.

    Raises:
        PipelineError: there is no manifest of the landing layout, or `days` is below one.
    """
    try:
        written = json.loads((output / MANIFEST).read_text("utf-8"))["options"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PipelineError(
            f"{output} has no {MANIFEST} that can be read: --more-days continues what `ecommerce "
            "generate` wrote"
        ) from error
    if written is None:
        raise PipelineError(f"{output} was not generated to the end: generate it again")
    if written["flat"]:
        raise PipelineError(f"{output} has one file per table: --more-days needs a folder per day")
    if days < 1:
        raise PipelineError(f"--more-days is {days}; it must be 1 or more")
    options = Options(
        **written
        | {
            "start_date": date.fromisoformat(written["start_date"]),
            "more_days": (*written.get("more_days", ()), days),
        }
    )
    return generate(output, options, progress)


def _orders_a_day(options: Options) -> list[int]:
    """Orders by day, following weekday and season.

    Those of the first generation add up to `records`; its continuations go on at the same rate.
    """
    weights = []
    for number in range(options.all_days):
        day = options.start_date + timedelta(days=number)
        weights.append(WEEKDAYS[day.weekday()] * _season(day))
    total, drawn, below = sum(weights[: options.days]), 0, 0.0
    orders = []
    for weight in weights:
        below += weight
        upto = round(options.records * below / total)
        orders.append(upto - drawn)
        drawn = upto
    return orders


def _season(day: date) -> float:
    """Seasonal factor: the Black Friday weekend, December, a quiet summer."""
    november = date(day.year, 11, 1)
    first_thursday = november + timedelta(days=(3 - november.weekday()) % 7)
    black_friday = first_thursday + timedelta(days=22)
    if black_friday <= day <= black_friday + timedelta(days=3):
        return 3.0
    if day.month == 12:
        return 1.8 if day.day <= 20 else 1.1
    return 0.85 if day.month in (7, 8) else 1.0


class _Shop:
    """State kept between days: prices, customers, the next order number."""

    def __init__(self, options: Options, form: Form, deliveries: Deliveries) -> None:
        self._seed = options.seed
        self._days = options.days
        self._start = options.start_date
        self._form, self._deliveries = form, deliveries
        self._random = Random(options.seed)
        self._pools = pools(options.seed)
        self._customers = options.customers or max(100, options.records // 5)
        self._products = options.products or max(80, min(2000, options.records // 50))
        self._active = 0
        self._next_order = 1
        self._sold: list[Product] = []
        self._prices: list[int] = []
        self._ranking = self._random.sample(range(self._products), self._products)

    def open(self, number: int, day: date) -> None:
        """Deliver the changes since the day before: products, prices, customers, addresses."""
        if number == 0:
            for product in range(self._products):
                self._sold.append(self._product(product))
                category = CATEGORIES[product % len(CATEGORIES)]
                low, high = category.cheapest * 100, category.dearest * 100
                self._prices.append(
                    low + int((high - low) * self._random.random() ** 3) // 10 * 10 + 9
                )
                self._deliver_product(product, day)
        else:
            for product in self._random.sample(range(self._products), max(1, self._products // 50)):
                change = self._random.choice((0.8, 0.9, 0.95, 1.05, 1.1))
                self._prices[product] = max(99, int(self._prices[product] * change))
                self._deliver_product(product, day, plain=True)
        self._welcome(number, day)
        if self._form.has_rates:
            self._deliver_rates(number, day)

    def _deliver_rates(self, number: int, day: date) -> None:
        """Deliver the rates of a working day; on the first day, of the week before as well."""
        before = [day - timedelta(days=n) for n in range(DAYS_OF_RATES, 0, -1)]
        for currency in RATES:
            for one in before if number == 0 else ():
                self._deliver_rate(day, self._rate(currency, one, corrected=True))
            self._deliver_rate(day, self._rate(currency, day))
            last = day - timedelta(days=3 if day.weekday() == 0 else 1)
            right = self._rate(currency, last, corrected=True)
            if last >= self._start and day.weekday() < 5 and right != self._rate(currency, last):
                self._deliver_rate(day, right)

    def _deliver_rate(self, day: date, rate: Rate) -> None:
        if rate.day.weekday() < 5:
            self._form.rate(self._deliveries, day, rate)

    def _rate(self, currency: str, day: date, *, corrected: bool = False) -> Rate:
        """A day's rate: within 3 % of the first one. Some are wrong until they are corrected."""
        fixed = Random(f"{self._seed} {currency} {day}")
        rate = round(RATES[currency] * (1 + (fixed.random() - 0.5) * 0.06), 6)
        changed = datetime.combine(day, datetime.min.time()).replace(hour=16)
        if fixed.random() < CORRECTED:
            if corrected:
                return Rate(currency, day, rate, changed + timedelta(hours=17))
            rate = round(rate * 1.01, 6)
        return Rate(currency, day, rate, changed)

    def _product(self, number: int) -> Product:
        fixed = Random(self._seed * 7919 + number)
        category = CATEGORIES[number % len(CATEGORIES)]
        kind = fixed.choice(list(category.subcategories))
        brand = fixed.choice(BRANDS)
        name = f"{brand} {fixed.choice(LINES)} {fixed.choice(category.subcategories[kind])}"
        cost_percent = fixed.randint(45, 75)
        listed = datetime(self._start.year - 1, fixed.randint(1, 12), fixed.randint(1, 28))
        return Product(number, name, category.name, kind, brand, cost_percent, listed)

    def _deliver_product(self, product: int, day: date, *, plain: bool = False) -> None:
        sold, price = self._sold[product], self._prices[product]
        stock = self._random.randint(0, 500)
        self._form.product(self._deliveries, day, sold, price, stock, plain=plain)

    def _welcome(self, number: int, day: date) -> None:
        known = self._active
        grown = OLD_CUSTOMERS + (1 - OLD_CUSTOMERS) * (number + 1) / self._days
        self._active = max(1, round(self._customers * grown))
        for customer in range(known, self._active):
            opened = self._moment(day)
            if number == 0:
                opened -= timedelta(days=customer % 700 + 1)
            self._deliver_customer(customer, day, opened, 0, opened)
        for _ in range(known // 200):
            customer = self._random.randrange(known)
            opened = datetime.combine(self._start, datetime.min.time()) - timedelta(days=1)
            self._deliver_customer(customer, day, opened, number, self._moment(day))

    def _deliver_customer(
        self, customer: int, day: date, created: datetime, moves: int, updated: datetime
    ) -> None:
        pool = self._pools[country_of(customer, self._seed).code]
        row = customer_row(customer, self._seed, pool, created, moves, updated)
        self._form.customer(self._deliveries, day, row)

    def order(self, day: date) -> None:
        """Deliver one order with its items, and its later changes."""
        random = self._random
        customer = self._buyer()
        country = country_of(customer, self._seed)
        number = self._next_order
        self._next_order += 1
        ordered = self._moment(day)
        currency = country.currency if self._form.has_rates else "EUR"
        prices = PRICES.get(currency, 1)
        items = tuple(self._items(prices))
        subtotal = sum(item.total for item in items)
        discount = 0
        if random.random() < 0.08:
            discount = min(subtotal, random.choice((500 * prices, 1000 * prices, subtotal // 10)))
            discount *= self._form.discounts_orders
        shipping = 0 if subtotal >= 5000 * prices else 490 * prices
        tax = self._tax(subtotal - discount, shipping, country.tax_percent)
        city = random.choice(self._pools[country.code].cities)
        status = random.choice(("pending", "confirmed"))
        payment_method = random.choices(PAYMENT_METHODS, PAYMENT_WEIGHTS)[0]
        order = Order(
            number, customer, ordered, status, payment_method, subtotal, tax, shipping, discount,
            country.code, city, items, ordered, self._form.includes_tax, currency,
        )  # fmt: skip
        outcome = random.random()
        status = (
            "delivered" if outcome < 0.82 else "shipped" if outcome < 0.87
            else "cancelled" if outcome < 0.94 else "returned"
        )  # fmt: skip
        later = day + timedelta(days=random.randint(1, 6))
        person = self._person(customer, ordered)
        self._form.ordered(self._deliveries, day, order, person, later)
        updated = replace(order, status=status, changed=self._moment(later))
        if self._form.whole_orders and Random(f"{self._seed} edit {number}").random() < EDITED:
            updated = self._edited(updated, country.tax_percent)
        self._form.changed(self._deliveries, later, updated, person)
        if status == "delivered":
            self._return(later, updated, person)

    def _edited(self, order: Order, tax_percent: int) -> Order:
        """An order without its last item, if it has several."""
        items = order.items[:-1]
        if not items:
            return order
        subtotal = sum(item.total for item in items)
        discount = min(order.discount, subtotal)
        tax = self._tax(subtotal - discount, order.shipping, tax_percent)
        return replace(order, items=items, subtotal=subtotal, discount=discount, tax=tax)

    def _tax(self, paid: int, shipping: int, percent: int) -> int:
        """The tax of what is paid for items; where prices include it, of shipping as well."""
        taxed, whole = paid, 100
        if self._form.includes_tax:
            taxed, whole = paid + shipping, whole + percent
        return (2 * taxed * percent + whole) // (2 * whole)

    def _return(self, delivered: date, order: Order, person: Person) -> None:
        """Deliver what comes back of an order: of some, pieces of an item."""
        fixed = Random(f"{self._seed} return {order.number}")
        if fixed.random() >= RETURNED:
            return
        item = fixed.choice(order.items)
        quantity = fixed.randint(1, item.quantity)
        paid = item.total - (order.discount * item.total // order.subtotal if order.subtotal else 0)
        amount = paid * quantity // item.quantity
        taxed = order.subtotal - order.discount
        tax = order.tax * amount // taxed if taxed and not order.includes_tax else 0
        day = delivered + timedelta(days=fixed.randint(2, 20))
        moment = datetime(day.year, day.month, day.day, fixed.randint(8, 18), fixed.randrange(60))
        reason = fixed.choices(REASONS, REASON_WEIGHTS)[0]
        back = Return(item, quantity, reason, moment, amount, amount + tax)
        self._form.returned(self._deliveries, day, order, back, person)

    def _items(self, prices: int) -> Iterator[Item]:
        """The items of an order.

        Args:
            prices: what a price of 1 EUR is in the order's currency.
        """
        random = self._random
        for position in range(1, random.choices((1, 2, 3, 4, 5), ITEM_WEIGHTS)[0] + 1):
            product = self._ranking[int(self._products * random.random() ** POPULARITY)]
            price = self._prices[product] * prices
            quantity = 1 if random.random() < 0.75 else random.randint(2, 4)
            percent = random.choice((5, 10, 15, 20)) if random.random() < 0.12 else 0
            if not self._form.discounts_items:
                price, percent = (2 * price * (100 - percent) + 100) // 200, 0
            total = (2 * quantity * price * (100 - percent) + 100) // 200
            total_given = random.random() >= 0.1
            yield Item(position, self._sold[product], quantity, price, percent, total, total_given)

    def _person(self, customer: int, day: datetime) -> Person:
        """What a file of order lines says of a customer."""
        if not self._form.names_customers:
            return ("", "", "", "")
        pool = self._pools[country_of(customer, self._seed).code]
        row = customer_row(customer, self._seed, pool, day, 0, day)
        return (row[1], row[2], row[3], row[4])

    def _buyer(self) -> int:
        heavy = (self._active + HEAVY_EVERY - 1) // HEAVY_EVERY
        if self._random.random() < HEAVY_SHARE:
            return self._random.randrange(heavy) * HEAVY_EVERY
        customer = self._random.randrange(self._active)
        return (
            customer
            if customer % HEAVY_EVERY or self._active < 2
            else (customer + 1) % self._active
        )

    def _moment(self, day: date) -> datetime:
        hour = self._random.choices(range(24), HOURS)[0]
        second = self._random.randrange(3600)
        return datetime(day.year, day.month, day.day, hour, second // 60, second % 60)
