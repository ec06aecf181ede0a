"""Bronze: the rows as delivered, one table per source of the shop file."""

import pandera.pandas as pa

from ecommerce_assets.engine.relation import Relation
from ecommerce_assets.landing.layout import INGESTION_DATE, RESCUED, ROW_NUMBER, SOURCE_FILE
from ecommerce_assets.landing.source import FILLED_DOWN, LINE_NUMBER, Source, column_of
from ecommerce_assets.model.strategies import Landed
from ecommerce_assets.model.table import Table
from ecommerce_assets.shop import Shop
from ecommerce_assets.tables.audits.bronze import (
    empty_delivery,
    every_run_audit,
    fields_as_in_header,
    last_record_complete,
    quotes_closed,
    rows_as_before,
    rows_of_no_table,
    volume_as_usual,
)
from ecommerce_assets.tables.audits.columns import schema_as_usual
from ecommerce_assets.tables.feed import conditions_of
from ecommerce_assets.tables.provenance import provenance
from ecommerce_assets.tables.types import COUNT, TEXT, TEXTS, TIMESTAMP, kinds_of

LANDING = "landing"


def tables_of_shop(shop: Shop) -> tuple[Table, ...]:
    """A bronze table for each source."""
    return tuple(bronze_table(shop, f"bronze.{source.name}") for source in shop.sources)


def bronze_table(shop: Shop, identifier: str) -> Table:
    """The columns of a source as strings exactly as received, and their provenance.

    Args:
        identifier: `bronze.` and the source's name.
    """
    name = identifier.removeprefix("bronze.")
    (source,) = [found for found in shop.sources if found.name == name]
    declared = shop.declared.sources[name]
    columns = {
        column_of(header): pa.Column(TEXT, nullable=True, description=text or f"{header}.")
        for header, text in {**declared.required, **declared.optional}.items()
    }
    of_lines = {}
    if source.numbered_within:
        of_lines[LINE_NUMBER] = pa.Column(
            COUNT,
            pa.Check.ge(1),
            description="Number of the record among those of its file with the same "
            f"{' and '.join(source.numbered_within)}, from 1 on.",
        )
    if source.filled_down:
        of_lines[FILLED_DOWN] = pa.Column(
            TEXTS,
            nullable=True,
            description="By empty column, the value of a record above with the same "
            f"{' and '.join(source.filled_within)}.",
        )
    description = declared.description or f"A row of {name} as the shop delivered it."
    schema = pa.DataFrameSchema(
        {
            **columns,
            **provenance(),
            **of_lines,
            "_ingested_at": pa.Column(TIMESTAMP, description="When the run read the file."),
            RESCUED: pa.Column(
                TEXT,
                nullable=True,
                description="JSON of data without a column in the contract: unknown columns by "
                "name, surplus fields of a row as a list in `_surplus_fields`, `_cut_off` if the "
                "file ends in the middle of the record, and `_stray_quote` if a quoted field "
                "holds what looks like lines.",
            ),
        },
        name=name,
        description=f"{description}\n\nRows as received, one per record of each landed file.",
        unique=[SOURCE_FILE, ROW_NUMBER],
    )
    conditions = conditions_of(shop, name)
    return Table(
        layer="bronze",
        name=name,
        schema=schema,
        transform=as_received,
        origins={column: ((f"{LANDING}.{name}", column),) for column in columns},
        partitioned_by=(INGESTION_DATE,),
        refresh=Landed(source, kinds_of(schema.columns)),
        audits=(
            *([] if declared.may_be_absent else [empty_delivery]),
            every_run_audit,
            last_record_complete,
            quotes_closed,
            fields_as_in_header,
            rows_as_before,
            schema_as_usual,
            volume_as_usual,
            *([rows_of_no_table(conditions)] if conditions else []),
        ),
        key_checked_apart=True,
    )


def as_received(landed: Relation) -> Relation:
    """One row per record of the landed files, unchanged."""
    return landed


def source_of(table: Table) -> Source:
    """The source of a bronze table."""
    assert isinstance(table.refresh, Landed)
    return table.refresh.source
