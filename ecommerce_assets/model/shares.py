"""Shares that checks judge by a limit, and how messages name them."""

import re
from dataclasses import dataclass
from typing import Literal

from ecommerce_assets.thresholds import Thresholds, exceeds

Severity = Literal["ERROR", "WARN"]


@dataclass(frozen=True)
class Share:
    """A part of a whole, judged by a limit that is a setting.

    Attributes:
        part, whole: counts, or amounts counted as rows of the same share.
        threshold: the limit's name in `Thresholds`.
        warns_from: the part of the limit from which it warns.
        blocks: whether it blocks above the limit, rather than warn.
    """

    part: float
    whole: int
    threshold: str
    warns_from: float = 1.0
    blocks: bool = False

    @property
    def value(self) -> float:
        """The share, 0 of nothing."""
        return round(self.part / self.whole, 6) if self.whole else 0.0

    def passes(self, thresholds: Thresholds) -> bool:
        """Whether it gives no reason even for a warning."""
        return not exceeds(self.part, self.whole, self.limit(thresholds) * self.warns_from)

    def severity(self, thresholds: Thresholds) -> Severity:
        """Of a failure."""
        above = exceeds(self.part, self.whole, self.limit(thresholds))
        return "ERROR" if self.blocks and above else "WARN"

    def limit(self, thresholds: Thresholds) -> float:
        """The limit in force."""
        return float(getattr(thresholds, self.threshold))

    def described(self, thresholds: Thresholds) -> str:
        """The share and its limit: `1.2 %, limit 5 %`."""
        return f"{percent(self.value)}, {limit_of(self.limit(thresholds))}"


_DEFAULT = re.compile(r"ECOMMERCE_(\w+) \([\d.]+ %\)")


def in_force(description: str, thresholds: Thresholds) -> str:
    """The description of a check with the limits in force in place of the defaults."""

    def limit(found: re.Match[str]) -> str:
        value = getattr(thresholds, found[1].lower())
        return f"ECOMMERCE_{found[1]} ({percent(value)})"

    return _DEFAULT.sub(limit, description)


def limit_of(limit: float) -> str:
    """A limit as messages name it."""
    return f"limit {percent(limit)}"


def percent(share: float) -> str:
    """A share as a percentage."""
    return f"{share * 100:.3g} %"
