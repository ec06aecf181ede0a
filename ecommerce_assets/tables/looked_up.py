"""silver.<source>_looked_up: the rows of a source with what they look up in other sources."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandera.pandas as pa

from ecommerce_assets.engine.queries import query
from ecommerce_assets.engine.relation import ROWS, Relation
from ecommerce_assets.engine.types import Kind
from ecommerce_assets.landing.layout import INGESTION_DATE, ROW_NUMBER, SOURCE_FILE
from ecommerce_assets.model.dependency import by_day
from ecommerce_assets.model.lookup import Lookup
from ecommerce_assets.model.strategies import LookedUp
from ecommerce_assets.model.table import Table
from ecommerce_assets.refresh.looked_up import BY, VALUE, entries, latest_of, latest_values
from ecommerce_assets.shop import Shop
from ecommerce_assets.sql import quoted
from ecommerce_assets.tables.bronze import bronze_table
from ecommerce_assets.tables.feed import looked_up_table, lookups_of
from ecommerce_assets.tables.types import TEXT, kinds_of


@dataclass(frozen=True)
class WithLookups:
    """The rows of a source, each with the values that it looks up.

    Of the other source's rows with a key, the latest one delivered counts.

    Attributes:
        kinds: the columns of the rows, and their types.
        lookups: what they look up.
    """

    kinds: Mapping[str, Kind]
    lookups: tuple[Lookup, ...]

    @property
    def others(self) -> tuple[str, ...]:
        """The tables in which they look it up."""
        return tuple(dict.fromkeys(lookup.table for lookup in self.lookups))

    def version_parts(self) -> tuple[object, ...]:
        """What decides its rows, for the code version."""
        joined = self.joined("rows_with_keys", [f"found_{n}" for n, _ in enumerate(self.lookups)])
        texts = [(entries(ROWS, lookup), latest_of("entries")) for lookup in self.lookups]
        return (self.keyed(ROWS), joined, texts, dict(self.kinds))

    def __call__(self, rows: Relation, *others: Relation) -> Relation:
        """The rows with what they look up.

        Args:
            rows: of the source.
            others: those of `others`, all of them.
        """
        tables = dict(zip(self.others, others, strict=True))
        found = {
            f"found_{n}": latest_values(tables[lookup.table], lookup)
            for n, lookup in enumerate(self.lookups)
        }
        joined = self.joined("rows_with_keys", [*found])
        return query(joined, rows_with_keys=self._keyed(rows), **found)

    def joined(self, rows: str, found: Sequence[str]) -> str:
        """The query of rows with keys and of the values found."""
        own = {name: f"r.{quoted(name)}" for name in self.kinds}
        values = {
            lookup.column: f"{name}.{VALUE} AS {quoted(lookup.column)}"
            for name, lookup in zip(found, self.lookups, strict=True)
        }
        # The columns of provenance come last.
        listed = sorted((own | values).items(), key=lambda item: item[0].startswith("_"))
        joins = " ".join(
            f"LEFT JOIN {name} ON r.{BY}_{n} = {name}.{BY}" for n, name in enumerate(found)
        )
        return f"SELECT {', '.join(sql for _, sql in listed)} FROM {rows} AS r {joins}"

    def keyed(self, rows: str, lacking: Sequence[str] = ()) -> str:
        """DuckDB's query of the rows, with the keys of what they look up."""
        keys = [f"{lookup.key} AS {BY}_{n}" for n, lookup in enumerate(self.lookups)]
        absent = [f"CAST(NULL AS {self.kinds[name]}) AS {quoted(name)}" for name in lacking]
        source = f"(SELECT *, {', '.join(absent)} FROM {rows})" if absent else rows
        return f"SELECT {', '.join([*map(quoted, self.kinds), *keys])} FROM {source}"

    def whole(self, rows: str, relation_of: Callable[[str], str]) -> str:
        """DuckDB's query of the rows of a source with what they look up.

        Args:
            rows: identifier of the table of the rows.
            relation_of: returns the relation of a table, by its identifier.
        """
        parts = {"rows_with_keys": self.keyed(relation_of(rows))}
        found = []
        for n, lookup in enumerate(self.lookups):
            parts[f"entries_{n}"] = entries(relation_of(lookup.table), lookup)
            parts[f"found_{n}"] = latest_of(f"entries_{n}")
            found.append(f"found_{n}")
        named = ", ".join(f"{name} AS ({sql})" for name, sql in parts.items())
        return f"WITH {named} {self.joined('rows_with_keys', found)}"

    def _keyed(self, rows: Relation) -> Relation:
        there = {name.lower() for name in rows.columns}
        lacking = [name for name in self.kinds if name.lower() not in there]
        keys = {f"{BY}_{n}": str(TEXT) for n in range(len(self.lookups))}
        return rows.row_wise(self.keyed(ROWS, lacking), {**self.kinds, **keys})


def rows_table(shop: Shop, source: str) -> Table:
    """The table with the rows of a source: bronze, or with what they look up."""
    lookups = lookups_of(shop, source)
    bronze = bronze_table(shop, f"bronze.{source}")
    if not lookups:
        return bronze
    columns = dict(bronze.schema.columns)
    looked_up = {
        lookup.column: pa.Column(
            TEXT,
            nullable=True,
            description=f"{lookup.found_in} of {lookup.table}, by {' and '.join(lookup.reads)}.",
        )
        for lookup in lookups
    }
    transform = WithLookups(kinds_of(columns), lookups)
    origins: dict[str, tuple[tuple[str, str], ...]] = {
        name: ((bronze.identifier, name),) for name in columns
    }
    for lookup in lookups:
        by = [(bronze.identifier, name) for name in lookup.reads]
        origins[lookup.column] = ((lookup.table, lookup.found_in), *by)
    return Table(
        layer="silver",
        name=looked_up_table(source).removeprefix("silver."),
        schema=pa.DataFrameSchema(
            # The columns of provenance come last.
            dict(sorted((columns | looked_up).items(), key=lambda item: item[0].startswith("_"))),
            name=looked_up_table(source).removeprefix("silver."),
            description=f"A row of {bronze.identifier}.\n\nAs received, with what it looks up in "
            f"{' and '.join(transform.others)}: of the rows there with its key, the latest one "
            "delivered counts.",
            unique=[SOURCE_FILE, ROW_NUMBER],
        ),
        transform=transform,
        upstream=(bronze.identifier, *transform.others),
        origins=origins,
        refresh=LookedUp(
            INGESTION_DATE, on={bronze.identifier: by_day(INGESTION_DATE)}, lookups=lookups
        ),
        partitioned_by=(INGESTION_DATE,),
        may_shrink=True,  # as bronze, whose checks say so
    )
