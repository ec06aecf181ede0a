"""Iceberg tables of the lakehouse: create them, and change their columns and partitioning."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ecommerce_assets.lakehouse.catalog import Lakehouse, commit, set_properties
from ecommerce_assets.lakehouse.history import DISTRIBUTION, MONTH, History
from ecommerce_assets.lakehouse.schemas import adopt, schema_of, schema_with

if TYPE_CHECKING:
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table
    from pyiceberg.transforms import Transform

PROPERTIES = {
    "read.split.open-file-cost": "524288",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
    # With more partitions changed, a snapshot's summary names none.
    "write.summary.partition-limit": "1000",
}
AT_CREATION = {"format-version": "2", "write.parquet.compression-codec": "zstd"}
MONTHS = "months("


def create_table(
    lakehouse: Lakehouse,
    identifier: str,
    kinds: Mapping[str, str],
    partitioned_by: Sequence[str],
    description: str,
    comments: Mapping[str, str] = MappingProxyType({}),
    *,
    clustered: bool = False,
) -> None:
    """Create the table if it does not exist; prepare missing columns, update the partitioning.

    Readers see a new column once the first snapshot with it is published, but for one by which the
    table is partitioned. Existing files keep their old partitions until they are replaced.

    Args:
        kinds: by column, its type in DuckDB's words.
        partitioned_by: columns, or `months(column)`.
        clustered: rows arrive partition by partition, so a write needs no shuffle.

    Raises:
        PipelineError: the table lies outside the lakehouse.
    """
    table = lakehouse.find(identifier)
    if table is None:
        mode = "hash" if partitioned_by and not clustered else "none"
        own = {DISTRIBUTION: mode, "comment": description}
        _create(
            lakehouse,
            identifier,
            schema_of(kinds, comments),
            partitioned_by,
            {**AT_CREATION, **PROPERTIES, **own},
        )
        table = lakehouse.table(identifier)
    schema = schema_with(identifier, table, kinds, comments, whole=True)
    partitions = {_partition(text)[0] for text in partitioned_by}
    if not partitions <= set(table.schema().column_names):
        adopt(table, schema.schema_id)
    # Glue's description of a table; Spark's is the property `comment`.
    wanted = PROPERTIES if lakehouse.is_local else {**PROPERTIES, "Description": description}
    missing = {name: value for name, value in wanted.items() if name not in table.properties}
    if missing:
        set_properties(table, missing)
    if History(identifier, table).partition_transforms != list(partitioned_by):
        commit(table, lambda table: _partition_by(identifier, table, partitioned_by))


def _create(
    lakehouse: Lakehouse,
    identifier: str,
    schema: "Schema",
    partitioned_by: Sequence[str],
    properties: dict[str, str],
) -> None:
    """Create a table, unless another run has just created it."""
    from pyiceberg.exceptions import TableAlreadyExistsError

    namespace = lakehouse.name_of(identifier.split(".")[0])
    try:
        if not lakehouse.catalog.namespace_exists(namespace):
            lakehouse.catalog.create_namespace(namespace)
    except Exception:
        if not lakehouse.catalog.namespace_exists(namespace):
            raise
    try:
        lakehouse.catalog.create_table(
            lakehouse.name_of(identifier),
            schema,
            partition_spec=_spec_of(schema, partitioned_by),
            properties=properties,
        )
    except TableAlreadyExistsError:
        return


def _partition_by(identifier: str, table: "Table", partitioned_by: Sequence[str]) -> None:
    if History(identifier, table).partition_transforms == list(partitioned_by):
        return  # another run has changed it
    with table.update_spec() as update:
        for field in table.spec().fields:
            update.remove_field(field.name)
        for text in partitioned_by:
            update.add_field(*_partition(text))


def drop_columns(table: "Table", columns: Iterable[str]) -> None:
    """Drop columns that no declaration has; one by which files are partitioned stays."""
    names = list(columns)

    def drop(table: "Table") -> None:
        partitioned = {field.source_id for spec in table.specs().values() for field in spec.fields}
        present = {
            field.name for field in table.schema().fields if field.field_id not in partitioned
        }
        with table.update_schema() as update:
            for name in names:
                if name in present:
                    update.delete_column(name)

    if names:
        commit(table, drop)


def _partition(text: str) -> "tuple[str, Transform[Any, Any], str]":
    """The column of a partition transform, the transform, and Iceberg's name of it."""
    from pyiceberg.transforms import IdentityTransform, MonthTransform

    if text.startswith(MONTHS):
        column = text.removeprefix(MONTHS).removesuffix(")")
        return column, MonthTransform(), f"{column}{MONTH}"
    return text, IdentityTransform(), text


def _spec_of(schema: "Schema", partitioned_by: Sequence[str]) -> "PartitionSpec":
    from pyiceberg.partitioning import PARTITION_FIELD_ID_START, PartitionField, PartitionSpec

    fields = []
    for number, text in enumerate(partitioned_by, PARTITION_FIELD_ID_START):
        column, transform, name = _partition(text)
        source = schema.find_field(column).field_id
        fields.append(PartitionField(source, number, transform, name))
    return PartitionSpec(*fields)
