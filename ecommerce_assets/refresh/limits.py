"""Sizes at which a refresh, or the check of a key, switches to another method."""

from dataclasses import dataclass

ALWAYS_INCREMENT = -(10**12)  # for `finding_changes`: no table is small enough


@dataclass(frozen=True)
class Limits:
    """Sizes that affect how rows are computed, never the result.

    Attributes:
        finding_changes: finding out what changed, and replacing it, takes as long as reading this
            many rows: its further Spark jobs. With no more rows upstream than that and those of
            the changed files together, the whole table is recomputed.
        changed_keys: with more changed keys of an upstream table than this, the whole table is
            recomputed, which is then no slower.
        collected_keys: up to this many affected keys are collected to the driver, so that files
            without any of them are not read.
        listed_keys: up to this many affected keys are listed in a filter, which Iceberg compares
            with the bounds of each file; more are covered by ranges.
        key_ranges: the largest number of such ranges.
        large_table: a table with more rows is not sorted just to check its key.
    """

    finding_changes: int = 250_000
    changed_keys: int = 500_000
    collected_keys: int = 100_000
    listed_keys: int = 200
    key_ranges: int = 16
    large_table: int = 50_000


DEFAULT = Limits()


def default_limits() -> Limits:
    """The limits of a run."""
    return DEFAULT
