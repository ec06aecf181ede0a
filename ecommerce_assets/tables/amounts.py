"""Amounts made from quantities and prices: exact, rounded once, half up.

The SQL is that of DuckDB and of Spark alike: the casts keep each product within 38 digits, beyond
which DuckDB fails and Spark rounds a first time.
"""

# Quantity x unit_price, four digits; null if either is.
GROSS_AMOUNT = "CAST(CAST(unit_price AS DECIMAL(24, 4)) * quantity AS DECIMAL(28, 4))"
_PAID = "CAST((100 - discount_percent) * CAST('0.01' AS DECIMAL(2, 2)) AS DECIMAL(6, 4))"
# That less the discount, to the cent; null if any of them is.
NET_AMOUNT = f"round({GROSS_AMOUNT} * {_PAID}, 2)"
