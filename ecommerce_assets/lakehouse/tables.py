"""Iceberg tables of the lakehouse: create, read at a snapshot, stage a new state, publish it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import random
from time import sleep
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse.history import History, Marker, qualified

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

SHUFFLE_BYTES = 16 << 20  # of compressed files a shuffle partition
BRANCH = "run_"
GONE = "does not exist"
COMMIT_ATTEMPTS = 30
COMMIT_WAIT_SECONDS = 0.1


class PublishConflict(Exception):
    """Another run published the table since this one staged its state; stage it anew."""


@dataclass(frozen=True)
class Staged:
    """A new state, written to a branch that readers of the table do not see.

    Attributes:
        snapshot: its id.
        frame: the whole table as it will be once published.
        rows: its rows.
        added: rows that this run wrote.
    """

    snapshot: int
    frame: "DataFrame"
    rows: int
    added: int


def create_table(
    spark: "SparkSession",
    identifier: str,
    struct: "StructType",
    partitioned_by: Sequence[str],
    description: str,
    *,
    clustered: bool = False,
) -> None:
    """Create the table unless it is there; add columns that it lacks, partition it as declared.

    Files that are there stay in their old partitions until they are replaced.

    Args:
        clustered: rows come partition by partition, so that a write needs no shuffle.

    Raises:
        PipelineError: a column is there with another type.
    """
    namespace = identifier.split(".")[0]
    if not exists(spark, identifier):
        _create(
            spark,
            f"CREATE NAMESPACE IF NOT EXISTS {qualified(namespace)}",
            lambda: spark.catalog.databaseExists(qualified(namespace)),
        )
        columns = ", ".join(_column_ddl(field) for field in struct.fields)
        by = f"PARTITIONED BY ({', '.join(partitioned_by)})" if partitioned_by else ""
        mode = "hash" if partitioned_by and not clustered else "none"
        _create(
            spark,
            f"CREATE TABLE IF NOT EXISTS {qualified(identifier)} ({columns}) USING iceberg {by} "
            f"COMMENT {_literal(description)} TBLPROPERTIES ('format-version'='2', "
            f"'write.distribution-mode'='{mode}', "
            "'read.split.open-file-cost'='524288', "
            "'write.metadata.delete-after-commit.enabled'='true', "
            "'write.metadata.previous-versions-max'='20', "
            "'commit.retry.num-retries'='30', 'commit.retry.min-wait-ms'='20')",
            lambda: exists(spark, identifier),
        )
        return
    present = {field.name: field.dataType for field in spark.table(qualified(identifier)).schema}
    for field in struct.fields:
        if field.name not in present:
            spark.sql(f"ALTER TABLE {qualified(identifier)} ADD COLUMN {_column_ddl(field)}")
        elif present[field.name] != field.dataType:
            raise PipelineError(
                f"{identifier}.{field.name} is {present[field.name].simpleString()} in the "
                f"lakehouse and {field.dataType.simpleString()} in the declaration: rename the "
                "column, or drop the table and materialize it again"
            )
    present_by = History(spark, identifier).partition_transforms
    if present_by != list(partitioned_by):
        for verb, transforms in (("DROP", present_by), ("ADD", partitioned_by)):
            for transform in transforms:
                spark.sql(f"ALTER TABLE {qualified(identifier)} {verb} PARTITION FIELD {transform}")


def _create(spark: "SparkSession", statement: str, exists: Callable[[], bool]) -> None:
    """Run a CREATE ... IF NOT EXISTS: its look and its creation are two steps to the catalog."""
    try:
        spark.sql(statement)
    except Exception:
        if not exists():
            raise


def exists(spark: "SparkSession", identifier: str) -> bool:
    """Whether the table is there."""
    return bool(spark.catalog.tableExists(qualified(identifier)))


def fit_shuffles(spark: "SparkSession", identifiers: Iterable[str]) -> None:
    """Set the session's shuffle partitions to the size of the tables that it is to read.

    Where adaptive execution is on, as on Glue, it does this by itself.
    """
    if spark.conf.get("spark.sql.adaptive.enabled") == "true":
        return
    size = sum(
        History(spark, identifier).bytes for identifier in identifiers if exists(spark, identifier)
    )
    cores = spark.sparkContext.defaultParallelism
    spark.conf.set("spark.sql.shuffle.partitions", str(min(cores, 1 + size // SHUFFLE_BYTES)))


def read(spark: "SparkSession", identifier: str, snapshot: int | None) -> "DataFrame":
    """The table as it was published in `snapshot`, whatever is published meanwhile."""
    if snapshot is None:
        return spark.table(qualified(identifier))
    return spark.read.option("snapshot-id", snapshot).table(qualified(identifier))


@contextmanager
def staged(
    spark: "SparkSession",
    base: History,
    frame: "DataFrame | None",
    replace: str,
    marker: Marker,
) -> "Iterator[Staged]":
    """Write `frame` to a branch of its own, in place of the rows of `base` that meet `replace`.

    Leaving the block publishes the branch by one atomic commit; an exception drops it with its
    files, and the published state stays as it was.

    Args:
        base: the published state that the new one was derived from.
        frame: the rows to write; None writes none and only records the marker.
        replace: SQL that is true for the rows to replace; whole files of them.

    Raises:
        PublishConflict: another run published since `base` was read; nothing was published.
    """
    table, identifier = base.table, base.identifier
    branch = f"{BRANCH}{marker.run}"
    at = [base.snapshot_id] if base.current else []
    _change_refs(table, lambda refs: refs.createBranch(branch, *at))
    table.refresh()
    start = table.snapshot(branch).snapshotId()
    try:
        if frame is None:
            commit = table.newAppend().toBranch(branch)
            for name, value in marker.summary().items():
                commit = commit.set(name, value)
            commit.commit()
        else:
            properties = {f"snapshot-property.{k}": v for k, v in marker.summary().items()}
            # An open file costs 1 MB at the least: of many dates a task writes one by one; of few
            # months all at once, which needs no sort.
            properties["fanout-enabled"] = "false" if base.by_date else "true"
            target = f"{qualified(identifier)}.branch_{branch}"
            frame.writeTo(target).options(**properties).overwrite(F.expr(replace))
        table.refresh()
        snapshot = table.snapshot(branch)
        if snapshot is None or snapshot.parentId() != start:
            raise PublishConflict(f"{identifier}: another run dropped the branch")
        summary = snapshot.summary()
        yield Staged(
            snapshot=snapshot.snapshotId(),
            frame=read(spark, identifier, snapshot.snapshotId()),
            rows=int(summary.get("total-records") or 0),
            added=int(summary.get("added-records") or 0),
        )
        _publish(table, branch)
    except BaseException as error:
        drop_branch(table, branch)
        if isinstance(error, Exception) and not isinstance(error, PipelineError) and moved(base):
            raise PublishConflict(str(error)) from error
        raise


def moved(base: History) -> bool:
    """Whether another state was published since `base` was read."""
    base.table.refresh()
    now = base.table.currentSnapshot()
    return now is not None and now.snapshotId() != base.snapshot_id


def _publish(table: Any, branch: str) -> None:
    try:
        _change_refs(
            table, lambda refs: refs.fastForwardBranch("main", branch).removeBranch(branch)
        )
    except Exception as error:
        # Either main is no ancestor any more, or the run that published dropped this branch.
        if "ancestor" in str(error) or GONE in str(error):
            raise PublishConflict(str(error)) from error
        raise
    # No other branch can be published any more: all began at a state that is past. They belong
    # to runs that were killed, or to one that is at work and will begin anew.
    for name in table.refs().keySet().toArray():
        if name.startswith(BRANCH):
            drop_branch(table, name)


def drop_branch(table: Any, branch: str) -> None:
    """Remove a branch, and the files of a state that was never published."""
    table.refresh()
    reference = table.refs().get(branch)
    if reference is None:
        return
    try:
        _change_refs(table, lambda refs: refs.removeBranch(branch))
    except Exception as error:
        if GONE in str(error):
            return  # Another run dropped it at the same moment.
        raise
    published = table.currentSnapshot()
    while published is not None and published.snapshotId() != reference.snapshotId():
        published = table.snapshot(published.parentId()) if published.parentId() else None
    if published is None:
        table.expireSnapshots().expireSnapshotId(reference.snapshotId()).commit()


def _change_refs(table: Any, change: Callable[[Any], Any]) -> None:
    """Commit a change of branches; Iceberg 1.10 gives up when another commit came between."""
    for attempt in range(COMMIT_ATTEMPTS):
        table.refresh()
        try:
            change(table.manageSnapshots()).commit()
        except Exception as error:
            if "CommitFailed" not in str(error) or attempt + 1 == COMMIT_ATTEMPTS:
                raise
            sleep(random() * COMMIT_WAIT_SECONDS)
        else:
            return


def _column_ddl(field: Any) -> str:
    comment = (field.metadata or {}).get("comment", "")
    return f"`{field.name}` {field.dataType.simpleString()} COMMENT {_literal(comment)}"


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
