"""Rows that another row of the same key replaces, where the shop file does not say that it may."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ecommerce_assets.landing.source import LINE_NUMBER
from ecommerce_assets.model.audit import Check
from ecommerce_assets.shop import Shop
from ecommerce_assets.shop.model import TABLES_BY_GRAIN

NOT_REPEATED = Check(
    "keys_not_repeated",
    "No row is replaced by another one of its file, or by a different one of another file of its "
    "date; where lines are numbered, by a different line of any other file. Only one row a key "
    "counts, and the shop file does not say that these are versions of it.",
    False,
)
FILE, DATE, LINES = "file", "date", "lines"
_PLACES = {
    FILE: "in the same file",
    DATE: "in another file of the date",
    LINES: "in another file, which numbers its lines anew",
}


@dataclass(frozen=True)
class Repeats:
    """Which rows of a table are told, if another row of the same key replaces them.

    Attributes:
        table: its name.
        in_file: those that another one of their file replaces.
        of_lines: those that a different one of any other file replaces, since lines are numbered
            within a file.
    """

    table: str
    in_file: bool
    of_lines: bool

    def kind(self, received: str, kept: str) -> str:
        """SQL of the way in which a row was replaced: `FILE`, `DATE`, `LINES`, or null.

        A later `updated_at` tells versions of a row, so those are meant.

        Args:
            received, kept: as which the query knows a row and the current row of its key, with a
                hash of their values as `content`.
        """
        same_file = f"{received}._source_file = {kept}._source_file"
        same_date = f"{received}._ingestion_date = {kept}._ingestion_date"
        differs = f"{received}.content <> {kept}.content"
        in_file = f"{same_file} AND {received}._row_number <> {kept}._row_number"
        cases = [(in_file, FILE)] if self.in_file else []
        cases += [(f"NOT {same_file} AND {differs}", LINES)] if self.of_lines else []
        cases.append((f"NOT {same_file} AND {same_date} AND {differs}", DATE))
        whens = " ".join(f"WHEN {condition} THEN '{kind}'" for condition, kind in cases)
        return (
            f"CASE WHEN {received}.updated_at IS NOT DISTINCT FROM {kept}.updated_at "
            f"THEN CASE {whens} END END"
        )

    def remedy(self, kinds: Mapping[str, object]) -> str:
        """What to do about the ways that were found."""
        table = f"tables.{self.table}"
        remedies = {
            FILE: f"If they are versions of a row, write repeats = true in {table}; else the key "
            f"is too coarse: add to {table}.key what tells the rows apart, like {LINE_NUMBER}.",
            LINES: "If a further file has further lines of an order, write continues = true in "
            f"{table}; if it has newer versions of the same lines, continues = false.",
            DATE: "The file whose name comes last counts: take the other out of landing.",
        }
        return " ".join(text for kind, text in remedies.items() if kind in kinds)


def repeats_of(shop: Shop, table: str) -> Repeats | None:
    """Which rows of a table are told; None where keys repeat by the nature of its sources.

    A row of a source is one of the finest table that it feeds: a customer on every line of an order
    is no repeated row.
    """
    declared = shop.declared.tables
    finer = TABLES_BY_GRAIN[: TABLES_BY_GRAIN.index(table)]
    rows_of = {part.from_ for name in finer for part in declared.get(name, ())}
    own = [part for part in declared.get(table, ()) if part.from_ not in rows_of]
    if not own:
        return None
    return Repeats(
        table,
        not all(part.repeats for part in own),
        any(LINE_NUMBER in part.key and part.continues is None for part in own),
    )


def content(columns: Sequence[str]) -> str:
    """SQL of a hash of a row's values, without what tells versions apart."""
    values = [name for name in columns if not name.startswith("_") and name != "updated_at"]
    return f"hash({', '.join(values)})"


def replaced(kinds: Mapping[str, tuple[int, Decimal | None]], currency: str) -> str:
    """How many rows were replaced, where, and their worth.

    Args:
        kinds: by way, the rows and the sum of their values.
    """
    rows = sum(number for number, _ in kinds.values())
    worth = sum((value or Decimal(0) for _, value in kinds.values()), Decimal(0))
    ways = ", ".join(f"{kinds[kind][0]:,} {_PLACES[kind]}" for kind in _PLACES if kind in kinds)
    valued = any(value is not None for _, value in kinds.values())
    return (
        f"{rows:,} rows{f' worth {worth:,} {currency}' if valued else ''} do not count, since "
        f"another row has their key: {ways}"
        if rows
        else "No row is replaced by another one of its delivery"
    )
