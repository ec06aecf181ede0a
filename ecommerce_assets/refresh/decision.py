"""What a strategy decides: nothing, the whole table, or certain rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from ecommerce_assets.engine.relation import Relation
from ecommerce_assets.refresh.keys import AffectedKeys


@dataclass(frozen=True)
class LandingEvidence:
    """What a run of a bronze table saw of landing: to be recorded and checked.

    Attributes:
        fingerprints: of the deliveries that were read, by date.
        unread: paths below landing that are ignored.
        other_code: the dates read by another version of the code, as intervals.
        retention: what landing has let go (see `landing.retention`).
    """

    fingerprints: Mapping[str, str]
    unread: tuple[str, ...]
    other_code: tuple[str, ...]
    retention: Mapping[str, Any]


@dataclass(frozen=True)
class VersionEvidence:
    """What a run of a silver table selected the latest versions from.

    Attributes:
        candidates: the parsed rows.
        replaced: the parsed rows of deliveries replaced since the last run; None without any.
    """

    candidates: Relation
    replaced: Relation | None = None


Evidence = LandingEvidence | VersionEvidence


@dataclass(frozen=True)
class Nothing:
    """No row of the table can differ from the published one.

    Attributes:
        why: for people.
        evidence: for records and checks.
    """

    why: str
    evidence: LandingEvidence | None = None


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
        replace: SQL condition of the published rows that `written` replaces; whole files.
        affected: the recomputed refresh keys; None for all.
        dates: ingestion dates whose deliveries are checked.
        rewritten: if keys are replaced individually: their new rows and their published rows.
        is_whole: whether the transformation read whole upstream tables.
        stays: published rows of the replaced partitions that are written again as they are.
        in_order: whether each task's rows come partition by partition, so need no sort.
        evidence: of bronze and silver, for records and checks.
    """

    why: str
    written: Relation
    replace: str
    affected: AffectedKeys | None = None
    dates: tuple[date, ...] = ()
    rewritten: tuple[Relation, Relation] | None = None
    is_whole: bool = False
    stays: Relation | None = None
    in_order: bool = False
    evidence: Evidence | None = None


Decision = Nothing | Whole | Rows
