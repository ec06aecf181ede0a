"""What has changed in landing between two looks: dates whose files came, changed or went."""

import base64
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import blake2b

from ecommerce_assets.intervals import merged
from ecommerce_assets.landing.files import below, landed_date, must_exist
from ecommerce_assets.landing.layout import ENDINGS

DIGEST_BYTES = 6  # a date's change goes unnoticed once in 2^48 times
NOTHING = b"\0" * DIGEST_BYTES

Digests = dict[date, bytes]


@dataclass(frozen=True)
class Seen:
    """Landing at one look.

    Attributes:
        digests: by table and date, a digest of names, sizes and times of the date's files.
        unsettled: dates that have a file which may still be being written, by table.
    """

    digests: Mapping[str, Digests]
    unsettled: Mapping[str, set[date]]

    def after(self, before: Mapping[str, Digests], held: Iterable[date] = ()) -> "Change":
        """What differs from an earlier look; unsettled and held dates are left for a later one."""
        held = set(held)
        known: dict[str, Digests] = {}
        changed: set[date] = set()
        for table, now in self.digests.items():
            then = before.get(table, {})
            left = self.unsettled.get(table, set()) | held
            known[table] = {day: text for day, text in then.items() if day in left}
            known[table] |= {day: text for day, text in now.items() if day not in left}
            days = now.keys() | then.keys()
            changed |= {day for day in days - left if now.get(day) != then.get(day)}
        return Change(sorted(changed), known)


@dataclass(frozen=True)
class Change:
    """Dates that differ between two looks.

    Attributes:
        dates: the dates, of any table.
        known: what is to be compared with next time.
    """

    dates: list[date]
    known: Mapping[str, Digests]

    def ranges(self, gap: timedelta) -> list[tuple[date, date]]:
        """The dates as ranges, both ends included; dates at most `gap` apart share one."""
        found = merged(self.dates, gap=gap - timedelta(days=1))
        return [(interval.start, interval.last) for interval in found]

    @property
    def key(self) -> str:
        """Tells this change from every other."""
        text = [f"{table}{day}{self.known[table].get(day, NOTHING).hex()}"
                for table in sorted(self.known) for day in self.dates]  # fmt: skip
        return blake2b("\n".join(text).encode(), digest_size=16).hexdigest()


def look(landing: str, tables: Iterable[str], *, now: float, settle_seconds: float) -> Seen:
    """Look at every file of the tables' deliveries, without reading one.

    Args:
        now: seconds since 1970.
        settle_seconds: a file that was written less long ago may still be being written.

    Raises:
        PipelineError: there is no landing folder, or it can't be looked at; a folder's name is no
            date, or a delivery lies outside a date's folder.
    """
    store = must_exist(landing)
    digests: dict[str, Digests] = {}
    unsettled: dict[str, set[date]] = defaultdict(set)
    for table in tables:
        files: dict[date, list[str]] = defaultdict(list)
        for entry in store.files_below(below(store, table)):
            day = landed_date(table, entry.name)
            if day is None or not entry.name.endswith(ENDINGS) or entry.name.count("/") != 1:
                continue
            files[day].append(f"{entry.name}\0{entry.stamp}")
            if abs(now - entry.written) < settle_seconds:
                unsettled[table].add(day)
        digests[table] = {
            day: blake2b("\n".join(sorted(names)).encode(), digest_size=DIGEST_BYTES).digest()
            for day, names in files.items()
        }
    return Seen(digests, unsettled)


def to_cursor(known: Mapping[str, Digests]) -> str:
    """The digests as text: by table the first date, and a digest for each day from there on."""
    packed = {}
    for table, digests in known.items():
        if digests:
            first, last = min(digests), max(digests)
            days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
            row = b"".join(digests.get(day, NOTHING) for day in days)
            packed[table] = [first.isoformat(), base64.b64encode(row).decode()]
        else:
            packed[table] = []
    return json.dumps(packed)


def from_cursor(text: str | None) -> dict[str, Digests]:
    """What `to_cursor` packed; nothing known where there is no text."""
    known: dict[str, Digests] = {}
    for table, row in json.loads(text or "{}").items():
        known[table] = {}
        if row:
            first, digests = date.fromisoformat(row[0]), base64.b64decode(row[1])
            for number in range(len(digests) // DIGEST_BYTES):
                digest = digests[number * DIGEST_BYTES : (number + 1) * DIGEST_BYTES]
                if digest != NOTHING:
                    known[table][first + timedelta(days=number)] = digest
    return known
