"""Silver tables: the current version of each key, and the quarantine of what broke the contract."""

from collections.abc import Callable, Mapping
from functools import partial

import pandera.pyspark as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from ecommerce_assets.tables.audits.quarantine import Keyed, held_back, quarantined_rows
from ecommerce_assets.tables.audits.silver import accounting
from ecommerce_assets.tables.contract import Contract, CrossFieldRule
from ecommerce_assets.tables.declaration import Table
from ecommerce_assets.tables.follows import by, by_day
from ecommerce_assets.tables.source import INGESTION_DATE, provenance
from ecommerce_assets.tables.types import REASONS


def silver_table(
    *,
    module: str,
    name: str,
    model: type[pa.DataFrameModel],
    partitioned_by: tuple[str, ...] = (),
    computed: Mapping[str, Callable[[Mapping[str, Column]], Column]] | None = None,
    rules: tuple[CrossFieldRule, ...] = (),
    parent: str | None = None,
    value: str | None = None,
) -> Table:
    """The current row of each key of `bronze.<name>`.

    Args:
        module: `__name__` of the declaring module.
        name: name of the bronze and of the silver table.
        model: the contract; its first column is the key.
        partitioned_by: Iceberg partition transforms.
        computed: for a column that may be empty in the source: its value, from the typed columns.
        rules: rules over several values of a row.
        parent: the column that all versions of a key should name alike.
        value: the column that says what a row is worth, EUR.
    """
    schema = model.to_schema()
    (key,) = [schema.unique] if isinstance(schema.unique, str) else schema.unique
    contract = Contract(schema, computed or {}, rules)
    keyed = Keyed(f"bronze.{name}", key, parent, value, contract.parse)
    schema = pa.DataFrameSchema(
        {**schema.columns, **provenance()},
        name=name,
        description=f"{model.__doc__}\n\nThe latest valid version of each key: highest updated_at; "
        "ties by ingestion date, file and row number.",
        unique=[key],
    )
    return Table(
        layer="silver",
        name=name,
        schema=schema,
        transform=partial(current_versions, key=key, columns=tuple(contract.schema.columns)),
        upstream=(f"bronze.{name}",),
        prepare={f"bronze.{name}": contract.parse},
        unit=key,
        follows={f"bronze.{name}": by(key)},
        versions=True,
        partitioned_by=partitioned_by,
        audits=(accounting(keyed), held_back(keyed)),
        modules=(module,),
    )


def quarantine_table(*, module: str, silver: Table, bronze: Table) -> Table:
    """The rows of `bronze` that break the contract of `silver`, with every reason."""
    schema = pa.DataFrameSchema(
        {
            **bronze.schema.columns,
            "_reasons": pa.Column(
                REASONS,  # type: ignore[arg-type]  # pandera 0.35 takes any Spark type
                description="Every reason why the row broke the contract.",
            ),
        },
        name=f"{silver.name}_quarantine",
        description=f"A row of {bronze.identifier} that broke the contract.\n\nThe row as "
        "received, with every reason; it leaves when a corrected delivery replaces it.",
        unique=["_source_file", "_row_number"],
    )
    return Table(
        layer="silver",
        name=f"{silver.name}_quarantine",
        schema=schema,
        transform=quarantined,
        upstream=(bronze.identifier,),
        prepare=silver.prepare,
        copies=bronze.identifier,
        copied_columns=tuple(bronze.columns),
        unit=INGESTION_DATE,
        follows={bronze.identifier: by_day(INGESTION_DATE)},
        partitioned_by=(INGESTION_DATE,),
        audits=(quarantined_rows,),
        modules=(module, *silver.modules),
    )


def current_versions(parsed: DataFrame, *, key: str, columns: tuple[str, ...]) -> DataFrame:
    """One row per key: its current version among the valid ones.

    The greatest by (`updated_at` nulls first, `_ingestion_date`, `_source_file`, `_row_number`)
    is current (DESIGN, section 3).
    """
    newest_first = Window.partitionBy(key).orderBy(
        F.col("updated_at").desc_nulls_last(), *[F.col(name).desc() for name in provenance()]
    )
    return (
        parsed.where(F.size("_reasons") == 0)
        .select(*columns, *provenance(), F.row_number().over(newest_first).alias("_version"))
        .where(F.col("_version") == 1)
        .select(*columns, *provenance())
    )


def quarantined(parsed: DataFrame) -> DataFrame:
    """The bronze rows that break the contract, as received, with every reason."""
    return parsed.where(F.size("_reasons") > 0).select("_received.*", "_reasons")


def as_parsed(current: DataFrame, parsed: DataFrame) -> DataFrame:
    """Rows of silver in the form of parsed rows: without reasons, as they are valid."""
    kinds = {field.name: field.dataType for field in parsed.schema}
    return current.select(
        *[
            F.array().cast(kind).alias(name)
            if name == "_reasons"
            else F.lit(None).cast(kind).alias(name)
            if name == "_received"
            else F.col(name)
            for name, kind in kinds.items()
        ]
    )


def demoted_keys(current: DataFrame, valid: DataFrame, key: str) -> DataFrame:
    """Keys of current rows of which the new deliveries hold no equal or greater version."""
    version = F.struct("updated_at", *provenance())
    best = valid.groupBy(F.col(key).alias("best_key")).agg(F.max(version).alias("best"))
    joined = current.join(best, F.col(key) == F.col("best_key"), "left")
    unbeaten = F.col("best").isNull() | (F.col("best") < version)
    return joined.where(unbeaten).select(key)
