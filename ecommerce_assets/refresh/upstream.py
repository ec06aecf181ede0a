"""What changed upstream since the published snapshot, and which keys that affects."""

from collections.abc import Iterator, Mapping
from datetime import date

from ecommerce_assets.engine.queries import all_rows, query
from ecommerce_assets.engine.relation import Relation
from ecommerce_assets.intervals import end_of_day, end_of_month, lies_in
from ecommerce_assets.lakehouse.data_files import described
from ecommerce_assets.lakehouse.history import history_of
from ecommerce_assets.lakehouse.partitions import Partitions
from ecommerce_assets.landing.layout import INGESTION_DATE
from ecommerce_assets.model.dependency import DependencyMapping
from ecommerce_assets.refresh.changes import changed_rows, differing
from ecommerce_assets.refresh.decision import Nothing, Whole
from ecommerce_assets.refresh.inputs import Inputs, Known
from ecommerce_assets.refresh.keys import KEY, AffectedKeys, keys_of
from ecommerce_assets.refresh.run_cache import Change
from ecommerce_assets.sql import ansi_literal

Changes = Mapping[str, Partitions]
NOTHING_CHANGED = "nothing changed upstream"


def upstream_changes(known: Known) -> Changes | Nothing | Whole:
    """The changed partitions by upstream table; or why they are unknown or irrelevant."""
    table, record = known.table, known.published.record
    if known.request.full_refresh:
        return Whole(why="a full refresh was asked for")
    if known.published.current is None:
        return Whole(why="first run")
    if bad := known.request.damaged.get(table.identifier):
        return Whole(why=f"mended: {described(bad)}")
    if record is None:
        return Whole(why="its published snapshot has no record of what it was built from")
    if record.code_version != table.code_version:
        return Whole(why=f"its code changed from {record.code_version} to {table.code_version}")
    changes = {}
    for name in table.upstream:
        if name not in record.sources:
            return Whole(why=f"its published snapshot was not built from {name}")
        history = known.upstream[name]
        found = history.changed_partitions(record.sources[name], history.snapshot_id)
        if found is None:
            return Whole(why=f"what changed in {name} since it was built is no longer known")
        changes[name] = found
    return changes if any(changes.values()) else Nothing(why=NOTHING_CHANGED)


def affected_keys(inputs: Inputs, changes: Changes) -> AffectedKeys | Whole:
    """The affected refresh keys; or why the whole table is affected."""
    found: list[Relation] = []
    days: set[date] = set()
    for name, partitions in changes.items():
        if not partitions:
            continue
        mapping = inputs.mapping(name)
        by_partition = mapping.is_value and mapping.column == partitions.column
        if by_partition and not partitions.monthly:
            days |= partitions.firsts
            continue
        rows = _redelivered_keys(inputs, name, mapping)
        if rows is None:
            rows = rows_that_changed(inputs, name, partitions)
        if rows is None:
            return Whole(why=f"much of {name} changed")
        if mapping.columns:
            rows = differing(rows, mapping.columns)
        if mapping.through:
            found += _matching_keys(inputs, rows, mapping)
        elif mapping.key is not None:
            keys = keys_of(rows, mapping.key)
            found.append(inputs.not_determined_elsewhere(keys, mapping))
        elif not rows.is_empty:
            return Whole(why=f"{name} changed")
    of_days = inputs.engine.days(KEY, days)
    if not found:
        return AffectedKeys(of_days, sorted(days), inputs.limits)
    return inputs.collected(all_rows([*found, of_days] if days else found))


