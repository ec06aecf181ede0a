"""Which rows of a table a run recomputes, and how.

A table declares a strategy. Given the upstream changes since the published snapshot, its planner
returns `Nothing`, `Rows` that replace others, or `Whole`, which is always correct. The
transformation is the same for a part of the table and for the whole.
"""
