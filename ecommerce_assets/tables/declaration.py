"""What a table is: its pandera schema, where it comes from, and the function that makes it."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import pandera.pyspark as pa
from pyspark.sql import types as T

from ecommerce_assets.code_version import code_version
from ecommerce_assets.refresh.decide import decide
from ecommerce_assets.refresh.strategy import Strategy
from ecommerce_assets.tables.rules import RowRule, row_rules

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from ecommerce_assets.tables.audits import Audit

NOT_ROWS = tuple(
    f"{__package__}.{name}" for name in ("declaration", "audits", "follows", "spans", "touched")
)
OWNER = "team:data-engineering"


@dataclass(frozen=True)
class Table:
    """One table, declared once; schema, DDL, asset, checks and lineage follow from it.

    Attributes:
        layer: bronze, silver or gold; also the database and the Dagster group.
        name: the table's name in its layer.
        schema: pandera schema: columns in order, types, nullability, checks, descriptions,
            `unique` for the key, and the table's description (first line: its grain).
        transform: pure function from the upstream frames, in the order of `upstream`, to the
            table's rows. A bronze table gets the frame of its landed files.
        upstream: identifiers of the tables it is made from.
        prepare: by upstream table, what is done to its frame before `transform` gets it; done once
            a run for all tables that ask for the same.
        refresh: the strategy: what a run recomputes when something upstream has changed.
        copies, copied_columns: columns that are unchanged copies of those of the same name in
            `copies`, for the column lineage where the plan does not tell.
        partitioned_by: Iceberg partition transforms, as in DDL.
        audits: checks beyond single rows and the key.
        key_checked_apart: the key is checked by a Spark job of its own. By default it is checked
            while the rows are written, which costs nothing where the transformation ends grouped
            by the key, and a shuffle of whole rows where it does not.
        publish_group: name of the tables that are published together when one run writes several
            of them: the last ones first, so that a fact row is never there before its dimensions'
            rows.
        owner: owner shown in Dagster, `team:NAME` or an address.
    """

    layer: str
    name: str
    schema: pa.DataFrameSchema
    transform: Callable[..., "DataFrame"]
    refresh: Strategy
    upstream: tuple[str, ...] = ()
    prepare: Mapping[str, Callable[["DataFrame"], "DataFrame"]] = field(default_factory=dict)
    copies: str | None = None
    copied_columns: tuple[str, ...] = ()
    partitioned_by: tuple[str, ...] = ()
    audits: tuple["Audit", ...] = ()
    key_checked_apart: bool = False
    publish_group: str | None = None
    owner: str = OWNER

    @property
    def identifier(self) -> str:
        """The Iceberg identifier `layer.name`."""
        return f"{self.layer}.{self.name}"

    @property
    def description(self) -> str:
        """What the table holds; the first line names the grain."""
        return inspect.cleandoc(self.schema.description or "")

    @property
    def key(self) -> tuple[str, ...]:
        """The columns whose values are unique together."""
        unique = self.schema.unique or []
        return (unique,) if isinstance(unique, str) else tuple(unique)

    @property
    def refreshed_by_partition(self) -> bool:
        """Whether each value of the refresh key is a partition of its own."""
        return self.partitioned_by == (self.refresh.key,)

    @cached_property
    def columns(self) -> dict[str, pa.Column]:
        """The pandera columns; metadata columns, whose names begin with `_`, come last."""
        ordered = sorted(self.schema.columns.items(), key=lambda item: item[0].startswith("_"))
        return dict(ordered)

    @cached_property
    def struct(self) -> T.StructType:
        """The Spark schema, with the descriptions as comments."""
        return T.StructType(
            [
                T.StructField(name, column.dtype.type, True, {"comment": column.description or ""})
                for name, column in self.columns.items()
            ]
        )

    @cached_property
    def rules(self) -> tuple[RowRule, ...]:
        """The pandera checks that a single row can break."""
        return row_rules(self.columns)

    @property
    def reads(self) -> tuple[str, ...]:
        """Every table that a run of this one reads: upstream, or to audit it against."""
        against = [name for audit in self.audits for name in audit.against]
        return tuple(dict.fromkeys([*self.upstream, *against]))

    @property
    def decides_rows(self) -> tuple[object, ...]:
        """Everything that decides the table's rows, and nothing that only judges them."""
        return (
            decide,
            self.refresh,
            self.transform,
            self.prepare,
            self.upstream,
            self.partitioned_by,
            self.struct,
        )

    @cached_property
    def code_version(self) -> str:
        """Version of the code that decides the rows; nobody has to remember a number.

        Raises:
            TypeError: a value that the declaration uses can't be followed to its code.
        """
        return code_version(*self.decides_rows)
