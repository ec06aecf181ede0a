"""Versions of a row in SQL: which of two is the later one."""

from collections.abc import Iterable, Iterator, Sequence

from ecommerce_assets.landing.layout import SOURCE_FILE


def latest_first(order: Iterable[str]) -> str:
    """The latest version first, by columns, most significant first; a null is lowest."""
    return ", ".join(f"{term} DESC NULLS LAST" for term in _compared(order))


def is_lower(one: str, other: str, order: Sequence[str]) -> str:
    """Whether a row's version is lower than another's.

    Args:
        one, other: as which the query knows the rows.
        order: the columns by which versions are compared, most significant first; a null is lowest.
    """
    lower = ""
    for mine, others in reversed(
        [*zip(_compared(order, one), _compared(order, other), strict=True)]
    ):
        equal = f" OR ({mine} IS NOT DISTINCT FROM {others} AND {lower})" if lower else ""
        lower = f"({mine} < {others} OR ({mine} IS NULL AND {others} IS NOT NULL){equal})"
    return lower


def _compared(order: Iterable[str], row: str = "") -> Iterator[str]:
    """What versions are compared by.

    Of files, first by their names without the ending: `orders (1).csv` comes after `orders.csv`.
    """
    for name in order:
        column = f"{row}.{name}" if row else name
        if name == SOURCE_FILE:
            yield f"replace(replace({column}, '.csv', ''), '.', '\t')"
        yield column
