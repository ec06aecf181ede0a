"""Personal data: which columns hold it, and how their values are shown outside the tables.

A silver model marks its columns; what the shop file says tells which received columns those are,
and which other columns are made of the same ones, like a key that is an e-mail address. Columns
that nobody declared may hold anything.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from ecommerce_assets.landing.layout import RESCUED
from ecommerce_assets.shop import Shop, current_shop
from ecommerce_assets.tables import contracted_tables
from ecommerce_assets.tables.silver import contracts_of

MASK = "•••"


def personal_columns() -> frozenset[str]:
    """Names, in lower case, of the columns that hold personal data in any table."""
    return _of_shop(current_shop())


@cache
def _of_shop(shop: Shop) -> frozenset[str]:
    contracts = [found for table in contracted_tables(shop) for found in contracts_of(table)]
    marked = {
        name
        for contract in contracts
        for name, column in contract.schema.columns.items()
        if column.metadata["personal"]
    }
    reads = [(name, read) for c in contracts for name, read in c.feed.reads.items()]
    received = {column for name, read in reads if name in marked for column in read}
    made_of_them = {name for name, read in reads if received.intersection(read)}
    return frozenset(name.lower() for name in marked | received | made_of_them | {RESCUED})


def without_address(header: str) -> str:
    """A shop file's expression of an id that is made of an e-mail address and does not show it."""
    return f"if(trim(`{header}`) <> '', md5(lower(trim(`{header}`))), '')"


def shown(column: str, value: Any) -> Any:
    """A column's value, or the mask in its place; of a map, its values by their names."""
    if isinstance(value, dict):
        return without_personal(value)
    return MASK if value is not None and column.lower() in personal_columns() else value


def without_personal(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with personal values masked."""
    return {name: shown(name, value) for name, value in row.items()}
