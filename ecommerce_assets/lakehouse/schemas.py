"""Columns that a table gains: known to its metadata at once, seen by readers once it is published.

A snapshot has the schema with which it was written. So the new columns are added as a further
schema, and the commit that publishes the first snapshot with them makes it the table's own.
"""

from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import count
from typing import TYPE_CHECKING, Any

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse.catalog import commit, submit

if TYPE_CHECKING:
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot
    from pyiceberg.types import IcebergType
    from pyspark.sql.types import DataType, StructField, StructType

NEXT = "ecommerce.next-schema"  # a property of the table: the schema not yet published


def schema_with(identifier: str, table: "Table", struct: "StructType") -> "Schema":
    """A table's schema with the columns of a struct that it lacks; added to its metadata.

    Raises:
        PipelineError: a column exists with another type.
    """
    if not _new_columns(identifier, table.schema(), struct):
        return table.schema()

    def add(table: "Table") -> "Schema":
        from pyiceberg.schema import Schema

        update: Any = import_module("pyiceberg.table.update")
        last = table.metadata.last_column_id
        new = schema_of(_new_columns(identifier, table.schema(), struct), last + 1)
        added = Schema(*table.schema().fields, *new.fields, schema_id=1 + max(table.schemas()))
        # By another run that has not published, or did not. One of earlier would bring back the
        # numbers of columns that were dropped, and with them their values.
        known = table.schemas().get(int(table.properties.get(NEXT, -1)))
        if known is not None and _described(known) == _described(added):
            return known
        updates = [
            update.AddSchemaUpdate(schema=added),
            update.SetPropertiesUpdate(updates={NEXT: str(added.schema_id)}),
        ]
        same = update.AssertLastAssignedFieldId(last_assigned_field_id=last)
        submit(table, updates, same)
        return added

    return commit(table, add)


def _described(schema: "Schema") -> list[tuple[str, str]]:
    """The columns and their types, without numbers."""
    return [(field.name, str(field.field_type)) for field in schema.fields]


def _new_columns(identifier: str, schema: "Schema", struct: "StructType") -> "list[StructField]":
    """The columns of a struct that a schema lacks.

    Raises:
        PipelineError: a column exists with another type.
    """
    # Engines do not distinguish names by case.
    present = {field.name.lower(): str(field.field_type) for field in schema.fields}
    wanted = [str(field.field_type) for field in schema_of(struct).fields]
    for field, kind in zip(struct, wanted, strict=True):
        there = present.get(field.name.lower(), kind)
        if there != kind:
            raise PipelineError(
                f"{identifier}.{field.name} is {there} in the lakehouse and {kind} in the "
                "declaration: rename the column, or drop the table and materialize it again"
            )
    return [field for field in struct if field.name.lower() not in present]


def adopt(table: "Table", schema_id: int) -> None:
    """Make a schema of a table's metadata its own."""
    commit(table, lambda table: submit(table, adoption(schema_id)))


def adoption(schema_id: int) -> list[Any]:
    """The updates that make a schema of a table's metadata its own."""
    update: Any = import_module("pyiceberg.table.update")
    return [
        update.SetCurrentSchemaUpdate(schema_id=schema_id),
        update.RemovePropertiesUpdate(removals=[NEXT]),
    ]


def schema_of(fields: "Iterable[StructField]", first: int = 1) -> "Schema":
    """The schema of columns, every one nullable, numbered from `first`."""
    from pyiceberg.schema import Schema
    from pyiceberg.types import NestedField

    numbers = count(first)
    return Schema(
        *(
            NestedField(
                next(numbers),
                field.name,
                _type_of(field.dataType, numbers),
                required=False,
                doc=(field.metadata or {}).get("comment", ""),
            )
            for field in fields
        )
    )


def with_schema(table: "Table", schema_id: int) -> "Table":
    """A table as if a schema of its metadata were its own, until it is refreshed."""
    from pyiceberg.table import Table

    metadata = table.metadata
    if metadata.current_schema_id == schema_id:
        return table
    return Table(
        table.name(),
        metadata.model_copy(update={"current_schema_id": schema_id}),
        table.metadata_location,
        table.io,
        table.catalog,
        table.config,
    )


def as_written(table: "Table", snapshot: int | None) -> "Table":
    """A table with the schema of a snapshot that is not published yet; else with its own."""
    found = None if snapshot is None else table.snapshot_by_id(snapshot)
    if found is None or found.schema_id is None:
        return table
    if any(found.snapshot_id == one for one in ancestors(table, table.current_snapshot())):
        return table
    return with_schema(table, found.schema_id)


def ancestors(table: "Table", snapshot: "Snapshot | None") -> Iterator[int]:
    """A snapshot and its ancestors, newest first."""
    while snapshot is not None:
        yield snapshot.snapshot_id
        parent = snapshot.parent_snapshot_id
        snapshot = table.snapshot_by_id(parent) if parent is not None else None


def _type_of(kind: "DataType", numbers: "Iterator[int]") -> "IcebergType":
    from pyiceberg import types as I
    from pyspark.sql import types as T

    match kind:
        case T.DecimalType():
            return I.DecimalType(kind.precision, kind.scale)
        case T.ArrayType():
            element = _type_of(kind.elementType, numbers)
            return I.ListType(next(numbers), element, element_required=False)
        case T.MapType():
            key, value = (_type_of(part, numbers) for part in (kind.keyType, kind.valueType))
            return I.MapType(next(numbers), key, next(numbers), value, value_required=False)
    simple: dict[type[DataType], IcebergType] = {
        T.StringType: I.StringType(),
        T.LongType: I.LongType(),
        T.IntegerType: I.IntegerType(),
        T.DoubleType: I.DoubleType(),
        T.BooleanType: I.BooleanType(),
        T.DateType: I.DateType(),
        T.TimestampType: I.TimestamptzType(),
    }
    if type(kind) not in simple:
        raise PipelineError(
            f"a column can't be of type {kind.simpleString()}: see ecommerce_assets/tables/types.py"
        )
    return simple[type(kind)]
