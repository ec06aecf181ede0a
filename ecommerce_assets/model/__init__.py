"""What a table is: its declaration, a value. Nothing here looks at rows or at a lakehouse.

A strategy says how a table is refreshed; `refresh/` has a planner for each. Audits are made in
`tables/audits/`.
"""

import sys

# Where pyspark is installed, pandera imports its pandas on Spark, which takes as long as pandera
# itself and which nothing here uses. None says that there is no such module.
_UNUSED = "pyspark.pandas"
if _UNUSED not in sys.modules:
    sys.modules[_UNUSED] = None  # type: ignore[assignment]
    try:
        import pandera.pandas
        import pandera.typing.pyspark  # noqa: F401
    finally:
        del sys.modules[_UNUSED]
