"""Audit of the fact table: are the published orders and items complete, and do they agree?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from ecommerce_assets.engine.queries import query
from ecommerce_assets.engine.relation import Relation
from ecommerce_assets.model.audit import Audit, Check, Finding, Report
from ecommerce_assets.model.shares import Share
from ecommerce_assets.sql import ansi_literal
from ecommerce_assets.tables.amounts import OFF_BY, net_of_gross
from ecommerce_assets.tables.audits import Scope, sample, share_finding
from ecommerce_assets.tables.currencies import DAYS_VALID, Currencies
from ecommerce_assets.tables.star import is_sold

Parse = Callable[[Relation], Relation]
ORDERS, ITEMS = "silver.orders", "silver.order_items"
# Why an order's amounts disagree, by the pattern of the difference, and what to do about it.
CAUSES = {
    "tax_included": "they agree if tax is a part of the prices: write prices_include_tax = true "
    "into [shop], or name its column",
    "tax_beside": "they agree if tax is no part of the prices: write prices_include_tax = false",
    "discounted_twice": "they agree without the items' discount_amount, which is a part of the "
    "order's: map only one of them",
    "edited": "the items are worth more, by the dearest or the cheapest of them or as the subtotal "
    "says: a line that the order no longer has may still be counted; if a delivery holds whole "
    'orders, write replaces = "order" into tables.order_items',
    "items_missing": "the items are worth less: some were not delivered, or are in quarantine",
    "discount_not_read": "the customer paid less: a discount may be in a column that is not read "
    "(see schema_as_usual in bronze)",
}
# Sums over all orders, to which each order adds its own.
TOTALS = (
    "orders", "orders_amount", "unrated", "sold", "empty", "empty_amount", "disagreeing",
    "disagreeing_amount", "difference_amount", "items", "waiting", "waiting_amount", "odd_lines",
    "odd_percents", "discounted", *CAUSES, *[f"{cause}_amount" for cause in CAUSES],
)  # fmt: skip
BELOW_ONE_PERCENT = "discount_percent > 0 AND discount_percent < 1"

WAITING = Check(
    "items_without_order",
    "At most ECOMMERCE_TOLERANCE (1 %) of the order items have no order yet.",
    False,
)
RATED = Check(
    "orders_have_rates",
    "At most ECOMMERCE_TOLERANCE (1 %) of the orders wait for an exchange rate of their currency, "
    f"of their day or of the {DAYS_VALID} days before.",
    False,
)
EMPTY = Check(
    "orders_have_items",
    "At most ECOMMERCE_TOLERANCE (1 %) of the sales orders have no item.",
    False,
)
AMOUNTS = Check(
    "order_amounts_agree",
    "Subtotal is the sum of the items, and total is subtotal + shipping + tip - discount, plus tax "
    "where prices do not include it, to the cent; at most ECOMMERCE_TOLERANCE (1 %) of all amounts "
    "disagree. It blocks above ECOMMERCE_MONEY_LIMIT (5 %) of those of the run's orders, but for "
    "items that are missing.",
    True,
)
LINES = Check(
    "line_totals_agree",
    "line_total is quantity x unit_price less discount_percent, but for rounding; at most "
    "ECOMMERCE_TOLERANCE (1 %) of the items disagree.",
    False,
)
PERCENTS = Check(
    "discounts_are_percent",
    "No discount_percent is between 0 and 1, as if 15 % were delivered as 0.15.",
    False,
)


@dataclass(frozen=True)
class Compared:
    """How a shop's orders and items are compared.

    Attributes:
        not_sold: the statuses of orders that are not sales.
        currencies: of the orders.
        unconverted: the currencies of amounts that are not converted, for people.
        parse: returns typed values of orders in quarantine.
    """

    not_sold: Sequence[str]
    currencies: Currencies
    unconverted: str
    parse: Parse


def orders_and_items(how: Compared) -> Audit:
    """Compare all published orders with all published items."""
    rated = (RATED,) if how.currencies.others else ()
    checks = (WAITING, *rated, EMPTY, AMOUNTS, LINES, PERCENTS)
    return Audit(checks, partial(_orders_and_items, how), keeps_totals=True)


def _orders_and_items(how: Compared, scope: Scope) -> Report:
    """The totals of all published orders and items.

    Where those of the published snapshot are known, only the affected orders are compared, as they
    are and as they were.
    """
    known = scope.before
    if known is None or scope.affected is None:
        figures = of_run = compared(scope.upstream, how)
    else:
        figures, were = [
            compared(_affected(scope, tables), how) for tables in (scope.upstream, known.upstream)
        ]
        of_run = dict(figures)
        for name in TOTALS:
            number = Decimal if name.endswith("_amount") else int
            figures[name] += number(known.totals[name]) - were[name]
    totals = {name: figures[name] for name in TOTALS}
    figures["waiting_held"] = _held(scope, how.parse) if figures["waiting"] else 0
    findings = [
        _waiting(scope, figures, how.unconverted),
        *([_rated(scope, figures, how.currencies)] if how.currencies.others else []),
        _empty(scope, figures, how),
        _amounts(scope, figures, of_run, how),
        _lines(scope, figures, how.currencies),
        _percents(scope, figures),
    ]
    return Report(findings, totals=totals)


def _affected(scope: Scope, tables: Mapping[str, Relation]) -> dict[str, Relation]:
    """The tables with the orders and items of the affected orders alone."""
    affected = {name: scope.only_affected(tables[name], "order_id") for name in (ORDERS, ITEMS)}
    return {**tables, **affected}


def compared(tables: Mapping[str, Relation], how: Compared) -> dict[str, Any]:
    """`TOTALS` over the orders and items, and an order that is waited for, as `waits`."""
    causes = ", ".join(
        f"count(CASE WHEN cause = '{cause}' THEN 1 END) AS {cause}, "
        f"sum(CASE WHEN cause = '{cause}' THEN worth_of_difference END) AS {cause}_amount"
        for cause in CAUSES
    )
    (row,) = query(
        f"""
        SELECT count(order_id) AS orders,
            sum(CASE WHEN order_id IS NOT NULL THEN worth END) AS orders_amount,
            count(CASE WHEN order_id IS NOT NULL AND exchange_rate IS NULL THEN 1 END) AS unrated,
            count(CASE WHEN is_sale THEN 1 END) AS sold,
            count(CASE WHEN is_empty THEN 1 END) AS empty,
            sum(CASE WHEN is_empty THEN worth END) AS empty_amount,
            count(CASE WHEN disagrees THEN 1 END) AS disagreeing,
            sum(CASE WHEN disagrees THEN worth END) AS disagreeing_amount,
            sum(CASE WHEN disagrees THEN worth_of_difference END) AS difference_amount, {causes},
            CAST(sum(items) AS BIGINT) AS items,
            CAST(sum(CASE WHEN order_id IS NULL THEN items END) AS BIGINT) AS waiting,
            sum(CASE WHEN order_id IS NULL THEN items_total END) AS waiting_amount,
            CAST(sum(odd_lines) AS BIGINT) AS odd_lines,
            CAST(sum(odd_percents) AS BIGINT) AS odd_percents,
            CAST(sum(discounted) AS BIGINT) AS discounted,
            min(CASE WHEN order_id IS NULL THEN item_order_id END) AS waits
        FROM joined""",
        joined=joined(tables, how),
    ).rows()
    return {name: value or 0 if name in TOTALS else value for name, value in row.items()}


def _held(scope: Scope, parse: Parse) -> int:
    """The items that wait for an order in quarantine."""
    quarantined = scope.consult(f"{ORDERS}_quarantine")
    if quarantined is None:
        return 0
    return query(
        """
        SELECT items.order_item_id FROM items
        SEMI JOIN held ON items.order_id = held.order_id
        ANTI JOIN orders ON items.order_id = orders.order_id""",
        items=scope.upstream[ITEMS],
        held=parse(quarantined).select("order_id"),
        orders=scope.upstream[ORDERS],
    ).count()


def _largest(scope: Scope, how: Compared, flag: str) -> list[dict[str, Any]]:
    """The affected order of the greatest total among those for which a flag holds, as a sample."""
    columns = (*AMOUNT_COLUMNS, "currency") if how.currencies.others else AMOUNT_COLUMNS
    found = query(
        f"""
        SELECT {", ".join(columns)} FROM joined WHERE {flag}
        ORDER BY worth DESC NULLS LAST, total_amount DESC NULLS LAST, order_id DESC""",
        joined=joined(_affected(scope, scope.upstream), how),
    )
    return found.rows(1)


def joined(tables: Mapping[str, Relation], how: Compared) -> Relation:
    """One row per order with the sums of its items, including orders known only from items."""
    money = how.currencies
    return query(
        f"""
        WITH per_order AS (
            SELECT order_id AS item_order_id, count(*) AS items, sum(line_total) AS items_total,
                sum(discount_amount) AS items_off, max(line_total) AS dearest,
                min(line_total) AS cheapest,
                count(CASE WHEN {is_odd(money)} THEN 1 END) AS odd_lines,
                count(CASE WHEN {BELOW_ONE_PERCENT} THEN 1 END) AS odd_percents,
                count(CASE WHEN discount_percent > 0 THEN 1 END) AS discounted
            FROM items GROUP BY order_id
        ), orders_and_items AS (
            SELECT *, coalesce(items_total, 0) AS here
            FROM orders FULL JOIN per_order ON orders.order_id = per_order.item_order_id
        ), rated AS (
            SELECT o.*, {money.rate("o.currency")} FROM orders_and_items AS o
            {money.joined("o.currency", "o.business_date", "rates")}
        ), parts AS (
            SELECT *, order_id IS NOT NULL AND {is_sold(how.not_sold)} AS is_sale,
                coalesce(subtotal, here) - discount_amount + tip_amount AS untaxed,
                CASE WHEN prices_include_tax THEN 0 ELSE tax_amount END AS tax_beside
            FROM rated
        ), expected AS (
            SELECT *, untaxed + tax_beside + shipping_amount AS whole,
                untaxed + coalesce(shipping_amount, 0) AS without_tax
            FROM parts
        ), differences AS (
            SELECT *, CASE WHEN subtotal <> here THEN here - subtotal
                WHEN whole IS NOT NULL THEN whole - total_amount
                -- If tax or shipping is not delivered, the total may only exceed the other parts.
                WHEN total_amount < untaxed THEN untaxed - total_amount END AS too_much
            FROM expected
        ), flags AS (
            SELECT *, is_sale AND items IS NULL AS is_empty, greatest(
                    CAST(coalesce(total_amount, 0) AS {money.kind}),
                    CAST(here AS {money.kind})) AS worth,
                CASE WHEN too_much < 0 THEN 0 - too_much ELSE too_much END AS difference, CASE
                    WHEN too_much = 0 OR items IS NULL THEN NULL
                    WHEN NOT prices_include_tax AND tax_amount > 0
                        AND total_amount = without_tax THEN 'tax_included'
                    WHEN prices_include_tax AND tax_amount > 0
                        AND total_amount = without_tax + tax_amount THEN 'tax_beside'
                    WHEN items_off > 0 AND too_much = 0 - items_off THEN 'discounted_twice'
                    WHEN too_much > 0 AND (subtotal <> here OR too_much = dearest
                        OR too_much = cheapest) THEN 'edited'
                    WHEN too_much < 0 THEN 'items_missing'
                    WHEN too_much > 0 THEN 'discount_not_read' END AS cause
            FROM differences
        )
        SELECT order_id, item_order_id, subtotal, items_total, tax_amount, shipping_amount,
            discount_amount, tip_amount, total_amount, items, odd_lines, odd_percents, discounted,
            is_sale, is_empty, currency, exchange_rate, {money.converted("worth")} AS worth,
            difference, {money.converted("difference")} AS worth_of_difference, cause,
            cause IS NOT NULL AS disagrees
        FROM flags""",
        **money.in_smallest_units(orders=tables[ORDERS], items=tables[ITEMS]),
        **money.rates(tables),
    )


def is_odd(currencies: Currencies) -> str:
    """SQL: whether an item's total is further off what its parts make than rounding explains.

    Of items in smallest units, by their `line_total`.
    """
    net = net_of_gross(currencies.scale)
    most, least = f"{net} + {OFF_BY}", f"{net} - ({OFF_BY})"
    return f"(line_total > {most} OR line_total < {least})"


AMOUNT_COLUMNS = (
    "order_id", "cause", "difference", "subtotal", "items_total", "tax_amount", "shipping_amount",
    "discount_amount", "tip_amount", "total_amount",
)  # fmt: skip


def _waiting(scope: Scope, figures: dict[str, Any], currency: str) -> Finding:
    waiting, items, held = figures["waiting"], figures["items"], figures["waiting_held"]
    share = Share(waiting, items, "tolerance")
    counts = {"items": waiting, "of_items": items, "waiting_amount": str(figures["waiting_amount"])}
    message = (
        f"{waiting:,} of {items:,} items ({share.described(scope.thresholds)}), worth "
        f"{figures['waiting_amount']:,.2f} {currency}, have no order"
    )
    rows: list[dict[str, Any]] = []
    advice = "They enter gold.fact_sales as soon as their order arrives."
    if waiting and figures["waits"] is not None:
        waits = scope.upstream[ITEMS].where(f"order_id = {ansi_literal(figures['waits'])}")
        rows = sample(waits.select("order_item_id", "order_id"), ["order_item_id"])
    if waiting:
        counts |= {"order_in_quarantine": held, "order_not_delivered": waiting - held}
        message += (
            f": the orders of {held:,} are in quarantine, those of {waiting - held:,} were not "
            "delivered"
        )
        if held:
            advice = (
                "Those in quarantine enter only once these orders are corrected and delivered "
                f'again: ecommerce query "select * from {ORDERS}_quarantine".'
            )
    return share_finding(
        WAITING,
        share,
        scope.thresholds,
        counts,
        sample=rows,
        message=f"{message}.",
        advice=advice,
    )


def _rated(scope: Scope, figures: dict[str, Any], currencies: Currencies) -> Finding:
    unrated, orders = figures["unrated"], figures["orders"]
    share = Share(unrated, orders, "tolerance")
    rows = []
    message = (
        f"{unrated:,} of {orders:,} orders ({share.described(scope.thresholds)}) wait for a rate"
    )
    if unrated:
        left = query(
            f"""
            SELECT o.order_id, o.currency, o.business_date FROM orders AS o
            ANTI JOIN rates AS x ON x.currency = o.currency AND x.date = o.business_date
            WHERE o.currency <> {ansi_literal(currencies.own)}""",
            orders=scope.upstream[ORDERS],
            **currencies.rates(scope.upstream),
        )
        rows = sample(left, ["business_date", "order_id"])
    if rows:
        first = rows[0]
        message += (
            f", e.g. order {first['order_id']} for one of {first['currency']} on "
            f"{first['business_date']} or within the {DAYS_VALID} days before"
        )
    return share_finding(
        RATED,
        share,
        scope.thresholds,
        {"orders": orders, "without_rate": unrated},
        sample=rows,
        message=f"{message}.",
        advice="No figure counts them, and they enter as soon as the rate arrives: deliver "
        "exchange_rates of these days; rates that break the contract are in "
        "silver.exchange_rates_quarantine.",
    )


def _empty(scope: Scope, figures: dict[str, Any], how: Compared) -> Finding:
    empty, sold = figures["empty"], figures["sold"]
    share = Share(empty, sold, "tolerance")
    rows = [] if share.passes(scope.thresholds) else _largest(scope, how, "is_empty")
    message = (
        f"{empty:,} of {sold:,} orders sold ({share.described(scope.thresholds)}), with a "
        f"total of {figures['empty_amount']:,} {how.currencies.own}, have no item"
    )
    if rows:
        message += f", e.g. {rows[0]['order_id']}"
    return share_finding(
        EMPTY,
        share,
        scope.thresholds,
        {"orders": sold, "without_item": empty, "total": str(figures["empty_amount"])},
        sample=rows,
        message=f"{message}.",
        advice="No figure counts them: see silver.order_items_quarantine, and request "
        "the items that are missing.",
    )  # fmt: skip


def _amounts(
    scope: Scope,
    figures: dict[str, Any],
    of_run: dict[str, Any],
    how: Compared,
) -> Finding:
    disagreeing, orders = figures["disagreeing"], figures["orders"]
    currency = how.currencies.own
    share = _share_of_amounts(figures, figures["disagreeing_amount"], "tolerance")
    # What the run brought is not hidden in the history: it blocks by itself. Items that are missing
    # may still come, or are in quarantine, which has a limit of its own.
    stays = of_run["difference_amount"] - of_run["items_missing_amount"]
    run = _share_of_amounts(of_run, stays, "money_limit", blocks=True)
    blocked = not run.passes(scope.thresholds)
    shown = run if blocked else share
    rows = [] if share.passes(scope.thresholds) else _largest(scope, how, "disagrees")
    message = (
        f"{disagreeing:,} of {orders:,} orders, worth {figures['disagreeing_amount']:,} of "
        f"{figures['orders_amount']:,} {currency} ({share.described(scope.thresholds)}), disagree "
        f"with their items or parts by {figures['difference_amount']:,}"
    )
    if blocked:
        message += f"; of the run's amounts, {run.described(scope.thresholds)}"
    if rows:
        first = {name: value for name, value in rows[0].items() if value is not None}
        message += ", e.g. " + ", ".join(f"{name} {value}" for name, value in first.items())
    causes = sorted((name for name in CAUSES if figures[name]),
                    key=lambda name: -figures[f"{name}_amount"])  # fmt: skip
    advice = " ".join(
        f"{figures[name]:,} by {figures[f'{name}_amount']:,} {currency} ({name}): {CAUSES[name]}."
        for name in causes
    )
    counts = {
        "orders": orders,
        "disagreeing": disagreeing,
        "disagreeing_amount": str(figures["disagreeing_amount"]),
        "difference": str(figures["difference_amount"]),
        "share_of_run": run.value,
    }
    return share_finding(
        AMOUNTS,
        shown,
        scope.thresholds,
        {**counts, **{name: figures[name] for name in causes}},
        sample=rows,
        message=f"{message}.",
        advice=advice or "Report these orders to the shop.",
    )


def _share_of_amounts(
    figures: Mapping[str, Any], amount: Decimal, threshold: str, *, blocks: bool = False
) -> Share:
    """The share of an amount in those of the orders, counted as orders of the same share.

    Of orders by the larger of total and items, since either may be wrong; without any, they count
    alike.
    """
    orders, whole = figures["orders"], figures["orders_amount"]
    part = orders * float(amount / whole) if whole else figures["disagreeing"]
    return Share(part, orders, threshold, blocks=blocks)


def _lines(scope: Scope, figures: dict[str, Any], currencies: Currencies) -> Finding:
    odd, items = figures["odd_lines"], figures["items"]
    share = Share(odd, items, "tolerance")
    rows: list[dict[str, Any]] = []
    message = (
        f"The line_total of {odd:,} of {items:,} items ({share.described(scope.thresholds)}) "
        "differs from quantity x unit_price less discount_percent"
    )
    if not share.passes(scope.thresholds):
        columns = ["order_item_id", "quantity", "unit_price", "discount_percent", "line_total"]
        as_sold = currencies.in_smallest_units(
            orders=scope.upstream[ORDERS], items=scope.upstream[ITEMS]
        )
        off = as_sold["items"].where(is_odd(currencies))
        rows = sample(off.select(*columns), ["order_item_id"])
        if rows:
            message += ", e.g. " + ", ".join(f"{name} {value}" for name, value in rows[0].items())
    return share_finding(
        LINES,
        share,
        scope.thresholds,
        {"items": items, "disagreeing": odd},
        sample=rows,
        message=f"{message}.",
        advice="Revenue is based on line_total: find out from the shop which column is right.",
    )


def _percents(scope: Scope, figures: dict[str, Any]) -> Finding:
    odd, discounted = figures["odd_percents"], figures["discounted"]
    rows = []
    if odd:
        fraction = scope.upstream[ITEMS].where(BELOW_ONE_PERCENT)
        rows = sample(fraction.select("order_item_id", "discount_percent"), ["order_item_id"])
    return Finding(
        PERCENTS,
        passed=not odd,
        counts={"discounted_items": discounted, "below_one_percent": odd},
        sample=rows,
        message=f"{odd:,} of {discounted:,} discounted items have a discount below 1 percent.",
        advice="If the shop delivers 0.15 for 15 %, computed line totals are too high: have it "
        "deliver percent.",
    )
