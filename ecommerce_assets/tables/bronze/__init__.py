"""Bronze: the rows as delivered, one table per source."""

from collections.abc import Mapping

import pandera.pyspark as pa
from pyspark.sql import DataFrame
from pyspark.sql import types as T

from ecommerce_assets.landing.layout import INGESTION_DATE, ROW_NUMBER, SOURCE_FILE
from ecommerce_assets.refresh.landed import Landed
from ecommerce_assets.tables.audits.bronze import (
    empty_delivery,
    every_run_audit,
    last_record_complete,
    rows_as_before,
    volume_as_usual,
)
from ecommerce_assets.tables.audits.columns import schema_as_usual
from ecommerce_assets.tables.declaration import Table
from ecommerce_assets.tables.provenance import provenance
from ecommerce_assets.tables.types import TEXT, TIMESTAMP

LANDING = "landing"


def bronze_table(
    *,
    name: str,
    description: str,
    required: dict[str, str],
    optional: dict[str, str],
) -> Table:
    """A bronze table: the source columns as strings exactly as received, and their provenance.

    Args:
        name: the table, and the folder below landing.
        description: what a row is.
        required: description by header name; a file whose header lacks one fails the run.
        optional: description by header name; null where the file lacks the column.
    """
    columns = {
        column: pa.Column(TEXT, nullable=True, description=text)
        for column, text in {**required, **optional}.items()
    }
    schema = pa.DataFrameSchema(
        {
            **columns,
            **provenance(),
            "_ingested_at": pa.Column(TIMESTAMP, description="When the run read the file."),
            "_rescued_data": pa.Column(
                TEXT,
                nullable=True,
                description="JSON of data without a column in the contract: unknown columns by "
                "name, surplus fields of a row as a list in `_surplus_fields`, and `_cut_off` "
                "if the file ends in the middle of the record.",
            ),
        },
        name=name,
        description=f"{description}\n\nRows as received, one per record of each landed file.",
        unique=[SOURCE_FILE, ROW_NUMBER],
    )
    landed = [T.StructField(name, found.dtype.type) for name, found in schema.columns.items()]
    return Table(
        layer="bronze",
        name=name,
        schema=schema,
        transform=as_received,
        copies=f"{LANDING}.{name}",
        copied_columns=tuple(columns),
        partitioned_by=(INGESTION_DATE,),
        refresh=Landed({name: name in required for name in columns}, T.StructType(landed)),
        audits=(
            empty_delivery,
            every_run_audit,
            last_record_complete,
            rows_as_before,
            schema_as_usual,
            volume_as_usual,
        ),
        key_checked_apart=True,
    )


def as_received(landed: DataFrame) -> DataFrame:
    """One row per record of the landed files, unchanged."""
    return landed


def source_columns(table: Table) -> Mapping[str, bool]:
    """By source column of a bronze table, in order, whether a header must have it."""
    assert isinstance(table.refresh, Landed)
    return table.refresh.columns
