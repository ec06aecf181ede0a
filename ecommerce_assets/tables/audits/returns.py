"""Audit of the returns: do they fit what was sold, and which of them wait?"""

from functools import partial

from ecommerce_assets.engine.queries import query
from ecommerce_assets.engine.relation import Relation
from ecommerce_assets.model.audit import Audit, Check, Finding, Report
from ecommerce_assets.model.shares import Share
from ecommerce_assets.tables.audits import Scope, sample, share_finding

WITHIN = Check(
    "returns_within_sales",
    "At most ECOMMERCE_QUARANTINE_LIMIT (5 %) of the run's returns are of items or orders of which "
    "more came back than was sold, in pieces or in revenue; any is a warning.",
    True,
)
AFTER = Check("returns_after_orders", "No return is dated before its order.", False)
WAITING = Check(
    "returns_have_amounts",
    "At most ECOMMERCE_TOLERANCE (1 %) of the returns wait, since they name pieces of an item that "
    "is not known, and no amount.",
    False,
)
CENT = "CAST(0.01 AS DECIMAL(3, 2))"  # how far a rounded part may be off


def returns_and_sales(currency: str) -> Audit:
    """Compare the returns with the sales of their orders.

    Args:
        currency: of all amounts.
    """
    return Audit((WITHIN, AFTER, WAITING), partial(_returns_and_sales, currency))


def _returns_and_sales(currency: str, scope: Scope) -> Report:
    returns = scope.only_affected(scope.snapshot, "order_id")
    sales = scope.only_affected(scope.upstream["gold.fact_sales"], "order_id")
    return Report(
        [_within(scope, judged(returns, sales), currency), _after(scope, returns), _waiting(scope)]
    )


def judged(returns: Relation, sales: Relation) -> Relation:
    """The returns, each with whether more came back of its item or order than was sold."""
    return query(
        f"""
        WITH of_items AS (
            SELECT r.sale_key AS item_key, CAST(sum(r.quantity) AS BIGINT) AS pieces,
                sum(r.returned_amount) AS amount, count(*) AS times
            FROM returned AS r WHERE r.sale_key IS NOT NULL GROUP BY r.sale_key
        ), too_many AS (
            SELECT item_key FROM of_items JOIN sales ON sales.sale_key = item_key
            WHERE pieces > quantity OR amount > revenue + times * {CENT}
        ), of_orders AS (
            SELECT r.order_id AS of_order, sum(r.returned_amount) AS amount, count(*) AS times
            FROM returned AS r GROUP BY r.order_id
        ), sold AS (
            SELECT order_id AS sold_order, sum(revenue) AS revenue FROM sales GROUP BY order_id
        ), too_much AS (
            SELECT of_order FROM of_orders JOIN sold ON sold_order = of_order
            WHERE amount > revenue + times * {CENT}
        )
        SELECT return_id, order_id, quantity, returned_amount, return_date,
            item_key IS NOT NULL OR of_order IS NOT NULL AS exceeds
        FROM returned LEFT JOIN too_many ON sale_key = item_key
            LEFT JOIN too_much ON order_id = of_order""",
        returned=returns,
        sales=sales,
    )


def _within(scope: Scope, returns: Relation, currency: str) -> Finding:
    (row,) = query(
        """
        SELECT count(*) AS returns, count(CASE WHEN exceeds THEN 1 END) AS exceeding,
            sum(CASE WHEN exceeds THEN returned_amount END) AS worth
        FROM judged""",
        judged=returns,
    ).rows()
    share = Share(row["exceeding"], row["returns"], "quarantine_limit", 0.0, blocks=True)
    message = (
        f"{row['exceeding']:,} of {row['returns']:,} returns "
        f"({share.described(scope.thresholds)}), worth {row['worth'] or 0:,} {currency}, are of "
        "items or orders of which more came back than was sold"
    )
    rows = []
    if row["exceeding"]:
        columns = ("return_id", "order_id", "quantity", "returned_amount")
        rows = sample(returns.where("exceeds").select(*columns), ["return_id"])
        message += f", e.g. {rows[0]['return_id']} of order {rows[0]['order_id']}"
    return share_finding(
        WITHIN,
        share,
        scope.thresholds,
        {"returns": row["returns"], "exceeding": row["exceeding"],
         "exceeding_amount": str(row["worth"] or 0)},
        sample=rows,
        message=f"{message}.",
        advice="A return may have come twice under two numbers, or name the wrong item; amounts "
        "may include tax that the prices do not (prices_include_tax in the shop file).",
    )  # fmt: skip


def _after(scope: Scope, returns: Relation) -> Finding:
    early = returns.where("is_order_known AND return_date < order_date")
    rows = sample(early.select("return_id", "order_id", "return_date", "order_date"), ["return_id"])
    count = early.count() if rows else 0
    message = f"{count:,} returns are dated before their order"
    if rows:
        message += (
            f", e.g. {rows[0]['return_id']} on {rows[0]['return_date']}, of order "
            f"{rows[0]['order_id']} of {rows[0]['order_date']}"
        )
    return Finding(
        AFTER,
        passed=not rows,
        counts={"before_their_order": count},
        sample=rows,
        message=f"{message}.",
        advice="They count on their own day; have the shop correct the date that is wrong.",
    )


def _waiting(scope: Scope) -> Finding:
    returns = scope.upstream_rows("silver.returns")
    waiting = returns - scope.rows
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
        message += f" for the item that they name, e.g. {rows[0]['return_id']}"
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