def _matching_keys(
    inputs: Inputs, rows: Relation, mapping: DependencyMapping
) -> Iterator[Relation]:
    """The refresh keys of the rows of other upstream tables that match changed rows.

    Keys whose row in such a table changed are found by its own mapping. Files of other rows are not
    read.
    """
    for table, same in mapping.through:
        ends = ", ".join(f"min({own}), max({own})" for own, _ in same)
        bounds = [*query(f"SELECT {ends} FROM changed", changed=rows).rows()[0].values()]
        if None in bounds:
            continue
        others = inputs.now(table)
        for (_, other), least, most in zip(same, bounds[::2], bounds[1::2], strict=True):
            others = others.where(f"{other} BETWEEN {ansi_literal(least)} AND {ansi_literal(most)}")
        matches = " AND ".join(f"others.{other} = changed.{own}" for own, other in same)
        yield query(
            f"SELECT others.{mapping.column} AS {KEY} FROM others SEMI JOIN changed ON {matches}",
            others=others,
            changed=rows.joined_by("broadcast"),
        )


def rows_that_changed(inputs: Inputs, name: str, partitions: Partitions) -> Relation | None:
    """Like `changed_rows`, computed once for all tables of the run."""
    before, after = inputs.before(name), inputs.upstream[name].snapshot_id
    where = _condition(partitions)

    def compute() -> Relation | None:
        rows = inputs.at(name, before).where(where) if before is not None else None
        now = inputs.now(name).where(where)
        return changed_rows(now, rows, _compared_by(inputs, name), inputs.limits.changed_keys)

    return inputs.cache.change(Change(name, before, after), compute)


def offer_changed_rows(inputs: Inputs, rewritten: tuple[Relation, Relation], snapshot: int) -> None:
    """Let downstream tables of this run compare only the rows that this table rewrote.

    Args:
        rewritten: the new and the published rows of the replaced keys.
        snapshot: id of the new snapshot.
    """
    name, (now, before) = inputs.table.identifier, rewritten
    inputs.cache.offer(
        Change(name, inputs.published.snapshot_id, snapshot),
        lambda: changed_rows(now, before, _compared_by(inputs, name), inputs.limits.changed_keys),
    )


def _redelivered_keys(inputs: Inputs, name: str, mapping: DependencyMapping) -> Relation | None:
    """Keys of a silver table that have a version in deliveries changed since.

    Any other key still has the version that was the latest, and no higher one has arrived, so its
    row is unchanged. None if that is unknown, or if the table depends on more than the key.
    """
    declared, history, then = inputs.tables[name], inputs.upstream[name], inputs.before(name)
    selects_versions = declared.refresh.selects_versions
    if not selects_versions or mapping.columns or (mapping.column,) != declared.key:
        return None
    before, after = history.record_at(then), history.record
    if before is None or after is None or before.code_version != after.code_version:
        return None
    dates: set[date] = set()
    for bronze in declared.upstream:
        if bronze not in before.sources or bronze not in after.sources:
            return None
        deliveries = history_of(inputs.lakehouse, bronze)
        partitions = deliveries.changed_partitions(before.sources[bronze], after.sources[bronze])
        if partitions is None or (partitions and partitions.column != INGESTION_DATE):
            return None
        dates |= partitions.firsts
    delivered = lies_in(INGESTION_DATE, dates)
    snapshots = [inputs.at(name, then), inputs.now(name)]
    old, new = [rows.where(delivered).select(*declared.key) for rows in snapshots]
    both = all_rows([old, new])
    keys = query(f"SELECT DISTINCT {', '.join(both.columns)} FROM keyed", keyed=both).checkpointed()
    return keys if keys.count() <= inputs.limits.changed_keys else None


def _compared_by(inputs: Inputs, name: str) -> tuple[str, ...]:
    """The columns compared between two snapshots of a table."""
    declared = inputs.tables[name]
    return (declared.refresh.key,) if declared.refresh.key else declared.key


def _condition(partitions: Partitions) -> str:
    """SQL condition of these partitions, by which Iceberg prunes the others."""
    if partitions.column is None:
        return "true" if partitions else "false"
    end_of = end_of_month if partitions.monthly else end_of_day
    return lies_in(partitions.column, partitions.firsts, end_of)
