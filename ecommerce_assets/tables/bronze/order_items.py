"""bronze.order_items: order items as the shop delivered them."""

from ecommerce_assets.tables.bronze import bronze_table

TABLE = bronze_table(
    name="order_items",
    description="An order item as the shop delivered it.",
    required={
        "order_item_id": "Item number; the key.",
        "order_id": "Order it belongs to.",
        "product_id": "Product ordered.",
        "quantity": "Pieces.",
        "unit_price": "Price of a piece, in EUR.",
    },
    optional={
        "discount_percent": "Discount on the item, 0 to 100; empty = 0.",
        "line_total": "Net amount of the item, in EUR; empty = computed.",
        "updated_at": "When the shop last changed the row.",
    },
)
