"""Python's garbage collector in processes that load Dagster."""

import gc

OBJECTS = 100_000  # more of them than there were, for the next collection; Python's default is 700


def collect_seldom() -> None:
    """Collect garbage less often.

    Dagster's modules and definitions are a million objects that stay. By default, the collector
    goes through all of them again and again: a sixth of a small run's time.
    """
    gc.set_threshold(OBJECTS, 20, 100)
