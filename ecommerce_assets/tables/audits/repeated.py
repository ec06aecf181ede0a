"""Rows that another row of the same key replaces, where the shop file does not say that it may."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ecommerce_assets.landing.source import LINE_NUMBER
from ecommerce_assets.model.audit import Check
from ecommerce_assets.model.versions import latest_first
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


# Of the valid rows of a key in one delivery: the place by version, and whether they differ.
_OF_DELIVERY = (
    "min(updated_at) OVER ({0}) AS first_updated, max(updated_at) OVER ({0}) AS last_updated",
    "min(_source_file) OVER ({0}) AS first_file, max(_source_file) OVER ({0}) AS last_file",
    "min(content) OVER ({0}) AS least_content, max(content) OVER ({0}) AS most_content",
)


@dataclass(frozen=True)
class Repeats:
    """Which rows of a table are told, if another row of the same key replaces them.

    Attributes:
        table: its name.
        sources: those whose rows are told.
        in_file: those that another one of their file replaces.
        in_date: those that a different one of another file of their date replaces.
        of_lines: those that a different one of any other file replaces, since lines are numbered
            within a file.
    """

    table: str
    sources: tuple[str, ...]
    in_file: bool
    in_date: bool
    of_lines: bool

    @staticmethod
    def of_delivery(key: str, valid: str, order: Sequence[str]) -> str:
        """SQL of the columns that `kind` needs, of rows with a hash of their values as `content`.

        Args:
            key: the column of the key.
            valid: the column that is true in valid rows.
            order: the columns by which versions are compared.
        """
        delivery = f"PARTITION BY {key}, {valid}, _ingestion_date"
        place = f"row_number() OVER ({delivery} ORDER BY {latest_first(order)}) AS place"
        return ", ".join([place, *[columns.format(delivery) for columns in _OF_DELIVERY]])

    def kind(self, received: str, kept: str) -> str:
        """SQL of the way in which a row was replaced: `FILE`, `DATE`, `LINES`, or null.

        A later `updated_at` tells versions of a row, so those are meant.

        Args:
            received: as which the query knows a row with the columns of `of_delivery`.
            kept: the current row of its key, with its `content`.
        """
        in_file = _told(FILE if self.in_file else None)
        in_date = _told(LINES if self.of_lines else DATE if self.in_date else None)
        cases = [
            f"WHEN {received}.first_file = {received}.last_file THEN {in_file}",
            f"WHEN {received}.least_content <> {received}.most_content THEN {in_date}",
        ]
        replaced_in_delivery = (
            f"{received}.place > 1 AND "
            f"{received}.first_updated IS NOT DISTINCT FROM {received}.last_updated"
        )
        told = f"CASE WHEN {replaced_in_delivery} THEN CASE {' '.join(cases)} END"
        if self.of_lines:
            told += (
                f" WHEN {received}._source_file <> {kept}._source_file "
                f"AND {received}.content <> {kept}.content "
                f"AND {received}.updated_at IS NOT DISTINCT FROM {kept}.updated_at THEN '{LINES}'"
            )
        return f"{told} END"

    def remedy(self, kinds: Mapping[str, object]) -> str:
        """What to do about the ways that were found."""
        table = f"tables.{self.table}"
        place = f"{table} (from {' and '.join(self.sources)})"
        remedies = {
            FILE: f"If they are versions of a row, write repeats = true in {place}; else the key "
            f"is too coarse: add to {table}.key what tells the rows apart, like {LINE_NUMBER}.",
            LINES: "If a further file has further lines of an order, write continues = true in "
            f"{place}; if it has newer versions of the same lines, continues = false.",
            DATE: "The file whose name comes last counts: take the other out of landing, or, if "
            f'that is meant, write accept = ["files_that_disagree"] in {place}.',
        }
        return " ".join(text for kind, text in remedies.items() if kind in kinds)


def _told(kind: str | None) -> str:
    return f"'{kind}'" if kind else "CAST(NULL AS VARCHAR)"


def repeats_of(shop: Shop, table: str) -> Repeats | None:
    """Which rows of a table are told; None where keys repeat by the nature of its sources.

    A row of a source is one of the finest table that it feeds: a customer on every line of an order
    is no repeated row.
    """
    declared = shop.declared.tables
    # A line that came back is one, whatever else its source feeds.
    place = TABLES_BY_GRAIN.index(table) if table in TABLES_BY_GRAIN else 0
    finer = TABLES_BY_GRAIN[:place]
    rows_of = {part.from_ for name in finer for part in declared.get(name, ())}
    own = [part for part in declared.get(table, ()) if part.from_ not in rows_of]
    if not own:
        return None
    return Repeats(
        table,
        tuple(part.from_ for part in own),
        not all(part.repeats for part in own),
        not all("files_that_disagree" in part.accept or part.continues is False for part in own),
        any(
            LINE_NUMBER in part.key and part.continues is None and not part.replaces for part in own
        ),
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
        f"{rows:,} rows{f' worth {worth:,.2f} {currency}' if valued else ''} do not count, since "
        f"another row has their key: {ways}"
        if rows
        else "No row is replaced by another one of its delivery"
    )
