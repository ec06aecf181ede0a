"""The thresholds of the checks: settings of a deployment, the same for every table."""

from dataclasses import dataclass
from math import sqrt

CHANCE = 3  # standard deviations


@dataclass(frozen=True)
class Thresholds:
    """From what share on a check warns or blocks; each is a number from 0 to 1.

    Attributes:
        quarantine_limit: of a run's rows of a table: if more are quarantined, the table is not
            published; from a fifth of it on the check warns. 1 never blocks.
        identity_limit: of a run's rows of a table: if more name another order, or customer, than
            the current version of their key does, the table is not published; it warns of any.
        volume_change: by which a delivery's rows may differ from those of the same weekday in the
            weeks before without a warning.
        redelivery_change: by which rows and value of a date may differ from those of the delivery
            that is replaced without a warning.
        removal_limit: of a table's rows: if a new snapshot has fewer by more than that, it is not
            published, unless the run allows it.
        inferred_limit: of a dimension's members that only other tables name, without a warning.
        tolerance: of orders, items or value that may disagree, wait or lie in quarantine without
            a warning.
        money_limit: of the amounts of a run's orders: if more disagree with their items and parts,
            the facts are not published; 1 never blocks.
        absence_limit: of the rows of a table that each delivery holds as a whole: if the latest one
            lacks more of those that were published, it is not published, unless the run allows it.
    """

    quarantine_limit: float = 0.05
    identity_limit: float = 0.05
    volume_change: float = 0.5
    redelivery_change: float = 0.1
    removal_limit: float = 0.2
    inferred_limit: float = 0.05
    tolerance: float = 0.01
    money_limit: float = 0.05
    absence_limit: float = 0.05


def exceeds(part: float, whole: int, limit: float) -> bool:
    """Whether a share is above its limit, and not just by chance.

    A count of rows, each with the probability `limit`, has the standard deviation of the binomial
    distribution, sqrt(whole x limit x (1 - limit)); up to three of them are chance. So 1 of 19
    counts as no more than 5 %, and 80 of 1,000 as more.
    """
    return part > whole * limit + CHANCE * sqrt(whole * limit * (1 - limit))
