"""Audit of the fact table: are the published orders and items complete, and do they agree?"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ecommerce_assets.tables.amounts import NET_AMOUNT
from ecommerce_assets.tables.audits import (
    Audit,
    Check,
    Finding,
    Report,
    Scope,
    sample,
    share_finding,
)
from ecommerce_assets.tables.audits.shares import Share

ORDERS, ITEMS = "silver.orders", "silver.order_items"
# Sums over all orders, to which each order adds its own.
TOTALS = (
    "orders", "sold", "empty", "empty_amount", "disagreeing", "items", "items_amount", "waiting",
    "waiting_amount", "odd_lines", "odd_percents", "discounted",
)  # fmt: skip
CENT = Decimal("0.01")

WAITING = Check(
    "items_without_order",
    "At most ECOMMERCE_TOLERANCE (1 %) of the order items have no order yet.",
    False,
)
EMPTY = Check(
    "orders_have_items",
    "At most ECOMMERCE_TOLERANCE (1 %) of the sales orders have no item.",
    False,
)
AMOUNTS = Check(
    "order_amounts_agree",
    "Subtotal is the sum of the items, and total is subtotal + tax + shipping - discount, to the "
    "cent; at most ECOMMERCE_TOLERANCE (1 %) of the orders disagree.",
    False,
)
LINES = Check(
    "line_totals_agree",
    "line_total is quantity x unit_price less discount_percent, within a cent; at most "
    "ECOMMERCE_TOLERANCE (1 %) of the items disagree.",
    False,
)
PERCENTS = Check(
    "discounts_are_percent",
    "No discount_percent is between 0 and 1, as if 15 % were delivered as 0.15.",
    False,
)


def orders_and_items(not_sold: Sequence[str], currency: str, received_key: str) -> Audit:
    """Compare all published orders with all published items.

    Args:
        not_sold: the statuses of orders that are not sales.
        currency: of all amounts.
        received_key: Spark SQL of an order's key, from its row as received.
    """
    checks = (WAITING, EMPTY, AMOUNTS, LINES, PERCENTS)
    run = partial(_orders_and_items, not_sold, currency, received_key)
    return Audit(checks, run, keeps_totals=True)


def _orders_and_items(
    not_sold: Sequence[str], currency: str, received_key: str, scope: Scope
) -> Report:
    """The totals of all published orders and items.

    Where those of the published snapshot are known, only the affected orders are compared, as they
    are and as they were.
    """
    known = scope.before
    if known is None or scope.affected is None:
        figures = compared(scope.upstream, not_sold)
    else:
        figures, were = [
            compared(
                {name: scope.only_affected(frames[name], "order_id") for name in (ORDERS, ITEMS)},
                not_sold,
            )
            for frames in (scope.upstream, known.upstream)
        ]
        for name in TOTALS:
            number = Decimal if name.endswith("_amount") else int
            figures[name] += number(known.totals[name]) - were[name]
    totals = {name: figures[name] for name in TOTALS}
    figures["waiting_held"] = _held(scope, received_key) if figures["waiting"] else 0
    findings = [
        _waiting(scope, figures, currency),
        _empty(scope, figures, currency),
        _amounts(scope, figures),
        _lines(scope, figures),
        _percents(scope, figures),
    ]
    return Report(findings, totals=totals)


def compared(frames: Mapping[str, DataFrame], not_sold: Sequence[str]) -> dict[str, Any]:
    """`TOTALS` over the orders and items, and examples."""
    known = F.col("order_id").isNotNull()
    row = (
        _joined(frames[ORDERS], frames[ITEMS], not_sold)
        .agg(
            F.count("order_id").alias("orders"),
            F.count_if("is_sale").alias("sold"),
            F.count_if("is_empty").alias("empty"),
            F.sum(F.when(F.col("is_empty"), F.col("total_amount"))).alias("empty_amount"),
            F.count_if("disagrees").alias("disagreeing"),
            F.sum("items").alias("items"),
            F.sum("items_total").alias("items_amount"),
            F.sum(F.when(~known, F.col("items"))).alias("waiting"),
            F.sum(F.when(~known, F.col("items_total"))).alias("waiting_amount"),
            F.sum("odd_lines").alias("odd_lines"),
            F.sum("odd_percents").alias("odd_percents"),
            F.sum("discounted").alias("discounted"),
            F.min(F.when(~known, F.col("item_order_id"))).alias("waits"),
            _largest("is_empty").alias("worst_empty"),
            _largest("disagrees").alias("worst_disagreeing"),
        )
        .collect()[0]
    )
    figures = row.asDict(recursive=True)
    return {name: value or 0 if name in TOTALS else value for name, value in figures.items()}


def _held(scope: Scope, received_key: str) -> int:
    """The items that wait for an order in quarantine."""
    quarantined = scope.consult(f"{ORDERS}_quarantine")
    if quarantined is None:
        return 0
    ids = quarantined.select(F.trim(F.expr(received_key)).alias("order_id")).distinct()
    items = scope.upstream[ITEMS].join(ids, "order_id", "left_semi")
    return items.join(scope.upstream[ORDERS], "order_id", "left_anti").count()


def _largest(which: str) -> Column:
    """The order of the greatest total among those for which a flag holds."""
    rest = [name for name in AMOUNT_COLUMNS if name != "total_amount"]
    return F.max(F.when(F.col(which), F.struct("total_amount", *rest)))


def _joined(orders: DataFrame, items: DataFrame, not_sold: Sequence[str]) -> DataFrame:
    """One row per order with the sums of its items, including orders known only from items."""
    expected = F.expr(NET_AMOUNT)
    per_order = items.groupBy(F.col("order_id").alias("item_order_id")).agg(
        F.count("*").alias("items"),
        F.sum("line_total").alias("items_total"),
        F.count_if(F.abs(F.col("line_total") - expected) > CENT)
        .alias("odd_lines"),
        F.count_if((F.col("discount_percent") > 0) & (F.col("discount_percent") < 1))
        .alias("odd_percents"),
        F.count_if(F.col("discount_percent") > 0).alias("discounted"),
    )  # fmt: skip
    # A broadcast would be another Spark job.
    joined = orders.join(
        per_order.hint("merge"), orders.order_id == per_order.item_order_id, "full_outer"
    )
    here = F.coalesce("items_total", F.lit(0))
    parts = F.coalesce("subtotal", here) - F.col("discount_amount")
    extras = F.col("tax_amount") + F.col("shipping_amount")
    # If tax or shipping is not delivered, the total may only exceed the sum of the other parts.
    total_disagrees = F.when(extras.isNotNull(), F.col("total_amount") != parts + extras).otherwise(
        F.col("total_amount") < parts
    )
    subtotal_disagrees = F.col("subtotal") != here
    is_sale = F.col("order_id").isNotNull() & ~F.col("status").isin(*not_sold)
    return joined.select(
        "order_id",
        "item_order_id",
        "subtotal",
        "items_total",
        "tax_amount",
        "shipping_amount",
        "discount_amount",
        "total_amount",
        "items",
        "odd_lines",
        "odd_percents",
        "discounted",
        is_sale.alias("is_sale"),
        (is_sale & F.col("items").isNull()).alias("is_empty"),
        F.coalesce(subtotal_disagrees | total_disagrees, subtotal_disagrees, total_disagrees,
                   F.lit(False)).alias("disagrees"),
    )  # fmt: skip


AMOUNT_COLUMNS = (
    "order_id", "subtotal", "items_total", "tax_amount", "shipping_amount", "discount_amount",
    "total_amount",
)  # fmt: skip


def _waiting(scope: Scope, figures: dict[str, Any], currency: str) -> Finding:
    waiting, items, held = figures["waiting"], figures["items"], figures["waiting_held"]
    share = Share(waiting, items, "tolerance")
    counts = {"items": waiting, "of_items": items, "waiting_amount": str(figures["waiting_amount"])}
    message = (
        f"{waiting:,} of {items:,} items ({share.described(scope.thresholds)}), worth "
        f"{figures['waiting_amount']:,} {currency}, have no order"
    )
    rows: list[dict[str, Any]] = []
    advice = "They enter gold.fact_sales as soon as their order arrives."
    if waiting and figures["waits"] is not None:
        waits = scope.upstream[ITEMS].where(F.col("order_id") == figures["waits"])
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


def _empty(scope: Scope, figures: dict[str, Any], currency: str) -> Finding:
    empty, sold = figures["empty"], figures["sold"]
    share = Share(empty, sold, "tolerance")
    rows = [] if share.passes(scope.thresholds) else _example(figures["worst_empty"])
    message = (
        f"{empty:,} of {sold:,} orders sold ({share.described(scope.thresholds)}), with a "
        f"total of {figures['empty_amount']:,} {currency}, have no item"
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


def _amounts(scope: Scope, figures: dict[str, Any]) -> Finding:
    disagreeing, orders = figures["disagreeing"], figures["orders"]
    share = Share(disagreeing, orders, "tolerance")
    rows = [] if share.passes(scope.thresholds) else _example(figures["worst_disagreeing"])
    message = (
        f"{disagreeing:,} of {orders:,} orders ({share.described(scope.thresholds)}) "
        "disagree with their items or parts"
    )
    if rows:
        first = {name: value for name, value in rows[0].items() if value is not None}
        message += ", e.g. " + ", ".join(f"{name} {value}" for name, value in first.items())
    return share_finding(
        AMOUNTS,
        share,
        scope.thresholds,
        {"orders": orders, "disagreeing": disagreeing},
        sample=rows,
        message=f"{message}.",
        advice="Items may be missing or in quarantine, or a discount may be in a column that is "
        "not read (see schema_as_usual in bronze); otherwise report these orders to the shop.",
    )


def _lines(scope: Scope, figures: dict[str, Any]) -> Finding:
    odd, items = figures["odd_lines"], figures["items"]
    share = Share(odd, items, "tolerance")
    rows: list[dict[str, Any]] = []
    message = (
        f"The line_total of {odd:,} of {items:,} items ({share.described(scope.thresholds)}) "
        "differs from quantity x unit_price less discount_percent"
    )
    if not share.passes(scope.thresholds):
        columns = ["order_item_id", "quantity", "unit_price", "discount_percent", "line_total"]
        expected = F.expr(NET_AMOUNT)
        off = scope.upstream[ITEMS].where(F.abs(F.col("line_total") - expected) > CENT)
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
        fraction = scope.upstream[ITEMS].where("discount_percent > 0 and discount_percent < 1")
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


def _example(order: dict[str, Any] | None) -> list[dict[str, Any]]:
    """An order as a sample; none if the run has not affected such an order."""
    return [{name: order[name] for name in AMOUNT_COLUMNS}] if order else []
