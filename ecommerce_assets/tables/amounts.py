"""Amounts made from quantities and prices: exact, from the digits received, rounded once, half up.

In a contract's columns, before prices and percents are rounded to what silver holds. The casts keep
each product within 38 digits, beyond which DuckDB fails.
"""

from ecommerce_assets.tables.types import MONEY, PERCENT, PRICE

EXACT = "_exact_"  # and a column's name: its value before it is rounded
# By type, the one of the exact values.
EXACT_TYPES = {
    str(PRICE): "DECIMAL(22, 8)", str(PERCENT): "DECIMAL(9, 6)", str(MONEY): "DECIMAL(18, 8)",
}  # fmt: skip
_GROSS = f"{EXACT}unit_price * quantity"
_PAID = "CAST((100 - {}) * CAST('0.01' AS DECIMAL(2, 2)) AS DECIMAL({}, {}))"
_EXACTLY_PAID = _PAID.format(f"{EXACT}discount_percent", 10, 8)
# How far an item's net amount may be off as silver's columns give it, in both engines, since they
# hold a rounded gross amount and two digits of a percentage; `unit` is the smallest one.
OFF_BY = "unit + gross_amount * 0.0001"


def net_of_gross(digits: int) -> str:
    """SQL of an item's net amount, to so many digits."""
    paid = _PAID.format("discount_percent", 6, 4)
    return f"(round(gross_amount * {paid}, {digits}) - discount_amount)"


def gross_amount(digits: int) -> str:
    """SQL of quantity x unit_price, to so many digits; null if one of them is."""
    return f"round({_GROSS}, {digits})"


def net_amount(digits: int) -> str:
    """SQL of quantity x unit_price less the discounts, to so many digits; null if any is."""
    paid = f"CAST({_GROSS} AS DECIMAL(28, 8)) * {_EXACTLY_PAID}"
    return f"round({paid}, {digits}) - discount_amount"
