"""The landing layout, and the names of the provenance columns."""

from datetime import date

FOLDER = "ingestion_date="
INGESTION_DATE = "_ingestion_date"
SOURCE_FILE = "_source_file"
RESCUED = "_rescued_data"  # what a record holds beyond the contract
SURPLUS = "_surplus_fields"  # in it, the fields of a row for which the header has no name
ROW_NUMBER = "_row_number"
PROVENANCE = (INGESTION_DATE, SOURCE_FILE, ROW_NUMBER)


def date_folder(day: date) -> str:
    """Name of a date's folder."""
    return f"{FOLDER}{day.isoformat()}"


def day_of_folder(name: str) -> date:
    """The date of a folder of `date_folder`.

    Raises:
        ValueError: the name is that of none.
    """
    return date.fromisoformat(name.removeprefix(FOLDER))
