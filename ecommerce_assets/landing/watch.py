"""Changes in landing between two scans: dates whose files arrived, changed or disappeared."""

import base64
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import blake2b

from ecommerce_assets.intervals import merged
from ecommerce_assets.landing.files import below, landed_date, must_exist
from ecommerce_assets.landing.source import Source

DIGEST_BYTES = 6  # bits per date; a change goes unnoticed once in 2^48 times
NOTHING = b"\0" * DIGEST_BYTES

Digests = dict[date, bytes]


@dataclass(frozen=True)
class Seen:
    """Landing at one moment.

    Attributes:
        digests: by source and date, a digest of names, sizes and times of the files.
        unsettled: by source, dates with a file that may still be written to.
    """

    digests: Mapping[str, Digests]
    unsettled: Mapping[str, set[date]]

    def after(
        self,
        before: Mapping[str, Digests],
        held: Iterable[date] = (),
        kept_from: date | None = None,
    ) -> "Change":
        """The changes since an earlier scan; unsettled and held dates are left for later.

        Args:
            kept_from: earlier dates, whose files landing lets go, change only by files that are
                there.
        """
        held = set(held)
        known: dict[str, Digests] = {}
        changed: set[date] = set()
        for table, now in self.digests.items():
            then = before.get(table, {})
            left = self.unsettled.get(table, set()) | held
            known[table] = {day: text for day, text in then.items() if day in left}
            known[table] |= {day: text for day, text in now.items() if day not in left}
            days = now.keys() | then.keys()
            changed |= {
                day
                for day in days - left
                if now.get(day) != then.get(day)
                and not (kept_from and day < kept_from and day not in now)
            }
        return Change(sorted(changed), known)


@dataclass(frozen=True)
class Change:
    """Dates that differ between two scans.

    Attributes:
        dates: the dates, of any source.
        known: the digests to compare with next time.
    """

    dates: list[date]
    known: Mapping[str, Digests]

    def ranges(self, gap: timedelta) -> list[tuple[date, date]]:
        """The dates as inclusive ranges; dates at most `gap` apart share one."""
        found = merged(self.dates, gap=gap - timedelta(days=1))
        return [(interval.start, interval.last) for interval in found]

    @property
    def key(self) -> str:
        """A unique key of this change."""
        text = [f"{table}{day}{self.known[table].get(day, NOTHING).hex()}"
                for table in sorted(self.known) for day in self.dates]  # fmt: skip
        return blake2b("\n".join(text).encode(), digest_size=16).hexdigest()


def look(landing: str, sources: Iterable[Source], *, now: float, settle_seconds: float) -> Seen:
    """Scan all files of the sources' deliveries without reading them.

    Args:
        now: seconds since 1970.
        settle_seconds: a file modified less than this ago may still be written to.

    Raises:
        PipelineError: there is no landing folder, or it can't be listed; a folder's name is not a
            date, or a file is outside the date folders.
    """
    store = must_exist(landing)
    digests: dict[str, Digests] = {}
    unsettled: dict[str, set[date]] = defaultdict(set)
    for source in sources:
        files: dict[date, list[str]] = defaultdict(list)
        for entry in store.files_below(below(store, source.folder)):
            day = landed_date(source, entry.name)
            _, _, name = entry.name.partition("/")
            if day is None or "/" in name or not source.reads(name):
                continue
            files[day].append(f"{entry.name}\0{entry.stamp}")
            if abs(now - entry.written) < settle_seconds:
                unsettled[source.name].add(day)
        digests[source.name] = {
            day: blake2b("\n".join(sorted(names)).encode(), digest_size=DIGEST_BYTES).digest()
            for day, names in files.items()
        }
    return Seen(digests, unsettled)


def to_cursor(known: Mapping[str, Digests]) -> str:
    """The digests as text: by source, the first date and a digest for each day from then on."""
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
    """The inverse of `to_cursor`; empty for an empty text."""
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
