"""Audits of bronze: did the delivery bring anything."""

from ecommerce_assets.tables.audits import SAMPLE_ROWS, Audit, Check, Finding, Report, Scope

DELIVERED = Check(
    "delivery_not_empty", "Every ingestion date of the run brought at least one row.", False
)


def _empty_delivery(scope: Scope) -> Report:
    rows_by_date = {day: scope.rows_by_date.get(day, 0) for day in scope.dates}
    empty = [day.isoformat() for day, rows in rows_by_date.items() if not rows]
    finding = Finding(
        DELIVERED,
        passed=not empty,
        counts={"dates": len(rows_by_date), "empty_dates": len(empty)},
        sample=[{"empty_date": day} for day in empty[:SAMPLE_ROWS]],
        advice="Nothing to do if the shop sent nothing; otherwise land the files and run again.",
    )
    return Report([finding], rows_by_date)


empty_delivery = Audit((DELIVERED,), _empty_delivery)
