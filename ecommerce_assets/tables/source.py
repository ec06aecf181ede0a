"""Bronze tables from the contract of a source: header names, and which of them are required."""

import pandera.pyspark as pa
from pyspark.sql import DataFrame
from pyspark.sql import types as T

from ecommerce_assets.tables.audits.bronze import (
    empty_delivery,
    files_read,
    last_record_complete,
    rows_as_before,
    volume_as_usual,
)
from ecommerce_assets.tables.audits.columns import schema_as_usual
from ecommerce_assets.tables.declaration import Table
from ecommerce_assets.tables.types import COUNT, DATE, TEXT, TIMESTAMP

INGESTION_DATE = "_ingestion_date"
REQUIRED = "required"
LANDING = "landing"


def provenance() -> dict[str, pa.Column]:
    """The columns that say where a row came from; `_source_file` and `_row_number` name it."""
    return {
        "_ingestion_date": pa.Column(DATE, description="Date of the delivery's folder."),
        "_source_file": pa.Column(TEXT, description="Path of the file below landing."),
        "_row_number": pa.Column(
            COUNT,
            pa.Check.ge(1),
            description="1-based position in the file; header and blank lines not counted.",
        ),
    }


def bronze_table(
    *,
    module: str,
    name: str,
    description: str,
    required: dict[str, str],
    optional: dict[str, str],
) -> Table:
    """A bronze table: the source columns as strings exactly as received, and their provenance.

    Args:
        module: `__name__` of the declaring module.
        name: the table, and the folder below landing.
        description: what a row is.
        required: description by header name; a file whose header lacks one fails the run.
        optional: description by header name; null where the file lacks the column.
    """
    columns = {
        column: pa.Column(
            TEXT, nullable=True, description=text, metadata={REQUIRED: column in required}
        )
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
                description="JSON of what the contract has no column for: unknown columns by "
                "name, surplus fields of a row as a list under `_surplus_fields`, and `_cut_off` "
                "where the file ends in the middle of the record.",
            ),
        },
        name=name,
        description=f"{description}\n\nRows as received, one per record of each landed file.",
        unique=["_source_file", "_row_number"],
    )
    return Table(
        layer="bronze",
        name=name,
        schema=schema,
        transform=as_received,
        copies=f"{LANDING}.{name}",
        copied_columns=tuple(columns),
        partitioned_by=(INGESTION_DATE,),
        unit=INGESTION_DATE,
        audits=(
            empty_delivery,
            files_read,
            last_record_complete,
            rows_as_before,
            schema_as_usual,
            volume_as_usual,
        ),
        key_judged_apart=True,
        modules=(module,),
    )


def as_received(landed: DataFrame) -> DataFrame:
    """One row per record of the landed files, nothing changed."""
    return landed


def source_columns(table: Table) -> dict[str, bool]:
    """The source columns of a bronze table, in order, and whether a header must have them."""
    return {
        name: bool(column.metadata[REQUIRED])
        for name, column in table.columns.items()
        if column.metadata and REQUIRED in column.metadata
    }


def landed_struct(table: Table) -> T.StructType:
    """Spark schema of a bronze table's frame of landed files."""
    return T.StructType([T.StructField(f.name, f.dataType) for f in table.struct.fields])
