"""What a strategy decides: nothing, the whole table, or certain rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from ecommerce_assets.refresh.keys import AffectedKeys

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Nothing:
    """No row of the table can differ from the published one.

    Attributes:
        why: for people.
        unread: for bronze: paths below landing that are ignored.
        other_code: for bronze: the dates read by another version of the code, as intervals.
        retention: for bronze: what landing has let go (see `landing.retention`).
    """

    why: str
    unread: tuple[str, ...] = ()
    other_code: tuple[str, ...] | None = None
    retention: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Whole:
    """The table has to be recomputed from its whole upstream tables.

    Attributes:
        why: for people.
    """

    why: str


@dataclass(frozen=True)
class Rows:
    """The rows to write, and what the checks need to know about them.

    Attributes:
        why: for people: what is recomputed, and for what reason.
        written: the recomputed rows, and the unchanged rows of replaced partitions.
        replace: Spark SQL condition of the published rows that `written` replaces; whole files.
        affected: the recomputed refresh keys; None for all.
        dates: ingestion dates whose deliveries are checked.
        candidates: for silver: the parsed rows from which the latest versions were selected.
        rewritten: if keys are replaced individually: their new rows and their published rows.
        is_whole: whether the transformation read whole upstream tables.
        stays: for bronze: published rows of the replaced dates that are written again as they are.
        in_order: whether each task's rows come partition by partition, so need no sort.
        replaced_deliveries: for silver: the parsed rows of deliveries replaced since the last run.
        fingerprints: for bronze: the fingerprint of each date's delivery, to be recorded.
        unread: for bronze: paths below landing that are ignored.
        other_code: for bronze: the dates read by another version of the code, as intervals.
        retention: for bronze: what landing has let go (see `landing.retention`).
    """

    why: str
    written: "DataFrame"
    replace: str
    affected: AffectedKeys | None = None
    dates: tuple[date, ...] = ()
    candidates: "DataFrame | None" = None
    rewritten: "tuple[DataFrame, DataFrame] | None" = None
    is_whole: bool = False
    stays: "DataFrame | None" = None
    in_order: bool = False
    replaced_deliveries: "DataFrame | None" = None
    fingerprints: Mapping[str, str] | None = None
    unread: tuple[str, ...] = ()
    other_code: tuple[str, ...] | None = None
    retention: Mapping[str, Any] | None = None


Decision = Nothing | Whole | Rows
