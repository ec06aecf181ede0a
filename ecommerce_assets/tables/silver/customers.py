"""silver.customers: the current, clean row of each customer."""

import pandera.pandas as pa

from ecommerce_assets.model.table import Table
from ecommerce_assets.shop import Shop
from ecommerce_assets.tables.contract import COUNTRY, EMAIL, essential, optional, required
from ecommerce_assets.tables.silver import silver_tables
from ecommerce_assets.tables.types import TEXT, TIMESTAMP


class Customers(pa.DataFrameModel):
    """One row per customer."""

    customer_id: TEXT = essential("Customer number; the key.")
    email: TEXT = required("E-mail address, lower case.", case="lower", str_matches=EMAIL,
                           reason="not an e-mail address", personal=True)  # fmt: skip
    first_name: TEXT = optional("First name.", personal=True)
    last_name: TEXT = optional("Last name.", personal=True)
    phone: TEXT = optional("Phone number.", personal=True)
    country: TEXT = required("Country, ISO 3166 two letters.", case="upper", str_matches=COUNTRY,
                             reason="not two letters")  # fmt: skip
    city: TEXT = optional("City.", personal=True)
    address: TEXT = optional("Street and number.", personal=True)
    created_at: TIMESTAMP = required("When the account was opened, UTC.")
    updated_at: TIMESTAMP = optional("When the shop last changed the row, UTC.")

    class Config:
        unique = "customer_id"


def tables_of_shop(shop: Shop) -> tuple[Table, ...]:
    """silver.customers and its quarantine."""
    return silver_tables(shop, name="customers", model=Customers)
