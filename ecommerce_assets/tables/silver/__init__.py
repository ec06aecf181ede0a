"""Silver: the latest valid version of each key, and quarantine for the other rows.

A module's `tables_of_shop` declares a table and its quarantine for a shop.
"""

import inspect
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from functools import partial

import pandera.pandas as pa

from ecommerce_assets.engine.queries import Query, all_rows
from ecommerce_assets.engine.relation import Relation
from ecommerce_assets.landing.layout import INGESTION_DATE, PROVENANCE, ROW_NUMBER, SOURCE_FILE
from ecommerce_assets.model.dependency import by_day
from ecommerce_assets.model.strategies import ByKey, LatestVersion
from ecommerce_assets.model.table import Table
from ecommerce_assets.model.versions import latest_first
from ecommerce_assets.shop import Shop
from ecommerce_assets.sql import ansi_literal, quoted
from ecommerce_assets.tables.absence import PRESENT, Absence, absence_of
from ecommerce_assets.tables.audits.marked import marks_of
from ecommerce_assets.tables.audits.quarantine import Keyed, quarantined_rows
from ecommerce_assets.tables.audits.repeated import repeats_of
from ecommerce_assets.tables.audits.silver import accounting
from ecommerce_assets.tables.casting import trimmed
from ecommerce_assets.tables.contract import (
    IS_GONE,
    SAYS_GONE,
    SOURCE,
    VALID,
    Contract,
    CrossFieldRule,
    of_all_sources,
    of_shop,
)
from ecommerce_assets.tables.currencies import currencies_of
from ecommerce_assets.tables.feed import Feed, feeds_for, lookups_of
from ecommerce_assets.tables.looked_up import rows_table
from ecommerce_assets.tables.provenance import VERSION_ORDER, provenance
from ecommerce_assets.tables.types import REASONS, TEXT, kinds_of, with_types

JUDGED = "judged"  # the relation of the rows of all sources, as their contracts give them


def tables_of_shop(shop: Shop) -> tuple[Table, ...]:
    """A table for each source whose rows look up values in others."""
    return tuple(
        rows_table(shop, source.name) for source in shop.sources if lookups_of(shop, source.name)
    )


def silver_tables(
    shop: Shop,
    *,
    name: str,
    model: type[pa.DataFrameModel],
    partitioned_by: tuple[str, ...] = (),
    computed: Mapping[str, str] | None = None,
    rules: tuple[CrossFieldRule, ...] = (),
    parent: str | None = None,
    detail: str | None = None,
    value: str | None = None,
) -> tuple[Table, Table]:
    """The current row of each key of a source, and the rows that break the contract.

    Args:
        name: name of the silver table.
        model: the contract; its first column is the key.
        partitioned_by: Iceberg partition transforms.
        computed: by column that may be empty in the source, SQL of its value from the other typed
            columns.
        rules: rules on several values of a row.
        parent: the column that should be the same in all versions of a key.
        detail: the column that should be the same in the versions that one file holds.
        value: the column with a row's value.

    Raises:
        PipelineError: the shop file says about this table what can't be.
    """
    currencies = currencies_of(shop)
    declared = with_types(model.to_schema(), currencies.received)
    (key,) = [declared.unique] if isinstance(declared.unique, str) else declared.unique
    computed = computed or {}
    feeds = feeds_for(shop, name, declared.columns, key)
    sources = [rows_table(shop, feed.source) for feed in feeds]
    kept = _as_received(sources)
    types = kinds_of(kept)
    amounts, repeats = kinds_of(declared.columns), repeats_of(shop, name)
    absence = absence_of(shop, name, key)
    marks = _marks(feeds, [marks_of(feed, amounts, repeats, currencies) for feed in feeds])
    contracts = [
        Contract(
            of_shop(declared, shop, name, feed, computed), computed, rules, feed, marked, types
        )
        for feed, marked in zip(feeds, marks, strict=True)
    ]
    columns = of_all_sources(contracts)
    fed = name in shop.declared.tables
    keyed = Keyed(
        f"silver.{name}",
        key,
        *((parent, detail, value) if fed else (None, None, None)),
        parse=partial(parsed_again, contracts=contracts),
        as_received=quarantined(kept),
        kinds=contracts[0].kinds,
        selects=any(part.where for part in shop.declared.tables.get(name, ())),
        repeats=repeats,
        marks=tuple(mark for mark in marks[0] if mark != IS_GONE),
        shop=shop,
        absence=absence,
    )
    described = inspect.cleandoc(model.__doc__ or "")
    if not fed:
        described += "\n\nThe shop file feeds it from no source, so it is empty."
    current = Table(
        layer="silver",
        name=name,
        schema=pa.DataFrameSchema(
            {**columns, **provenance()},
            name=name,
            description=f"{described}\n\nThe latest valid version of each key: highest "
            "updated_at; ties by ingestion date, file and row number.",
            unique=[key],
        ),
        transform=latest_versions(key, tuple(columns), absence),
        upstream=tuple(feed.rows for feed in feeds),
        origins=_origins(contracts),
        prepare={contract.feed.rows: contract for contract in contracts},
        refresh=LatestVersion(
            key,
            VERSION_ORDER,
            VALID,
            {feed.rows: trimmed(feed.texts[key]) for feed in feeds},
            absence is not None,
        ),
        partitioned_by=partitioned_by,
        audits=(accounting(keyed),),
    )
    return current, _quarantine(current, sources, kept)


