"""silver.orders: the current, clean row of each order."""

import pandera.pandas as pa

from ecommerce_assets.model.table import Table
from ecommerce_assets.shop import Shop
from ecommerce_assets.tables.casting import day_in
from ecommerce_assets.tables.contract import (
    COUNTRY,
    currencies,
    essential,
    essential_or,
    optional,
    payment_methods,
    prices_include_tax,
    required,
    shop_currency,
    statuses,
)
from ecommerce_assets.tables.silver import silver_tables
from ecommerce_assets.tables.star import GUEST
from ecommerce_assets.tables.types import DATE, FLAG, MONEY, TEXT, TIMESTAMP


class Orders(pa.DataFrameModel):
    """One row per order."""

    order_id: TEXT = essential("Order number; the key.")
    customer_id: TEXT = essential_or(GUEST, f"Customer who ordered; `{GUEST}` without one.")
    order_date: TIMESTAMP = essential("Time of the order, UTC.")
    business_date: DATE = required(
        "Day of the order; if empty in the source: the day of order_date in the shop's time zone."
    )
    status: TEXT = essential("Order status.", case="lower", words=statuses)
    payment_method: TEXT = optional("How it is paid.", case="lower", words=payment_methods)
    subtotal: MONEY = optional("Sum of the items, in its currency.", ge=0)
    tax_amount: MONEY = optional("Tax, in its currency.", ge=0)
    shipping_amount: MONEY = optional("Shipping, in its currency.", ge=0)
    discount_amount: MONEY = optional(
        "Discount on the whole order, in its currency.", default="0", ge=0
    )
    tip_amount: MONEY = optional("Tip, in its currency.", default="0", ge=0)
    prices_include_tax: FLAG = optional(
        "Whether prices, discount and shipping include tax.", default=prices_include_tax
    )
    total_amount: MONEY = required("Amount paid by the customer, in its currency.", ge=0)
    currency: TEXT = optional(
        "Currency of its amounts.", case="upper", default=shop_currency, words=currencies
    )
    shipping_country: TEXT = optional("Country of delivery, ISO 3166 two letters.", case="upper",
                                      str_matches=COUNTRY, reason="not two letters")  # fmt: skip
    shipping_city: TEXT = optional("City of delivery.", personal=True)
    updated_at: TIMESTAMP = optional("When the shop last changed the row, UTC.")

    class Config:
        unique = "order_id"


def tables_of_shop(shop: Shop) -> tuple[Table, ...]:
    """silver.orders and its quarantine."""
    return silver_tables(
        shop,
        name="orders",
        model=Orders,
        partitioned_by=("months(order_date)",),
        computed={"business_date": day_in(shop.zone, "order_date")},
        parent="customer_id",
        value="total_amount",
    )
