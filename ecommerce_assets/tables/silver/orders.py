"""silver.orders: the current, clean row of each order."""

import pandera.pyspark as pa

from ecommerce_assets.tables.contract import (
    COUNTRY,
    ORDER_STATUSES,
    PAYMENT_METHODS,
    optional,
    required,
)
from ecommerce_assets.tables.silver import silver_table
from ecommerce_assets.tables.types import MONEY, TEXT, TIMESTAMP


class Orders(pa.DataFrameModel):
    """One row per order."""

    order_id: TEXT = required("Order number; the key.")
    customer_id: TEXT = required("Customer who ordered.")
    order_date: TIMESTAMP = required("Time of the order, UTC.")
    status: TEXT = required("Order status.", case="lower", isin=ORDER_STATUSES)
    payment_method: TEXT = optional("How it is paid.", case="lower", isin=PAYMENT_METHODS)
    subtotal: MONEY = optional("Sum of the items, EUR.", ge=0)
    tax_amount: MONEY = optional("Tax, EUR.", ge=0)
    shipping_amount: MONEY = optional("Shipping, EUR.", ge=0)
    discount_amount: MONEY = optional("Discount on the whole order, EUR.", default="0", ge=0)
    total_amount: MONEY = required("Amount paid by the customer, EUR.", ge=0)
    currency: TEXT = optional("Currency.", case="upper", default="EUR", isin=["EUR"])
    shipping_country: TEXT = optional("Country of delivery, ISO 3166 two letters.", case="upper",
                                      str_matches=COUNTRY, reason="not two letters")  # fmt: skip
    shipping_city: TEXT = optional("City of delivery.")
    updated_at: TIMESTAMP = optional("When the shop last changed the row, UTC.")

    class Config:
        unique = "order_id"


TABLE = silver_table(
    name="orders",
    model=Orders,
    partitioned_by=("months(order_date)",),
    parent="customer_id",
    value="total_amount",
)
