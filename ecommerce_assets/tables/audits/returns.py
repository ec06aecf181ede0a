"""Audit of the returns: do they fit what was sold, and which of them wait?"""

from functools import partial

from ecommerce_assets.engine.queries import query
from ecommerce_assets.model.audit import Audit, Check, Finding, Report
from ecommerce_assets.model.shares import Share
from ecommerce_assets.tables.audits import Scope, sample, share_finding
from ecommerce_assets.tables.currencies import Currencies

WITHIN = Check(
    "returns_within_sales",
    "At most ECOMMERCE_QUARANTINE_LIMIT (5 %) of the returns that the run wrote are of items or "
    "orders of which more came back than was sold, in pieces or in revenue; any is a warning.",
    True,
)
AFTER = Check("returns_after_orders", "No return is dated before its order.", False)
WAITING = Check(
    "returns_have_amounts",
    "At most ECOMMERCE_TOLERANCE (1 %) of the returns wait, since they name pieces of an item that "
    "is not known, and no amount; or since their order waits for a rate, or has another currency.",
    False,
)
EARLY = "is_order_known AND return_date < order_date"


def returns_and_sales(currencies: Currencies) -> Audit:
    """Whether the returns fit the sales of their orders, as their rows say."""
    observed = {
        "exceeding": "count_if(exceeds_sale)",
        "exceeding_amount": "sum(CASE WHEN exceeds_sale THEN returned_amount END)",
        "early": f"count_if({EARLY})",
    }
    run = partial(_returns_and_sales, currencies)
    return Audit((WITHIN, AFTER, WAITING), run, observes=observed)


def _returns_and_sales(currencies: Currencies, scope: Scope) -> Report:
    return Report([_within(scope, currencies.own), _after(scope), _waiting(scope, currencies)])


def _within(scope: Scope, currency: str) -> Finding:
    exceeding, worth = scope.observed["exceeding"] or 0, scope.observed["exceeding_amount"] or 0
    share = Share(exceeding, scope.added, "quarantine_limit", 0.0, blocks=True)
    message = (
        f"{exceeding:,} of {scope.added:,} returns ({share.described(scope.thresholds)}), worth "
        f"{worth:,} {currency}, are of items or orders of which more came back than was sold"
    )
    rows = []
    if exceeding:
        columns = ("return_id", "order_id", "quantity", "returned_amount")
        rows = sample(scope.snapshot.where("exceeds_sale").select(*columns), ["return_id"])
    if rows:
        message += f", e.g. {rows[0]['return_id']} of order {rows[0]['order_id']}"
    return share_finding(
        WITHIN,
        share,
        scope.thresholds,
        {"returns": scope.added, "exceeding": exceeding, "exceeding_amount": str(worth)},
        sample=rows,
        message=f"{message}.",
        advice="A return may have come twice under two numbers, or name the wrong item; amounts "
        "may include tax that the prices do not (prices_include_tax in the shop file).",
    )


def _after(scope: Scope) -> Finding:
    early = scope.observed["early"] or 0
    columns = ("return_id", "order_id", "return_date", "order_date")
    rows = sample(scope.snapshot.where(EARLY).select(*columns), ["return_id"]) if early else []
    message = f"{early:,} returns are dated before their order"
    if rows:
        message += (
            f", e.g. {rows[0]['return_id']} on {rows[0]['return_date']}, of order "
            f"{rows[0]['order_id']} of {rows[0]['order_date']}"
        )
    return Finding(
        AFTER,
        passed=not early,
        counts={"before_their_order": early},
        sample=rows,
        message=f"{message}.",
        advice="They count on their own day; have the shop correct the date that is wrong.",
    )


def _waiting(scope: Scope, currencies: Currencies) -> Finding:
    returns = scope.upstream_rows("silver.returns")
    waiting = max(returns - scope.rows, 0)
    share = Share(waiting, returns, "tolerance")
    rows = []
    message = f"{waiting:,} of {returns:,} returns ({share.described(scope.thresholds)}) wait"
    if waiting:
        left = query(
            "SELECT given.return_id, given.order_id, given.order_item_id, given.product_id "
            "FROM given ANTI JOIN valued ON given.return_id = valued.return_id",
            given=scope.upstream["silver.returns"],
            valued=scope.snapshot,
        )
        rows = sample(left, ["return_id"])
    if rows:
        causes = " for the item that they name"
        if currencies.others:
            causes += ", or for their order's rate, or are in another currency than it"
        message += f"{causes}, e.g. {rows[0]['return_id']}"
    return share_finding(
        WAITING,
        share,
        scope.thresholds,
        {"returns": returns, "waiting": waiting},
        sample=rows,
        message=f"{message}.",
        advice="They enter gold.fact_returns as soon as their item arrives, or an amount is "
        "delivered.",
    )
