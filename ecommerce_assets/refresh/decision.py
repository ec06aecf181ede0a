"""What a strategy decides: nothing, the whole table, or these rows in place of those."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from ecommerce_assets.refresh.keys import AffectedKeys

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Nothing:
    """No row of the table can differ from the published one.

    Attributes:
        why: for people.
        unread: for bronze: paths below landing that are there and are not read.
    """

    why: str
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class Whole:
    """The table is to be recomputed from its whole upstream tables.

    Attributes:
        why: for people.
    """

    why: str


@dataclass(frozen=True)
class Rows:
    """The rows to write, and what the checks need to know of them.

    Attributes:
        why: for people: what is recomputed, and for what reason.
        written: the recomputed rows, and those of the replaced partitions that stay.
        replace: Spark SQL that is true for the published rows that `written` replaces; whole files.
        affected: the refresh keys that are recomputed; None for all.
        dates: ingestion dates whose deliveries are checked.
        candidates: for silver: the parsed rows among which the latest versions were selected.
        rewritten: where keys are replaced one by one: their new rows, and their published ones.
        is_whole: the rows are what the transformation gives for whole upstream tables.
        replaced_deliveries: for silver: the parsed rows of deliveries that were replaced since.
        fingerprints: for bronze: the fingerprint of each date's delivery, to be recorded.
        unread: for bronze: paths below landing that are there and are not read.
    """

    why: str
    written: "DataFrame"
    replace: str
    affected: AffectedKeys | None = None
    dates: tuple[date, ...] = ()
    candidates: "DataFrame | None" = None
    rewritten: "tuple[DataFrame, DataFrame] | None" = None
    is_whole: bool = False
    replaced_deliveries: "DataFrame | None" = None
    fingerprints: Mapping[str, str] | None = None
    unread: tuple[str, ...] = ()


Decision = Nothing | Whole | Rows
