"""Rows as an engine has them, and what an engine does with them, whichever it is."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.schema import Schema

    from ecommerce_assets.engine.queries import Query
    from ecommerce_assets.engine.types import Kind
    from ecommerce_assets.lakehouse.history import History

ROWS = "received"  # the relation that a row-wise query reads
JoinedBy = Literal["broadcast", "merge", "shuffle_hash"]
Observed = Callable[[], Mapping[str, Any]]


class Relation(ABC):
    """Rows that are computed when somebody looks at them."""

    @property
    @abstractmethod
    def engine(self) -> "Engine":
        """The engine that computes them."""

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in order."""

    @property
    @abstractmethod
    def types(self) -> Mapping[str, str]:
        """By column, its type, as in Spark's DDL."""

    @abstractmethod
    def where(self, condition: str) -> "Relation":
        """The rows for which a set-wise condition of DuckDB's SQL holds."""

    @abstractmethod
    def where_row_wise(self, condition: str) -> "Relation":
        """The rows for which any condition of DuckDB's SQL on single rows holds."""

    @abstractmethod
    def select(self, *columns: str) -> "Relation":
        """Only these columns, in this order."""

    @abstractmethod
    def row_wise(self, query: str, kinds: "Mapping[str, Kind]") -> "Relation":
        """The result of a query of DuckDB's SQL that looks at each row of `ROWS` alone.

        Args:
            query: any query of DuckDB's, as it is computed by DuckDB in every engine.
            kinds: the columns of the result, in the order of the query's, and their types.
        """

    @abstractmethod
    def with_values(self, expression: str, values: Sequence[str]) -> "Relation":
        """The rows of which a row-wise expression of DuckDB's SQL is one of these values."""

    @abstractmethod
    def checkpointed(self) -> "Relation":
        """The same rows, computed once, on first use, and kept until nobody refers to them."""

    @abstractmethod
    def cached(self) -> "Relation":
        """The same rows, computed once and kept until `release`; for whole tables."""

    @abstractmethod
    def release(self) -> None:
        """Free what `cached` keeps."""

    @abstractmethod
    def joined_by(self, way: JoinedBy) -> "Relation":
        """The same rows, with a hint for Spark how to join them to others."""

    @abstractmethod
    def observed(self, figures: Mapping[str, str]) -> "tuple[Relation, Observed]":
        """The same rows, and figures of them that are known once they have been written.

        Args:
            figures: aggregates in DuckDB's SQL, by name.
        """

    @abstractmethod
    def rows(self, most: int | None = None) -> list[dict[str, Any]]:
        """The rows, or the first of them, by column's name."""

    @abstractmethod
    def count(self) -> int:
        """How many rows there are."""

    @property
    @abstractmethod
    def is_empty(self) -> bool:
        """Whether there is no row."""


@dataclass(frozen=True)
class Overwrite:
    """Rows that take the place of others.

    Attributes:
        base: the table's history.
        rows: the rows to write.
        schema: the columns to write; those that the rows lack are empty.
        replace: SQL condition of the published rows to replace; must cover whole files.
        stays: published rows that are written again as they are, with all columns.
        in_order: each part's rows come partition by partition.
        whole: the rows are the whole table.
    """

    base: "History"
    rows: Relation
    schema: "Schema"
    replace: str
    stays: Relation | None = None
    in_order: bool = False
    whole: bool = False


class Engine(ABC):
    """What computes relations."""

    @abstractmethod
    def table(self, identifier: str, snapshot: int | None) -> Relation:
        """A table at a snapshot, whatever is published meanwhile; as it is now without one."""

    @abstractmethod
    def days(self, column: str, days: Iterable[date]) -> Relation:
        """A row for each day."""

    @abstractmethod
    def of_parts(
        self,
        parts: int,
        read: "Callable[[int], Iterator[pa.RecordBatch]]",
        kinds: Mapping[str, str],
    ) -> Relation:
        """Rows that are read part by part.

        Args:
            parts: their number.
            read: returns the rows of a part, by its number from 0 on; called where the engine
                computes.
            kinds: their columns and types, in DuckDB's words.
        """

    @abstractmethod
    def overwrite(self, write: Overwrite, branch: str, summary: Mapping[str, str]) -> Sequence[str]:
        """Add a snapshot to a branch of a table.

        Args:
            summary: properties of the snapshot.

        Returns:
            The columns that the rows lack.
        """

    def counted(self, tag: str) -> AbstractContextManager[None]:
        """Give the jobs that this thread starts a tag, for `jobs_of`."""
        return nullcontext()

    def jobs_of(self, tag: str) -> int:
        """The number of Spark jobs with a tag; 0 of an engine that has none."""
        return 0

    @abstractmethod
    def answer(self, query: "Query", relations: Mapping[str, Relation]) -> Relation:
        """The rows of a set-wise query over relations of this engine, by name."""
