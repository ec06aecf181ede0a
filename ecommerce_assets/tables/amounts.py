"""Amounts made from quantities and prices: exact, rounded once, half up."""

# Spark SQL of quantity x unit_price less the discount, to the cent; null if any of them is. The
# share that is paid is cast to its five digits, since Spark would round a product of more than 38
# digits a first time.
NET_AMOUNT = (
    "round(quantity * unit_price * cast((100 - discount_percent) * cast('0.01' as decimal(2,2)) "
    "as decimal(5,4)), 2)"
)
GROSS_AMOUNT = "quantity * unit_price"
