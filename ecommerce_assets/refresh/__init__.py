"""What a run of a table has to recompute, and how.

A table declares a strategy. From what changed upstream since the published snapshot was written,
the strategy decides on `Nothing`, on `Rows` to write in place of others, or on the `Whole` table,
which is always right. The transformation is the same for a part and for the whole.
"""
