"""Findings on rows that keep the contract and are probably not what the shop means."""

from decimal import Decimal
from typing import Any

from ecommerce_assets.engine.queries import query
from ecommerce_assets.model.audit import Finding
from ecommerce_assets.model.shares import Share
from ecommerce_assets.tables.audits import Scope, sample, share_finding
from ecommerce_assets.tables.audits.fates import KNOWN, Account, with_fates
from ecommerce_assets.tables.audits.marked import (
    IS_ROUNDED,
    NAMED_BY_SALES,
    SELLS_NOTHING,
    SMALLEST_UNIT,
    renamed,
)
from ecommerce_assets.tables.audits.quarantine import Keyed
from ecommerce_assets.tables.audits.repeated import NOT_REPEATED, Repeats, replaced
from ecommerce_assets.tables.contract import VALID


def not_repeated(
    keyed: Keyed,
    repeats: Repeats,
    scope: Scope,
    kinds: dict[str, tuple[int, Decimal | None]],
) -> Finding:
    """Whether rows do not count because another row of a delivery has their key.

    Args:
        kinds: by way, as `Repeats.kind` says it, the rows and the sum of their values.
    """
    message, rows = replaced(kinds, keyed.shop.unconverted), list[dict[str, Any]]()
    if kinds:
        told = query(
            "SELECT key, _source_file, _row_number, kept_file, kept_row_number, value, repeats "
            "FROM fates WHERE of_run AND repeats IS NOT NULL",
            fates=with_fates(keyed, scope),
        )
        rows = sample(told, ["value DESC NULLS LAST", "_source_file", "_row_number"])
    if rows:
        first = rows[0]
        message += (
            f"; e.g. {keyed.key} {scope.shown(keyed.key, first['key'])!r}: "
            f"{scope.location(first['kept_file'], first['kept_row_number'])} in place of "
            f"{scope.location(first['_source_file'], first['_row_number'])}"
        )
    worth = [value for _, value in kinds.values() if value is not None]
    return Finding(
        NOT_REPEATED,
        passed=not kinds,
        counts={
            "rows": sum(number for number, _ in kinds.values()),
            **({"value": str(sum(worth))} if worth else {}),
        },
        sample=[{**row, "key": scope.shown(keyed.key, row["key"])} for row in rows],
        message=f"{message}.",
        advice=f"{repeats.remedy(kinds)} The shop file is {keyed.shop.file}.",
    )


def in_smallest_unit(keyed: Keyed, scope: Scope, account: Account) -> Finding:
    """Whether amounts of the run's rows have fractions of the currency's smallest unit."""
    rows, rounded = account.marked[f"{KNOWN}{IS_ROUNDED}"], account.marked[IS_ROUNDED]
    share = Share(rounded, rows, "tolerance")
    message = (
        f"{rounded:,} of {rows:,} rows ({share.described(scope.thresholds)}) have an amount with "
        f"a fraction of the smallest unit of {keyed.shop.unconverted}, which is rounded"
    )
    found = []
    if rounded:
        marked = scope.versions.candidates.where(f"{VALID} AND {IS_ROUNDED}")
        found = sample(
            marked.select("_source_file", "_row_number"), ["_source_file", "_row_number"]
        )
    if found:
        message += f", like {scope.location(found[0]['_source_file'], found[0]['_row_number'])}"
    return share_finding(
        SMALLEST_UNIT,
        share,
        scope.thresholds,
        {"rows": rows, "rounded": rounded},
        sample=found,
        message=f"{message}.",
        advice="Sums of rounded amounts may differ from those of the shop by half a unit a row: "
        "have the amounts delivered as they were paid.",
    )


def named_by_sales(scope: Scope, account: Account) -> Finding:
    """Whether products are called what a line says that sells nothing."""
    found: list[dict[str, Any]] = []
    products = 0
    if account.marked[SELLS_NOTHING]:
        valid = query(
            f"""
            SELECT c.*, k._row_number IS NOT NULL AS is_current
            FROM candidates AS c LEFT JOIN kept AS k ON c._source_file = k._source_file
                AND c._row_number = k._row_number
            WHERE c.{VALID}""",
            candidates=scope.versions.candidates,
            kept=scope.only_affected(scope.snapshot, "product_id"),
        )
        columns = "n.product_id, n.name, n.price, n._source_file, n._row_number"
        renamed_ones = query(renamed("valid", columns), valid=valid)
        products = renamed_ones.count()
        found = sample(renamed_ones, ["product_id"]) if products else []
    message = f"{products:,} products have name and price from a line that sells nothing"
    if found:
        first = found[0]
        message += (
            f", like {first['product_id']!r}, which is called {first['name']!r} since "
            f"{scope.location(first['_source_file'], first['_row_number'])}"
        )
    return Finding(
        NAMED_BY_SALES,
        passed=not products,
        counts={"products": products},
        sample=found,
        message=f"{message}.",
        advice="Take products from the lines that are sold: write into tables.products.where what "
        "tables.order_items.where says, and that the price is above 0.",
    )
