"""Marks of received rows that silver does not show: rounded amounts, lines that sell nothing."""

from ecommerce_assets.model.audit import Check
from ecommerce_assets.tables.amounts import EXACT
from ecommerce_assets.tables.audits.repeated import Repeats
from ecommerce_assets.tables.currencies import AS_RECEIVED, Currencies
from ecommerce_assets.tables.feed import SELLS, Feed
from ecommerce_assets.tables.types import MONEY

IS_ROUNDED = "_is_rounded"
SELLS_NOTHING = "_sells_nothing"
IS_OWN = "_is_own"  # of a source of whose rows those are told that another one of the key replaces
SMALLEST_UNIT = Check(
    "amounts_in_smallest_unit",
    "At most ECOMMERCE_TOLERANCE (1 %) of the run's rows have an amount with a fraction of the "
    "currency's smallest unit, which is rounded.",
    False,
)
NAMED_BY_SALES = Check(
    "named_by_sales",
    "No product has its name or its price from a line that sells nothing, in place of those of a "
    "sale.",
    False,
)


def marks_of(
    feed: Feed, amounts: dict[str, str], told: Repeats | None, currencies: Currencies
) -> dict[str, str]:
    """By mark, SQL of the condition of a row of this feed.

    Args:
        feed: where the columns come from.
        amounts: by column, its type.
        told: which rows are told, if another one of their key replaces them.
        currencies: of the amounts.
    """
    kinds = (str(MONEY), str(AS_RECEIVED))
    money = [name for name, kind in amounts.items() if kind in kinds and name in feed.writings]
    if currencies.are_of_two_digits:
        rounded = [f"{EXACT}{name} <> {name}" for name in money]
    else:
        # The currency of an item is its order's, so it may have the most digits of one of them.
        own = "currency" if "currency" in amounts else "NULL"
        rounded = [f"{name} <> {currencies.rounded_or_exact(name, own)}" for name in money]
    found = {IS_ROUNDED: " OR ".join(rounded)}
    if feed.sells:
        found[SELLS_NOTHING] = f"NOT {SELLS} OR price = 0"
    if told:
        found[IS_OWN] = str(feed.source in told.sources).lower()
    return {name: condition for name, condition in found.items() if condition}


def renamed(candidates: str, columns: str = "count(*) AS products") -> str:
    """SQL of the products whose current row sells nothing, while another one sells and differs.

    Args:
        candidates: the relation of their valid rows, with `is_current` and the mark.
        columns: what to select; `n` is the current row, `s` another.
    """
    # Of a published row, the mark is not known any more.
    sells = f"coalesce(NOT {SELLS_NOTHING}, price > 0)"
    return (
        f"SELECT {columns} FROM (SELECT * FROM {candidates} WHERE is_current AND {SELLS_NOTHING}) "
        f"AS n SEMI JOIN (SELECT * FROM {candidates} WHERE {sells}) AS s "
        "ON n.product_id = s.product_id "
        "AND (n.price <> s.price OR NOT (n.name IS NOT DISTINCT FROM s.name))"
    )