def _marks(feeds: Sequence[Feed], found: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """The marks of each source's rows; the rows of all sources have the same columns."""
    if any(feed.gone for feed in feeds):
        found = [{**marks, IS_GONE: SAYS_GONE if feed.gone else "false"}
                 for marks, feed in zip(found, feeds, strict=True)]  # fmt: skip
    names = [name for marks in found for name in marks]
    return [{name: marks.get(name, "false") for name in names} for marks in found]


def _as_received(sources: Sequence[Table]) -> dict[str, pa.Column]:
    """The columns that hold rows of any of these bronze tables; those of the same name are one."""
    if len(sources) == 1:
        return sources[0].schema.columns
    found: dict[str, pa.Column] = {}
    named = Counter(name.lower() for bronze in sources for name in bronze.columns)
    for bronze in sources:
        known = {name.lower() for name in found}
        for name, column in bronze.columns.items():
            if name.lower() not in known:
                found[name] = copy(column)
                found[name].nullable |= named[name.lower()] < len(sources)
    found[SOURCE] = pa.Column(TEXT, description="The source that delivered the row.")
    return dict(sorted(found.items(), key=lambda item: item[0].startswith("_")))


def feeds_of(table: Table) -> tuple[Feed, ...]:
    """Where the columns of a silver table, or of its quarantine, come from, by source."""
    return tuple(contract.feed for contract in contracts_of(table))


def contracts_of(table: Table) -> tuple[Contract, ...]:
    """The contracts of a silver table, one for each source."""
    return tuple(found for found in table.prepare.values() if isinstance(found, Contract))


def key_in_quarantine(table: Table) -> str:
    """SQL of the text of a silver table's key, in its quarantine."""
    feeds, (key,) = feeds_of(table), table.key
    if len(feeds) == 1:
        return feeds[0].texts[key]
    cases = " ".join(f"WHEN {ansi_literal(f.source)} THEN {f.texts[key]}" for f in feeds)
    return f"CASE {quoted(SOURCE)} {cases} END"


def _quarantine(silver: Table, sources: Sequence[Table], kept: Mapping[str, pa.Column]) -> Table:
    """The rows of bronze that break the contract of `silver`, with all reasons."""
    schema = pa.DataFrameSchema(
        {
            **kept,
            "_reasons": pa.Column(
                REASONS,
                description="All reasons why the row breaks the contract.",
            ),
        },
        name=f"{silver.name}_quarantine",
        description=f"A row of {' or '.join(silver.upstream)} that broke the contract.\n\nThe row "
        "as received, with every reason; it leaves when a corrected delivery replaces it.",
        unique=[SOURCE_FILE, ROW_NUMBER],
    )
    return Table(
        layer="silver",
        name=f"{silver.name}_quarantine",
        schema=schema,
        transform=quarantined(kept),
        upstream=silver.upstream,
        prepare=silver.prepare,
        origins=_origins_of_received(silver, sources),
        refresh=ByKey(
            INGESTION_DATE, on={bronze: by_day(INGESTION_DATE) for bronze in silver.upstream}
        ),
        partitioned_by=(INGESTION_DATE,),
        audits=(quarantined_rows,),
        may_shrink=True,
    )


def _origins(contracts: Sequence[Contract]) -> dict[str, tuple[tuple[str, str], ...]]:
    """By column of a silver table, the columns of bronze that it is made of."""
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for contract in contracts:
        reads = {**contract.reads, **{name: (name,) for name in PROVENANCE}}
        for column, read in reads.items():
            origins = tuple((contract.feed.rows, name) for name in read)
            found[column] = (*found.get(column, ()), *origins)
    return found


def _origins_of_received(
    silver: Table, sources: Sequence[Table]
) -> dict[str, tuple[tuple[str, str], ...]]:
    """By column of a quarantine, the columns of bronze that it is made of."""
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for bronze in sources:
        for name in bronze.columns:
            found[name] = (*found.get(name, ()), (bronze.identifier, name))
    judged = [origin for origins in silver.origins.values() for origin in origins]
    return found | {"_reasons": tuple(dict.fromkeys(judged))}


def parsed_again(quarantine: Relation, *, contracts: Sequence[Contract]) -> Relation:
    """The typed values and the reasons of rows in quarantine."""
    received = quarantine.select(*[name for name in quarantine.columns if name != "_reasons"])
    if len(contracts) == 1:
        return contracts[0](received)
    if SOURCE not in received.columns:
        # Published before there were several sources; this run computes it again.
        return contracts[0](received.where("false"))
    return all_rows(
        contract(received.where(f"{SOURCE} = {ansi_literal(contract.feed.source)}"))
        for contract in contracts
    )


def latest_versions(key: str, columns: Sequence[str], absence: Absence | None = None) -> Query:
    """One row per key: the latest of its valid versions, by `VERSION_ORDER`.

    Of what later deliveries no longer hold, none.
    """
    listed = ", ".join([*columns, *PROVENANCE])
    rows, mark, left_out = JUDGED, "", ""
    counted = VALID
    if absence:
        rows, mark = f"({absence.versions(JUDGED)}) AS present", f", {IS_GONE}"
        counted, left_out = f"{VALID} AND {PRESENT} = 1", f" AND NOT {IS_GONE}"
    return Query(
        f"""
        SELECT {listed} FROM (
            SELECT {listed}{mark}, row_number() OVER (PARTITION BY {key}
                ORDER BY {latest_first(VERSION_ORDER)}) AS _version
            FROM {rows} WHERE {counted}
        ) AS versions
        WHERE _version = 1{left_out}""",
        (JUDGED,),
        is_of_all=True,
    )


def quarantined(columns: Iterable[str]) -> Query:
    """The rows of bronze that break the contract, as received, with all reasons."""
    received = ", ".join(f"{JUDGED}._received.{quoted(n)} AS {quoted(n)}" for n in columns)
    return Query(
        f"SELECT {received}, _reasons FROM {JUDGED} WHERE NOT {VALID}", (JUDGED,), is_of_all=True
    )
