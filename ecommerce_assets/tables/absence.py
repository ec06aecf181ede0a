"""What a later delivery no longer holds: SQL over the versions of a table's keys, in both engines.

A delivery is what a date brought. Where a delivery is the whole of something, a row counts only if
the latest delivery of that whole has its key, be it broken; that delivery is the one with the
highest version.
"""

from dataclasses import dataclass

from ecommerce_assets.landing.layout import INGESTION_DATE
from ecommerce_assets.model.versions import latest_first
from ecommerce_assets.shop import Shop
from ecommerce_assets.tables.contract import IS_GONE, VALID
from ecommerce_assets.tables.provenance import VERSION_ORDER

PRESENT = "_is_present"


@dataclass(frozen=True)
class Absence:
    """What the deliveries of a table say by what they lack.

    Attributes:
        key: the key column.
        whole: the column whose rows of one value a delivery holds as a whole; None for none.
        complete: whether a delivery holds the whole table.
        gone: whether rows say that their key is gone.
    """

    key: str
    whole: str | None
    complete: bool
    gone: bool

    def versions(self, rows: str) -> str:
        """The query of the rows that speak of the table, with `PRESENT` (1 or 0) and `IS_GONE`.

        Args:
            rows: the relation of judged rows.
        """
        is_gone = "" if self.gone else f", false AS {IS_GONE}"
        of_table = f"{rows} WHERE {VALID} IS NOT NULL"
        if self.complete:
            dated = f"""
                SELECT j.*, w._whole_date FROM (SELECT * FROM {of_table}) AS j
                    JOIN (SELECT max({INGESTION_DATE}) AS _whole_date FROM {of_table}) AS w
                    ON j.{INGESTION_DATE} <= w._whole_date"""
            by = self.key
        elif self.whole:
            order = f"CASE WHEN {VALID} THEN 1 ELSE 0 END DESC, {latest_first(VERSION_ORDER)}"
            dated = f"""
                SELECT *, max(CASE WHEN _place = 1 THEN {INGESTION_DATE} END)
                    OVER (PARTITION BY {self.whole}) AS _whole_date
                FROM (
                    SELECT *, row_number() OVER (PARTITION BY {self.whole} ORDER BY {order})
                        AS _place
                    FROM {of_table}
                ) AS placed"""
            by = f"{self.whole}, {self.key}"
        else:
            return f"SELECT *, 1 AS {PRESENT}{is_gone} FROM {of_table}"
        return f"""
            SELECT *, max(CASE WHEN {INGESTION_DATE} = _whole_date THEN 1 ELSE 0 END)
                OVER (PARTITION BY {by}) AS {PRESENT}{is_gone}
            FROM ({dated}) AS dated"""


def absence_of(shop: Shop, table: str, key: str) -> Absence | None:
    """What the deliveries of a table say by what they lack; None for nothing."""
    parts = shop.declared.tables.get(table, ())
    whole = "order_id" if any(part.replaces for part in parts) else None
    complete = any(part.complete for part in parts)
    gone = any(part.gone for part in parts)
    return Absence(key, whole, complete, gone) if whole or complete or gone else None
