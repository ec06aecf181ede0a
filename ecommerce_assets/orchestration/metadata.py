"""Asset and check specs from a table's declaration."""

import warnings
from datetime import timedelta
from importlib.util import find_spec

import dagster as dg

from ecommerce_assets.jobs.audit import checks_of
from ecommerce_assets.landing.source import column_of
from ecommerce_assets.model.rules import NULLABILITY
from ecommerce_assets.model.shares import in_force
from ecommerce_assets.model.table import Table
from ecommerce_assets.tables.bronze import LANDING, source_of
from ecommerce_assets.thresholds import Thresholds

# The schedule runs at five; by nine, the delivery of the last complete day has been read.
BY_NINE = dg.FreshnessPolicy.cron(deadline_cron="0 9 * * *", lower_bound_delta=timedelta(hours=9))


def asset_key(identifier: str) -> dg.AssetKey:
    """The asset key of a table's identifier `layer.name`."""
    return dg.AssetKey(identifier.split("."))


def asset_spec(table: Table) -> dg.AssetSpec:
    """The asset spec of a table: deps, group, kinds, owner, code version, column schema."""
    upstream = table.reads or (f"{LANDING}.{table.name}",)
    return dg.AssetSpec(
        key=asset_key(table.identifier),
        deps=[asset_key(name) for name in upstream],
        description=table.description,
        group_name=table.layer,
        kinds={"glue", "spark", "iceberg"},
        owners=[table.owner],
        code_version=table.code_version,
        skippable=True,
        metadata={
            "dagster/table_name": table.identifier,
            "dagster/storage_kind": "iceberg",
            "dagster/column_schema": _column_schema(table),
            "key": ", ".join(table.key),
            "partitioned_by": ", ".join(table.partitioned_by) or "not partitioned",
            "dagster/code_references": code_reference(table.declared_in),
        },
        tags={"layer": table.layer, "strategy": type(table.refresh).__name__},
    )


def code_reference(module: str) -> dg.CodeReferencesMetadataValue:
    """Where a table is declared, for a click in Dagster's UI."""
    found = find_spec(module)
    assert found is not None
    assert found.origin is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # in Dagster 1.13, both classes are
        file = dg.LocalFileCodeReference(file_path=found.origin, line_number=1, label=module)
        return dg.CodeReferencesMetadataValue(code_references=[file])


def check_specs(table: Table, thresholds: Thresholds) -> list[dg.AssetCheckSpec]:
    """One check spec per check of the table; its description names the limits in force."""
    return [
        dg.AssetCheckSpec(
            name=check.name,
            asset=asset_key(table.identifier),
            description=in_force(check.description, thresholds),
            blocking=check.blocking,
        )
        for check in checks_of(table)
    ]


def landing_spec(table: Table) -> dg.AssetSpec:
    """The external asset of the files that a bronze table reads.

    Freshness is that of the deliveries: a run that found nothing new makes no table fresher.
    """
    source = source_of(table)
    files = source.pattern or "*.csv"
    return dg.AssetSpec(
        key=dg.AssetKey([LANDING, table.name]),
        description=f"Files `{LANDING}/{source.folder}/ingestion_date=YYYY-MM-DD/{files}`.",
        group_name=table.layer,
        kinds={"csv"},
        freshness_policy=BY_NINE,
        metadata={
            "dagster/column_schema": dg.TableSchema(
                [
                    dg.TableColumn(
                        name,
                        type="string",
                        description=table.columns[column_of(name)].description,
                        constraints=dg.TableColumnConstraints(nullable=not needed),
                    )
                    for name, needed in source.columns.items()
                ]
            )
        },
    )


def _column_schema(table: Table) -> dg.TableSchema:
    return dg.TableSchema(
        [
            dg.TableColumn(
                name,
                type=table.ddl[name],
                description=column.description,
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable,
                    unique=table.key == (name,),
                    other=[
                        rule.requirement
                        for rule in table.rules
                        if rule.column == name and rule.kind != NULLABILITY
                    ],
                ),
            )
            for name, column in table.columns.items()
        ]
    )
