"""The declaration of a table: its pandera schema, its upstream tables and its transformation."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec

import pandera.pandas as pa

from ecommerce_assets.code_version import code_version
from ecommerce_assets.engine.relation import Relation
from ecommerce_assets.engine.types import in_ddl
from ecommerce_assets.model.audit import Audit
from ecommerce_assets.model.rules import RowRule, row_rules
from ecommerce_assets.model.strategies import Strategy
from ecommerce_assets.syntax_trees import Name

TABLES = "ecommerce_assets.tables"
DECIDE = Name("ecommerce_assets.refresh.decide", "decide")
OWNER = "team:data-engineering"


@dataclass(frozen=True)
class Table:
    """A table. DDL, asset, checks and lineage are derived from its declaration.

    Attributes:
        layer: bronze, silver or gold; also the database and the Dagster group.
        name: the table's name within the layer.
        schema: pandera schema: columns in order, types, nullability, checks, descriptions,
            `unique` for the key, and the table's description (first line: its grain).
        transform: computes the rows from those of the upstream tables, in the order of `upstream`:
            a query; for bronze, from the rows of landed files.
        upstream: identifiers of the tables it is built from.
        prepare: by upstream table, a function applied to its rows before `transform`; applied
            once per run for all tables with the same function.
        refresh: the strategy, which decides what a run recomputes after upstream changes.
        origins: by column, the columns that it is made of, as (table, column); empty if its query
            tells them.
        partitioned_by: Iceberg partition transforms, as in DDL.
        audits: checks beyond single rows and the key.
        key_checked_apart: whether a separate Spark job checks the key. By default it is checked
            while the rows are written, which is free if the transformation ends grouped by the
            key, and otherwise shuffles whole rows.
        may_shrink: whether it may lose any number of rows without that being a mishap.
        publish_group: name of a group of tables that a run publishes together, dimensions before
            facts, so that each published fact row has its members.
        owner: owner shown in Dagster, `team:NAME` or an address.
    """

    layer: str
    name: str
    schema: pa.DataFrameSchema
    transform: Callable[..., Relation]
    refresh: Strategy
    upstream: tuple[str, ...] = ()
    prepare: Mapping[str, Callable[[Relation], Relation]] = field(default_factory=dict)
    origins: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    partitioned_by: tuple[str, ...] = ()
    audits: tuple[Audit, ...] = ()
    key_checked_apart: bool = False
    may_shrink: bool = False
    publish_group: str | None = None
    owner: str = OWNER

    @property
    def identifier(self) -> str:
        """The Iceberg identifier `layer.name`."""
        return f"{self.layer}.{self.name}"

    @property
    def declared_in(self) -> str:
        """The module that declares the table, or the package of its layer."""
        package = f"{TABLES}.{self.layer}"
        own = f"{package}.{self.name.removesuffix('_quarantine')}"
        return own if find_spec(own) else package

    @property
    def description(self) -> str:
        """What the table holds; the first line states the grain."""
        return inspect.cleandoc(self.schema.description or "")

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that identify a row."""
        unique = self.schema.unique or []
        return (unique,) if isinstance(unique, str) else tuple(unique)

    @property
    def refreshed_by_partition(self) -> bool:
        """Whether each value of the refresh key is a partition of its own."""
        return self.partitioned_by == (self.refresh.key,)

    @cached_property
    def columns(self) -> dict[str, pa.Column]:
        """The pandera columns; metadata columns, prefixed with `_`, come last."""
        ordered = sorted(self.schema.columns.items(), key=lambda item: item[0].startswith("_"))
        return dict(ordered)

    @cached_property
    def kinds(self) -> dict[str, str]:
        """By column, its type in DuckDB's words."""
        return {name: str(column.dtype) for name, column in self.columns.items()}

    @property
    def ddl(self) -> dict[str, str]:
        """By column, its type in the words of Spark's and Athena's DDL."""
        return {name: in_ddl(kind) for name, kind in self.kinds.items()}

    @property
    def comments(self) -> dict[str, str]:
        """By column, its description."""
        return {name: column.description or "" for name, column in self.columns.items()}

    @cached_property
    def rules(self) -> tuple[RowRule, ...]:
        """The pandera checks that a single row can break."""
        return row_rules(self.columns)

    @property
    def reads(self) -> tuple[str, ...]:
        """All tables that a run of this one reads: upstream tables, and those that audits read."""
        against = [name for audit in self.audits for name in audit.against]
        return tuple(dict.fromkeys([*self.upstream, *against]))

    @property
    def decides_rows(self) -> tuple[object, ...]:
        """Everything that decides the table's rows; not what only checks them."""
        return (
            DECIDE,
            self.refresh.planner,
            self.refresh,
            self.transform,
            self.prepare,
            self.upstream,
            self.partitioned_by,
            self.kinds,
        )

    @cached_property
    def code_version(self) -> str:
        """Version of the code that decides the rows, derived from the code.

        Raises:
            TypeError: the code behind a value used by the declaration can't be found.
        """
        return code_version(*self.decides_rows)
