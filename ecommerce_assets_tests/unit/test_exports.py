"""`ecommerce shop propose` on what ten shop systems export: their headers, with made-up rows.

The headers are those that the systems document. Many columns are empty in every row, as they are in
any real export.
"""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.tables.personal import without_address
from ecommerce_assets.trial.propose import propose

EXPORTS = Path(__file__).with_name("exports")
LINES = "_line_number"
# By export: keys of orders and items, and some columns by table.
FOUND: dict[str, dict[str, Any]] = {
    "shopify.csv": {
        "orders": {"key": "Name", "customer_id": {"sql": without_address("Email")}, "order_date": "Created at", "status": "Financial Status"},
        "order_items": {"key": ["Name", LINES], "product_id": "Lineitem sku", "quantity": "Lineitem quantity", "unit_price": "Lineitem price"},
        "products": {"key": "Lineitem sku", "name": "Lineitem name"},
        "customers": {"email": "Email", "last_name": None},  # `Name` is the order's number
    },
    "squarespace.csv": {
        "orders": {"key": "Order ID", "order_date": "Created at", "total_amount": "Total"},
        "order_items": {"key": ["Order ID", LINES], "unit_price": "Lineitem price"},
    },
    "etsy.csv": {
        "orders": {"key": "Order ID", "customer_id": "Buyer", "order_date": "Sale Date"},
        "order_items": {"key": "Transaction ID", "product_id": "Listing ID", "quantity": "Quantity", "unit_price": "Price"},
    },
    "square.csv": {
        "orders": {"key": "Transaction ID", "order_date": "Date"},
        "order_items": {"key": ["Transaction ID", "Item"], "product_id": "Item", "quantity": "Qty", "line_total": "Net Sales"},
    },
    "amazon.txt": {
        "orders": {"key": "amazon-order-id", "order_date": "purchase-date", "status": "order-status", "shipping_country": "ship-country"},
        "order_items": {"product_id": "sku", "quantity": "quantity", "unit_price": "item-price"},
    },
    "woocommerce.csv": {
        "orders": {"key": "Order Number", "customer_id": {"sql": without_address("Email (Billing)")}, "order_date": "Order Date", "total_amount": "Order Total Amount"},
        "order_items": {"key": ["Order Number", "Item #"], "product_id": "SKU", "unit_price": "Item Cost"},
    },
    "ebay.csv": {
        "orders": {"key": "Order Number", "customer_id": "Buyer Username", "order_date": "Sale Date", "total_amount": "Total Price"},
        "order_items": {"key": "Sales Record Number", "product_id": "Item Number", "unit_price": "Sold For"},
    },
    "wix.csv": {
        "orders": {"key": "Order number", "customer_id": {"sql": without_address("Contact email")}, "order_date": "Date created", "status": "Payment status"},
        "order_items": {"key": ["Order number", "Item"], "product_id": "Item", "quantity": "Qty", "unit_price": "Price"},
    },
    "bigcommerce.csv": {
        "orders": {"key": "Order ID", "customer_id": "Customer ID", "order_date": "Order Date", "total_amount": "Order Total (inc tax)"},
        "order_items": {"product_id": "Product ID", "quantity": "Product Qty", "unit_price": "Product Unit Price"},
    },
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_a_draft_of_an_export(name: str) -> None:
    draft = tomllib.loads(propose([EXPORTS / name]))["tables"]
    for table, columns in FOUND[name].items():
        assert {column: draft[table].get(column) for column in columns} == columns, table
    if customer := draft["orders"].get("customer_id"):
        customers = draft["customers"]
        assert customers.get("customer_id", customers.get("key")) == customer


def test_an_export_without_items_is_refused_by_its_headers() -> None:
    with pytest.raises(PipelineError, match=r"no file looks like orders with their items.*Bill-to"):
        propose([EXPORTS / "magento.csv"])


def test_every_export_is_tried() -> None:
    assert {file.name for file in EXPORTS.iterdir()} == {*FOUND, "magento.csv"}


def test_columns_without_any_value(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text("order_id,sku,quantity,unit_price,order_date,a,b\nO1,S1,1,2.00,2024-01-01,,\n")
    assert "order_items" in tomllib.loads(propose([file]))["tables"]
