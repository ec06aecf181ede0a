"""Amounts made from quantities and prices: exact, rounded once, half up."""

from pyspark.sql import Column
from pyspark.sql import functions as F


def net_amount(quantity: Column, unit_price: Column, discount_percent: Column) -> Column:
    """quantity x unit_price less the discount, to the cent; null if any of them is.

    The share that is paid is cast to its five digits, since Spark would round a product of more
    than 38 digits a first time.
    """
    hundredth = F.lit("0.01").cast("decimal(2,2)")
    paid = ((F.lit(100) - discount_percent) * hundredth).cast("decimal(5,4)")
    return F.round(quantity * unit_price * paid, 2)
