"""What would become of each row of a silver table's sources: by the table's own contract."""

from ecommerce_assets.landing.layout import PROVENANCE
from ecommerce_assets.model.table import Table
from ecommerce_assets.model.versions import latest_first
from ecommerce_assets.shop import current_shop
from ecommerce_assets.sql import ansi_literal
from ecommerce_assets.tables.absence import PRESENT, absence_of
from ecommerce_assets.tables.contract import IS_GONE, SOURCE, VALID
from ecommerce_assets.tables.feed import Feed
from ecommerce_assets.tables.provenance import VERSION_ORDER
from ecommerce_assets.tables.silver import contracts_of


def relation_of(source: str) -> str:
    """The relation with the rows of a source as bronze would hold them."""
    return relation_of_table(f"bronze.{source}")


def rows_of(feed: Feed) -> str:
    """The relation with the rows of a feed: of its source, with what they look up in others."""
    return relation_of_table(feed.rows)


def relation_of_table(identifier: str) -> str:
    """The relation with the rows that a table would hold."""
    return identifier.replace(".", "_")


def with_fates(table: Table) -> str:
    """The query of every received row: its typed values, its version and its `fate`.

    `_source` names its source; `_reasons` are those for quarantine; the fate is `not_selected`,
    `quarantined`, `current`, `superseded` or `gone`. Beside them, the marks of the contract.

    Args:
        table: of silver; the rows of its feeds are in the relations of `rows_of`.
    """
    (key,) = table.key
    judged = " UNION ALL ".join(
        f"(SELECT {ansi_literal(contract.feed.source)} AS {SOURCE}, _selected, _reasons, "
        f"{', '.join([*contract.schema.columns, *PROVENANCE, *contract.marks])}, "
        "COLUMNS('^_text_') "
        f"FROM ({contract.judged(rows_of(contract.feed))}))"
        for contract in contracts_of(table)
    )
    newest = latest_first(VERSION_ORDER)
    judged = f"SELECT *, CASE WHEN _selected THEN len(_reasons) = 0 END AS {VALID} FROM ({judged})"
    if absence := absence_of(current_shop(), table.name, key):
        silent = f"SELECT *, 1 AS {PRESENT} FROM judged WHERE {VALID} IS NULL"
        rows = f"WITH judged AS ({judged}) {absence.versions('judged')} UNION ALL BY NAME {silent}"
    else:
        rows = f"SELECT *, 1 AS {PRESENT}, false AS {IS_GONE} FROM ({judged})"
    return f"""
        WITH versions AS (
            SELECT *, row_number() OVER (
                PARTITION BY {key}, {VALID}, {PRESENT} ORDER BY {newest}) AS _version
            FROM ({rows})
        ), of_keys AS (
            SELECT *, bool_or({VALID} AND {PRESENT} = 1 AND _version = 1 AND {IS_GONE})
                OVER (PARTITION BY {key}) AS _key_gone
            FROM versions
        )
        SELECT * EXCLUDE (_selected, _version, {VALID}, {PRESENT}, {IS_GONE}, _key_gone),
            CASE WHEN NOT _selected THEN 'not_selected' WHEN NOT {VALID} THEN 'quarantined'
            WHEN {PRESENT} = 0 OR _key_gone THEN 'gone'
            WHEN _version = 1 THEN 'current' ELSE 'superseded' END AS fate
        FROM of_keys"""
