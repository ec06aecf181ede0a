"""The strategy of a table of rows with what they look up in other tables."""

from datetime import date

from ecommerce_assets.engine.queries import query
from ecommerce_assets.engine.relation import ROWS, Relation
from ecommerce_assets.landing.layout import (
    INGESTION_DATE,
    PROVENANCE,
    ROW_NUMBER,
    SOURCE_FILE,
)
from ecommerce_assets.model.lookup import Lookup
from ecommerce_assets.model.strategies import LookedUp
from ecommerce_assets.model.versions import latest_first
from ecommerce_assets.refresh.by_key import ByKeyPlanner
from ecommerce_assets.refresh.inputs import Inputs
from ecommerce_assets.refresh.keys import KEY, AffectedKeys
from ecommerce_assets.refresh.upstream import Changes

BY, VALUE = "_looked_up_by", "_looked_up"
_ENTRIES = {BY: "TEXT", VALUE: "TEXT", INGESTION_DATE: "DATE", SOURCE_FILE: "TEXT",
            ROW_NUMBER: "BIGINT"}  # fmt: skip


class LookedUpPlanner(ByKeyPlanner):
    """Of rows that look up values."""

    def affected(self, inputs: Inputs, changes: Changes) -> AffectedKeys:
        """The days that changed, and those of rows whose looked-up value is another one now."""
        assert isinstance(self.strategy, LookedUp)
        name = inputs.table.upstream[0]
        days: set[date] = set(changes[name].firsts)
        for lookup in self.strategy.lookups:
            if not changes[lookup.table]:
                continue
            changed = _changed(inputs, lookup).checkpointed()
            if not changed.is_empty:
                keys = inputs.now(name).row_wise(
                    f"SELECT {INGESTION_DATE}, {lookup.key} FROM {ROWS}",
                    {INGESTION_DATE: "DATE", BY: "TEXT"},
                )
                days |= {row[INGESTION_DATE] for row in _days(keys, changed).rows()}
        return AffectedKeys(inputs.engine.days(KEY, days), sorted(days), inputs.limits)


def _changed(inputs: Inputs, lookup: Lookup) -> Relation:
    """The keys whose value is another one than when the table was computed."""
    given = {"later": latest_values(inputs.now(lookup.table), lookup)}
    signed = f"SELECT {BY}, {VALUE}, 1 AS sign FROM later"
    if (then := inputs.before(lookup.table)) is not None:
        given["earlier"] = latest_values(inputs.at(lookup.table, then), lookup)
        signed += f" UNION ALL SELECT {BY}, {VALUE}, -1 AS sign FROM earlier"
    return query(
        f"""
        SELECT DISTINCT {BY} FROM (
            SELECT {BY}, {VALUE}, sum(sign) AS more FROM ({signed}) AS signed GROUP BY {BY}, {VALUE}
        ) AS sums
        WHERE more <> 0""",
        **given,
    )


def _days(keys: Relation, changed: Relation) -> Relation:
    return query(
        f"""
        SELECT DISTINCT keys.{INGESTION_DATE} FROM keys
        SEMI JOIN changed ON keys.{BY} = changed.{BY}""",
        keys=keys,
        changed=changed,
    )


def latest_values(rows: Relation, lookup: Lookup) -> Relation:
    """By key, the latest value delivered."""
    return query(latest_of("entries"), entries=rows.row_wise(entries(ROWS, lookup), _ENTRIES))


def entries(rows: str, lookup: Lookup) -> str:
    """DuckDB's query of the keys and the values of rows in which values are looked up."""
    provenance = ", ".join(PROVENANCE)
    return f"SELECT {lookup.by} AS {BY}, {lookup.value} AS {VALUE}, {provenance} FROM {rows}"


def latest_of(entries: str) -> str:
    """The query of the latest value of each key."""
    return f"""
        SELECT {BY}, {VALUE} FROM (
            SELECT {BY}, {VALUE}, row_number() OVER (PARTITION BY {BY}
                ORDER BY {latest_first(PROVENANCE)}) AS _place
            FROM {entries} WHERE {BY} IS NOT NULL
        ) AS numbered
        WHERE _place = 1"""
