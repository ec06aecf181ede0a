"""bronze.customers: customers as the shop delivered them."""

from ecommerce_assets.tables.bronze import bronze_table

TABLE = bronze_table(
    name="customers",
    description="A customer as the shop delivered it.",
    required={
        "customer_id": "Customer number; the key.",
        "email": "E-mail address.",
        "country": "Country, two letters.",
        "created_at": "When the account was opened.",
    },
    optional={
        "first_name": "First name.",
        "last_name": "Last name.",
        "phone": "Phone number.",
        "city": "City.",
        "address": "Street and number.",
        "updated_at": "When the shop last changed the row.",
    },
)
