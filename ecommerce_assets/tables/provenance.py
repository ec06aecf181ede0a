"""The provenance columns: where a row came from, and which of several versions is the latest."""

import pandera.pandas as pa

from ecommerce_assets.landing.layout import INGESTION_DATE, PROVENANCE, ROW_NUMBER, SOURCE_FILE
from ecommerce_assets.tables.types import COUNT, DATE, TEXT

# Versions of a key are compared by these columns; a null is lowest.
VERSION_ORDER = ("updated_at", *PROVENANCE)


def provenance() -> dict[str, pa.Column]:
    """The provenance columns; `_source_file` and `_row_number` identify a delivered record."""
    return {
        INGESTION_DATE: pa.Column(DATE, description="Date of the delivery's folder."),
        SOURCE_FILE: pa.Column(TEXT, description="Path of the file below landing."),
        ROW_NUMBER: pa.Column(
            COUNT,
            pa.Check.ge(1),
            description="1-based position in the file; header and blank lines not counted.",
        ),
    }
