"""The sizes at which a refresh, or the check of a key, takes another way to the same rows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Sizes that decide how rows are computed, never which.

    Attributes:
        changed_keys: from so many changed keys of an upstream table on, the whole table is
            recomputed: that costs no more.
        collected_keys: up to so many affected keys are collected to the driver, so that files
            which hold none of them are not read.
        listed_keys: up to so many affected keys are listed in a filter, which Iceberg compares
            with the bounds of each file; more are given as ranges.
        key_ranges: how many ranges those are at most.
        large_table: a table of more rows is not sorted by its key only to check the key.
    """

    changed_keys: int = 500_000
    collected_keys: int = 100_000
    listed_keys: int = 200
    key_ranges: int = 16
    large_table: int = 50_000


DEFAULT = Limits()


def default_limits() -> Limits:
    """The sizes of a run."""
    return DEFAULT
