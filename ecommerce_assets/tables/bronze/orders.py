"""bronze.orders: orders as the shop delivered them."""

from ecommerce_assets.tables.bronze import bronze_table

TABLE = bronze_table(
    name="orders",
    description="An order as the shop delivered it.",
    required={
        "order_id": "Order number; the key.",
        "customer_id": "Customer who ordered.",
        "order_date": "When it was ordered.",
        "status": "Order status.",
        "total_amount": "What the customer pays, in EUR.",
    },
    optional={
        "payment_method": "How it is paid.",
        "subtotal": "Sum of the items, in EUR.",
        "tax_amount": "Tax, in EUR.",
        "shipping_amount": "Shipping, in EUR.",
        "discount_amount": "Discount on the whole order, in EUR; empty = 0.",
        "currency": "Currency; empty = EUR.",
        "shipping_country": "Country of delivery, two letters.",
        "shipping_city": "City of delivery.",
        "updated_at": "When the shop last changed the row.",
    },
)
