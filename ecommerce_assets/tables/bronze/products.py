"""bronze.products: products as the shop delivered them."""

from ecommerce_assets.tables.bronze import bronze_table

TABLE = bronze_table(
    name="products",
    description="A product as the shop delivered it.",
    required={
        "product_id": "Product number; the key.",
        "name": "Name.",
        "category": "Category.",
        "price": "Price in EUR.",
    },
    optional={
        "sku": "Stock keeping unit.",
        "description": "Description on the shop's page.",
        "subcategory": "Subcategory.",
        "brand": "Brand.",
        "cost": "What the shop pays, in EUR.",
        "stock_quantity": "Pieces in stock.",
        "is_active": "Whether it is on sale.",
        "created_at": "When it was listed.",
        "updated_at": "When the shop last changed the row.",
    },
)
