"""The landing layout: names of the date folders; no library needed to know them."""

from datetime import date

FOLDER = "ingestion_date="
ENDINGS = (".csv", ".csv.gz")


def date_folder(day: date) -> str:
    """Name of a delivery's folder."""
    return f"{FOLDER}{day.isoformat()}"
