"""Realistic defects, and what the pipeline has to do with the row.

Defects that fail a run (a missing required column, a file that is not UTF-8) are left out, since
they would fail every run of the data.
"""

from collections.abc import Iterable, Mapping
from itertools import cycle

# Kind -> column and the value it gets; the row goes to quarantine.
QUARANTINED: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "customers": {
        "missing_email": ("email", ""),
        "invalid_email": ("email", "not an address"),
        "invalid_country": ("country", "Germany"),
        "missing_country": ("country", "  "),
        "invalid_created_at": ("created_at", "31.12.2023 10:00"),
    },
    "products": {
        "missing_name": ("name", ""),
        "unknown_category": ("category", "gadgets"),
        "negative_price": ("price", "-4.99"),
        "invalid_price": ("price", "4,99"),
        "fractional_stock": ("stock_quantity", "2.5"),
        "invalid_flag": ("is_active", "maybe"),
    },
    "orders": {
        "missing_customer": ("customer_id", ""),
        "invalid_order_date": ("order_date", "2024-13-45"),
        "unknown_status": ("status", "misplaced"),
        "unknown_payment_method": ("payment_method", "barter"),
        "negative_total": ("total_amount", "-1.00"),
        "invalid_total": ("total_amount", "n/a"),
        "foreign_currency": ("currency", "USD"),
        "invalid_shipping_country": ("shipping_country", "DEU"),
    },
    "order_items": {
        "missing_product": ("product_id", ""),
        "zero_quantity": ("quantity", "0"),
        "fractional_quantity": ("quantity", "1.5"),
        "negative_unit_price": ("unit_price", "-9.99"),
        "discount_above_100": ("discount_percent", "120"),
        "invalid_line_total": ("line_total", "free"),
    },
    "returns": {
        "missing_order": ("order_id", ""),
        "negative_quantity": ("quantity", "-1"),
        "invalid_returned_at": ("returned_at", "yesterday"),
        "negative_amount": ("amount", "-9.99"),
    },
    "exchange_rates": {
        "rate_of_zero": ("rate", "0"),
        "negative_rate": ("rate", "-0.23"),
        "invalid_rate_date": ("rate_date", "2024-02-30"),
    },
}
# The row is valid; surplus data is kept in `_rescued_data`.
TOO_MANY_FIELDS = "too_many_fields"
UNKNOWN_COLUMN = "unknown_column"


def kinds(quarantined: Iterable[str]) -> "cycle[str]":
    """A file's row defects in an endless cycle.

    Args:
        quarantined: the kinds whose rows go to quarantine.
    """
    return cycle([*quarantined, TOO_MANY_FIELDS])
