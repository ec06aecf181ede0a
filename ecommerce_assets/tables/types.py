"""Types of the columns, named by what they hold."""

from collections.abc import Mapping

from pyspark.sql import types as T

TEXT = T.StringType()
FLAG = T.BooleanType()
DATE = T.DateType()
TIMESTAMP = T.TimestampType()
WHOLE = T.IntegerType()
COUNT = T.LongType()
KEY = T.LongType()
PERCENT = T.DecimalType(5, 2)
MONEY = T.DecimalType(12, 2)
PRICE = T.DecimalType(18, 4)  # of a piece; an amount made from it is rounded once
MONEY_SUM = T.DecimalType(18, 2)
SHARE = T.DecimalType(9, 6)
REASONS = T.ArrayType(T.StringType())
TEXTS = T.MapType(T.StringType(), T.StringType())


def struct_of(kinds: Mapping[str, T.DataType]) -> T.StructType:
    """The schema of columns of these types, in order."""
    return T.StructType([T.StructField(name, kind) for name, kind in kinds.items()])
