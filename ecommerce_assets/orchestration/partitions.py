"""The daily partitions of all assets, keyed on ingestion date."""

from datetime import date

import dagster as dg


def daily_partitions(start: date) -> dg.DailyPartitionsDefinition:
    """One partition per ingestion date (UTC) from `start` to the last complete day."""
    return dg.DailyPartitionsDefinition(start_date=start.isoformat(), timezone="UTC")
