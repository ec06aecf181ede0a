"""Audits of bronze: did the delivery bring anything, and about as much as usual."""

from datetime import timedelta

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

WEEKS = 4
FEWEST_WEEKS = 2

USUAL = Check(
    "volume_as_usual",
    f"Each date's rows are about as many as on the same weekday of the {WEEKS} weeks before, by "
    "ECOMMERCE_VOLUME_CHANGE; judged where two of these weeks at least brought rows.",
    False,
)


def _volume_as_usual(scope: Scope) -> Report:
    judged, unusual = 0, []
    for day in scope.dates:
        weeks = [scope.rows_by_date.get(day - timedelta(weeks=n), 0) for n in range(1, WEEKS + 1)]
        known = [rows for rows in weeks if rows]
        if len(known) < FEWEST_WEEKS:
            continue
        judged += 1
        usual, rows = sum(known) / len(known), scope.rows_by_date.get(day, 0)
        if abs(rows - usual) > scope.volume_change * usual:
            unusual.append({"date": day.isoformat(), "rows": rows, "usual": round(usual)})
    finding = Finding(
        USUAL,
        passed=not unusual,
        counts={"dates": judged, "unusual_dates": len(unusual), "limit": scope.volume_change},
        sample=unusual[:SAMPLE_ROWS],
        advice="Nothing to do if the shop had such a day; otherwise ask for what is missing.",
    )
    return Report([finding])


volume_as_usual = Audit((USUAL,), _volume_as_usual, looks_back=timedelta(weeks=WEEKS))
