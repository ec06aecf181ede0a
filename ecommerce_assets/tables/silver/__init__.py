"""Silver: the latest valid version of each key, and quarantine for the other rows.

A module's `tables_of_shop` declares a table and its quarantine for a shop.
"""

import inspect
from collections.abc import Mapping
from functools import partial

import pandera.pyspark as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from ecommerce_assets.landing.layout import INGESTION_DATE, PROVENANCE, ROW_NUMBER, SOURCE_FILE
from ecommerce_assets.refresh.by_key import ByKey
from ecommerce_assets.refresh.dependency import by_day
from ecommerce_assets.refresh.latest_version import LatestVersion
from ecommerce_assets.shop import Shop
from ecommerce_assets.tables.audits.quarantine import Keyed, quarantined_rows
from ecommerce_assets.tables.audits.silver import accounting
from ecommerce_assets.tables.bronze import bronze_table
from ecommerce_assets.tables.contract import Contract, CrossFieldRule, key_as_received, of_shop
from ecommerce_assets.tables.declaration import Table
from ecommerce_assets.tables.feed import Feed, feed_for
from ecommerce_assets.tables.provenance import provenance
from ecommerce_assets.tables.types import REASONS

# In rows that do not speak of the table, `_reasons` is null.
VALID = "_reasons is not null and size(_reasons) = 0"
BROKEN = "_reasons is not null and size(_reasons) > 0"
# Versions of a key are compared by these columns; nulls sort lowest.
VERSION_ORDER = ("updated_at", *PROVENANCE)


def silver_tables(
    shop: Shop,
    *,
    name: str,
    model: type[pa.DataFrameModel],
    partitioned_by: tuple[str, ...] = (),
    computed: Mapping[str, str] | None = None,
    rules: tuple[CrossFieldRule, ...] = (),
    parent: str | None = None,
    value: str | None = None,
) -> tuple[Table, Table]:
    """The current row of each key of a source, and the rows that break the contract.

    Args:
        name: name of the silver table.
        model: the contract; its first column is the key.
        partitioned_by: Iceberg partition transforms.
        computed: by column that may be empty in the source, Spark SQL of its value from the other
            typed columns.
        rules: rules on several values of a row.
        parent: the column that should be the same in all versions of a key.
        value: the column with a row's value, in the shop's currency.

    Raises:
        PipelineError: the shop file says about this table what can't be.
    """
    declared = model.to_schema()
    (key,) = [declared.unique] if isinstance(declared.unique, str) else declared.unique
    computed = computed or {}
    feed = feed_for(shop, name, declared.columns, key)
    contract = Contract(of_shop(declared, shop, name, feed, computed), computed, rules, feed)
    keyed = Keyed(f"silver.{name}", key, parent, value, contract.parse, _selects(shop, name), shop)
    described = inspect.cleandoc(model.__doc__ or "")
    if name not in shop.declared.tables:
        described += "\n\nThe shop file feeds it from no source, so it is empty."
    current = Table(
        layer="silver",
        name=name,
        schema=pa.DataFrameSchema(
            {**contract.schema.columns, **provenance()},
            name=name,
            description=f"{described}\n\nThe latest valid version of each key: highest "
            "updated_at; ties by ingestion date, file and row number.",
            unique=[key],
        ),
        transform=partial(latest_versions, key=key, columns=tuple(contract.schema.columns)),
        upstream=(feed.bronze,),
        prepare={feed.bronze: contract.parse},
        refresh=LatestVersion(key, VERSION_ORDER, VALID, key_as_received(feed.texts[key])),
        partitioned_by=partitioned_by,
        audits=(accounting(keyed),),
    )
    return current, _quarantine(current, bronze_table(shop, feed.bronze))


def _selects(shop: Shop, name: str) -> bool:
    """Whether the shop file has a condition of the rows that speak of a table."""
    declared = shop.declared.tables.get(name)
    return bool(declared and declared.where)


def feed_of(table: Table) -> Feed:
    """Where the columns of a silver table, or of its quarantine, come from."""
    return contract_of(table).feed


def contract_of(table: Table) -> Contract:
    """The contract of a silver table."""
    (parse,) = table.prepare.values()
    contract: Contract = parse.__self__  # type: ignore[attr-defined]
    return contract


def _quarantine(silver: Table, bronze: Table) -> Table:
    """The rows of `bronze` that break the contract of `silver`, with all reasons."""
    schema = pa.DataFrameSchema(
        {
            **bronze.schema.columns,
            "_reasons": pa.Column(
                REASONS,  # type: ignore[arg-type]  # pandera 0.35 takes any Spark type
                description="All reasons why the row breaks the contract.",
            ),
        },
        name=f"{silver.name}_quarantine",
        description=f"A row of {bronze.identifier} that broke the contract.\n\nThe row as "
        "received, with every reason; it leaves when a corrected delivery replaces it.",
        unique=[SOURCE_FILE, ROW_NUMBER],
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
        refresh=ByKey(INGESTION_DATE, on={bronze.identifier: by_day(INGESTION_DATE)}),
        partitioned_by=(INGESTION_DATE,),
        audits=(quarantined_rows,),
    )


def latest_versions(parsed: DataFrame, *, key: str, columns: tuple[str, ...]) -> DataFrame:
    """One row per key: the latest of its valid versions, by `VERSION_ORDER`."""
    latest_first = [F.col(name).desc_nulls_last() for name in VERSION_ORDER]
    version = F.row_number().over(Window.partitionBy(key).orderBy(*latest_first))
    return (
        parsed.where(VALID)
        .select(*columns, *PROVENANCE, version.alias("_version"))
        .where(F.col("_version") == 1)
        .select(*columns, *PROVENANCE)
    )


def quarantined(parsed: DataFrame) -> DataFrame:
    """The bronze rows that break the contract, as received, with all reasons."""
    return parsed.where(BROKEN).select("_received.*", "_reasons")
