"""What a table is: its pandera schema, where it comes from, and the function that makes it."""

import ast
import hashlib
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pandera.pyspark as pa
from pyspark.sql import types as T

from ecommerce_assets.tables.follows import Follow
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
        unit: the column by whose values rows are recomputed together; None recomputes the whole
            table when anything upstream has changed.
        follows: by upstream table, the units that a changed row there touches; a table left out
            touches all.
        versions: the unit is a key, the one upstream table holds its versions, and a version
            that is added can only take the place of a lesser one (silver).
        additive: for a table of sums over its first upstream table: by column of what `prepare`
            makes of that, the column here that holds it. The first of them counts: where it is 0
            there is no row. Such a table adds and subtracts what changed.
        copies, copied_columns: columns that are unchanged copies of those of the same name in
            `copies`, for the column lineage where the plan does not tell.
        partitioned_by: Iceberg partition transforms, as in DDL.
        audits: checks beyond single rows and the key.
        key_judged_apart: the key is judged by a Spark job of its own. By default it is judged
            while the rows are written, which costs nothing where the transformation ends grouped
            by the key, and a shuffle of whole rows where it does not.
        published_with: name of the tables that are published together, in one go, when one run
            makes several of them: those made later first, so that a fact row is never there
            before its dimensions' rows.
        modules: the modules that declare it; their sources are part of the code version.
        owner: owner shown in Dagster, `team:NAME` or an address.
    """

    layer: str
    name: str
    schema: pa.DataFrameSchema
    transform: Callable[..., "DataFrame"]
    upstream: tuple[str, ...] = ()
    prepare: Mapping[str, Callable[["DataFrame"], "DataFrame"]] = field(default_factory=dict)
    unit: str | None = None
    follows: Mapping[str, Follow] = field(default_factory=dict)
    versions: bool = False
    additive: Mapping[str, str] = field(default_factory=dict)
    copies: str | None = None
    copied_columns: tuple[str, ...] = ()
    partitioned_by: tuple[str, ...] = ()
    audits: tuple["Audit", ...] = ()
    key_judged_apart: bool = False
    published_with: str | None = None
    modules: tuple[str, ...] = ()
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
    def unit_is_partition(self) -> bool:
        """Whether each unit is a partition of its own."""
        return self.partitioned_by == (self.unit,)

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

    def follow(self, upstream: str) -> Follow:
        """What it takes from an upstream table, and how it follows its changes."""
        return self.follows.get(upstream, Follow())

    @property
    def reads(self) -> tuple[str, ...]:
        """Every table that a run of this one reads: what it is made from and audited against."""
        against = [name for audit in self.audits for name in audit.against]
        return tuple(dict.fromkeys([*self.upstream, *against]))

    @cached_property
    def code_version(self) -> str:
        """Hash of the code that decides the rows: its module and what that takes from here.

        A changed rule changes the version by itself; nobody has to remember a number. Comments,
        docstrings and layout don't count, nor does what only judges rows or finds those to make.
        """
        digest = hashlib.sha256(self.struct.simpleString().encode())
        seen: set[str] = set()
        for source in sorted(text for name in self.modules for text in _sources(name, seen)):
            digest.update(source.encode())
        return digest.hexdigest()[:12]


def _sources(name: str, seen: set[str]) -> list[str]:
    """Source texts of module `name` and the shared modules of this package that it draws on."""
    module = sys.modules.get(name)
    if module is None or name in seen or not name.startswith(__package__ or ""):
        return []
    seen.add(name)
    if name.startswith(NOT_ROWS):
        return []
    texts = [_code(inspect.getsource(module))]
    for member in vars(module).values():
        owner = _module_name(member)
        # Another table's module counts through that table's own rows, not through this code.
        if owner and not hasattr(sys.modules.get(owner), "TABLE"):
            texts += _sources(owner, seen)
    return texts


@cache
def _code(source: str) -> str:
    """A module's code without what does not run."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:]
    return ast.dump(tree)


def _module_name(member: Any) -> str | None:
    return (
        member.__name__ if isinstance(member, ModuleType) else getattr(member, "__module__", None)
    )
