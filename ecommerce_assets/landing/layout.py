"""The landing layout: names of the date folders; no library needed to know them."""

from datetime import date

FOLDER = "ingestion_date="
SOURCES = ("customers", "products", "orders", "order_items")
ENDINGS = (".csv", ".csv.gz")


def date_folder(day: date) -> str:
    """Name of a delivery's folder."""
    return f"{FOLDER}{day.isoformat()}"
