"""Columns that a table gains, or whose type changes: known to its metadata at once, seen by readers
once it is published.

A snapshot has the schema with which it was written. So the new columns are added as a further
schema, and the commit that publishes the first snapshot with them makes it the table's own.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse.catalog import commit, submit
from ecommerce_assets.sql import DECIMAL_TYPE, MAP_TYPE

if TYPE_CHECKING:
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot
    from pyiceberg.types import IcebergType

NEXT = "ecommerce.next-schema"  # a property of the table: the schema not yet published


def schema_with(
    identifier: str,
    table: "Table",
    kinds: Mapping[str, str],
    comments: Mapping[str, str] = MappingProxyType({}),
    *,
    whole: bool,
) -> "Schema":
    """A table's schema with those columns that it lacks; added to its metadata.

    Args:
        kinds: the type of each column, in DuckDB's words.
        comments: descriptions of columns.
        whole: whether all rows are written anew, so that a column of another type can be replaced
            by a new one of its name.

    Raises:
        PipelineError: a column exists with another type, and not all rows are written anew.
    """
    new = _new_columns(table.schema(), kinds)
    for name, kind in () if whole else new.items():
        if there := _type_in(table.schema(), name):
            raise PipelineError(
                f"{identifier}.{name} is {there} in the lakehouse and {kind} in the declaration: "
                "run it with --full-refresh"
            )
    if not new:
        return table.schema()

    def add(table: "Table") -> "Schema":
        from pyiceberg.schema import Schema

        update: Any = import_module("pyiceberg.table.update")
        last, columns = table.metadata.last_column_id, _new_columns(table.schema(), kinds)
        new = {field.name.lower(): field for field in schema_of(columns, comments, last + 1).fields}
        # One of another type takes the place of the old one.
        there = [new.pop(field.name.lower(), field) for field in table.schema().fields]
        added = Schema(*there, *new.values(), schema_id=1 + max(table.schemas()))
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


def _new_columns(schema: "Schema", kinds: Mapping[str, str]) -> dict[str, str]:
    """The columns that a schema lacks, or has with another type; types in DuckDB's words."""
    wanted = {field.name: str(field.field_type) for field in schema_of(kinds, {}).fields}
    return {name: kind for name, kind in kinds.items() if _type_in(schema, name) != wanted[name]}


def _type_in(schema: "Schema", name: str) -> str:
    """The type of a column; empty without it. Engines do not distinguish names by case."""
    return next(
        (str(one.field_type) for one in schema.fields if one.name.lower() == name.lower()), ""
    )


def adopt(table: "Table", schema_id: int) -> None:
    """Make a schema of a table's metadata its own."""

    def change(table: "Table") -> None:
        if updates := _adoption(table, schema_id):
            submit(table, updates)

    commit(table, change)


def adoption(table: "Table", published: "Snapshot | None") -> list[Any]:
    """The updates that make the schema of a snapshot the table's own; none if it was so before."""
    return [] if published is None else _adoption(table, published.schema_id)


def _adoption(table: "Table", schema_id: int | None) -> list[Any]:
    if table.properties.get(NEXT) != str(schema_id):
        return []
    update: Any = import_module("pyiceberg.table.update")
    return [
        update.SetCurrentSchemaUpdate(schema_id=schema_id),
        update.RemovePropertiesUpdate(removals=[NEXT]),
    ]


def schema_of(kinds: Mapping[str, str], comments: Mapping[str, str], first: int = 1) -> "Schema":
    """The schema of columns, every one nullable, numbered from `first`."""
    from pyiceberg.schema import Schema
    from pyiceberg.types import NestedField

    numbers = count(first)
    return Schema(
        *(
            NestedField(
                next(numbers), name, _type_of(kind, numbers), required=False,
                doc=comments.get(name, ""),
            )
            for name, kind in kinds.items()
        )
    )  # fmt: skip


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
    if found is None or found.schema_id in (None, table.metadata.current_schema_id):
        return table  # as nearly always: the history is not gone through
    if any(found.snapshot_id == one for one in ancestors(table, table.current_snapshot())):
        return table
    return with_schema(table, found.schema_id)


def ancestors(table: "Table", snapshot: "Snapshot | None") -> Iterator[int]:
    """A snapshot and its ancestors, newest first."""
    while snapshot is not None:
        yield snapshot.snapshot_id
        parent = snapshot.parent_snapshot_id
        snapshot = table.snapshot_by_id(parent) if parent is not None else None


def _type_of(kind: str, numbers: "Iterator[int]") -> "IcebergType":
    from pyiceberg import types as I

    if kind.endswith("[]"):
        element = _type_of(kind[:-2], numbers)
        return I.ListType(next(numbers), element, element_required=False)
    if found := MAP_TYPE.fullmatch(kind):
        key, value = (_type_of(part, numbers) for part in found.groups())
        return I.MapType(next(numbers), key, next(numbers), value, value_required=False)
    if found := DECIMAL_TYPE.fullmatch(kind):
        return I.DecimalType(int(found[1]), int(found[2]))
    simple: dict[str, IcebergType] = {
        "TEXT": I.StringType(),
        "BIGINT": I.LongType(),
        "INT": I.IntegerType(),
        "DOUBLE": I.DoubleType(),
        "BOOLEAN": I.BooleanType(),
        "DATE": I.DateType(),
        "TIMESTAMPTZ": I.TimestamptzType(),
    }
    if kind not in simple:
        raise PipelineError(
            f"a column can't be of type {kind}: see ecommerce_assets/tables/types.py"
        )
    return simple[kind]
