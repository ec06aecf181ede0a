"""silver.returns: the current, clean row of each return."""

import pandera.pandas as pa

from ecommerce_assets.model.table import Table
from ecommerce_assets.shop import Shop
from ecommerce_assets.tables.amounts import gross_amount
from ecommerce_assets.tables.casting import day_in
from ecommerce_assets.tables.contract import (
    CrossFieldRule,
    currencies,
    essential,
    given,
    optional,
    required,
)
from ecommerce_assets.tables.currencies import currencies_of
from ecommerce_assets.tables.silver import silver_tables
from ecommerce_assets.tables.star import GUEST, WHOLE_ORDER
from ecommerce_assets.tables.types import DATE, MONEY, PRICE, TEXT, TIMESTAMP, WHOLE


class Returns(pa.DataFrameModel):
    """One row per return of an item, of a product or of an amount."""

    return_id: TEXT = essential("Return number; the key.")
    order_id: TEXT = essential(
        "Order it belongs to; the number of the credit note, where that names no order."
    )
    order_item_id: TEXT = optional("Item that came back.")
    product_id: TEXT = optional(
        f"Product that came back; `{WHOLE_ORDER}` where only an amount is known.",
        default=WHOLE_ORDER,
    )
    customer_id: TEXT = optional(
        f"Customer, for a return whose order is not known; `{GUEST}` without one.", default=GUEST
    )
    returned_at: TIMESTAMP = essential("When it came back, UTC.")
    business_date: DATE = required(
        "Day of the return; if empty in the source: the day of returned_at in the shop's time zone."
    )
    quantity: WHOLE = optional("Pieces.", ge=1)
    unit_price: PRICE = optional("Price of a piece, in its currency.", ge=0)
    amount: MONEY = optional(
        "What came back, in the terms of the order's prices and in its currency; if empty "
        "in the source: quantity x unit_price, from the digits received, rounded half up. Null: "
        "the share of the pieces in what was sold.",
        ge=0,
    )
    tax_amount: MONEY = optional("Tax on the amount, in its currency.", ge=0)
    refund_amount: MONEY = optional(
        "What was paid back, tax and shipping included, in its currency.", ge=0
    )
    currency: TEXT = optional(
        "Currency of its amounts; if empty, the order's.", case="upper", words=currencies
    )
    reason: TEXT = optional("Why it came back.")
    updated_at: TIMESTAMP = optional("When the shop last changed the row, UTC.")

    class Config:
        unique = "return_id"


def tables_of_shop(shop: Shop) -> tuple[Table, ...]:
    """silver.returns and its quarantine."""
    return silver_tables(
        shop,
        name="returns",
        model=Returns,
        computed={
            "business_date": day_in(shop.zone, "returned_at"),
            "amount": gross_amount(currencies_of(shop).received_digits),
        },
        parent="order_id",
        value="amount",
        rules=(
            CrossFieldRule(
                "quantity, amount and refund_amount: one of them is needed",
                " AND ".join(
                    f"NOT {given(name)}" for name in ("quantity", "amount", "refund_amount")
                ),
            ),
            CrossFieldRule(
                "quantity x unit_price: out of range",
                "quantity IS NOT NULL AND unit_price IS NOT NULL AND amount IS NULL",
            ),
            CrossFieldRule(
                "tax_amount: more than the amount", "tax_amount > amount AND amount >= 0"
            ),
        ),
    )
