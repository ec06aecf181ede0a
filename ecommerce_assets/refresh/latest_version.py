"""The strategy of a table that holds the latest valid version of each key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql import types as T

from ecommerce_assets.intervals import lies_in
from ecommerce_assets.landing.layout import INGESTION_DATE
from ecommerce_assets.refresh.decision import Decision, Rows, VersionEvidence
from ecommerce_assets.refresh.dependency import DependencyMapping
from ecommerce_assets.refresh.inputs import Inputs, all_rows
from ecommerce_assets.refresh.keys import KEY, AffectedKeys
from ecommerce_assets.refresh.replacement import replacement
from ecommerce_assets.refresh.run_cache import checkpointed
from ecommerce_assets.refresh.strategy import Strategy
from ecommerce_assets.refresh.upstream import Changes

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


_RECEIVED = "_received_key"


@dataclass(frozen=True)
class LatestVersion(Strategy):
    """Compare the versions in changed deliveries with the published versions of the same keys.

    If the table is small and deliveries were only added, with all published versions.

    The upstream tables hold every version of each key, partitioned by ingestion date. An added
    version can only replace a lower one. All deliveries are searched only for keys whose published
    version came from a changed delivery that no longer holds an equal or higher one.

    Attributes:
        key: the column whose values have versions.
        order: the columns by which versions are compared, most significant first.
        valid: Spark SQL condition of valid versions.
        received: by upstream table, Spark SQL of the key, from a row before its preparation.
    """

    key: str
    order: tuple[str, ...]
    valid: str
    received: Mapping[str, str]
    on: Mapping[str, DependencyMapping] = field(default_factory=dict, init=False)

    @property
    def selects_versions(self) -> bool:
        """True."""
        return True

    def plan(self, inputs: Inputs, changes: Changes) -> Decision:
        """The latest versions of the keys found in the changed deliveries."""
        dates = _dates(changes)
        delivered = _delivered(inputs, dates)
        published = inputs.published_rows()
        some_replaced = any(partitions.removed for partitions in changes.values())
        if not some_replaced and inputs.published.rows <= inputs.limits.finding_changes:
            return self._merged(inputs, delivered, published, dates)
        valid = delivered.where(self.valid)
        in_dates = F.expr(lies_in(INGESTION_DATE, dates))
        keys = valid.select(F.col(self.key).alias(KEY))
        if some_replaced:
            keys = keys.unionAll(published.where(in_dates).select(F.col(self.key).alias(KEY)))
        affected = inputs.collected(keys)
        latest = checkpointed(affected.within(published, self.key))
        candidates = delivered.unionByName(as_candidates(latest.where(~in_dates), delivered))
        if some_replaced:
            demoted = inputs.collected(self.demoted_keys(latest.where(in_dates), valid))
            if not demoted.none:
                earlier = [
                    self._versions_of(demoted, inputs, bronze, ~in_dates)
                    for bronze in inputs.table.upstream
                ]
                candidates = all_rows([candidates, *earlier])
        candidates = checkpointed(candidates)
        recomputed = inputs.table.transform(candidates)
        return replace(
            replacement(inputs, affected, recomputed, latest),
            dates=tuple(dates),
            evidence=VersionEvidence(candidates, self._replaced(inputs, changes)),
        )

    def _merged(
        self, inputs: Inputs, delivered: "DataFrame", published: "DataFrame", dates: Sequence[date]
    ) -> Rows:
        """The latest of the new and all published versions: for a table that is quickly read."""
        candidates = delivered.unionByName(as_candidates(published, delivered))
        return Rows(
            f"the rows of {len(dates):,} new deliveries, and all published ones",
            inputs.table.transform(candidates),
            replace="true",
            dates=tuple(dates),
            evidence=VersionEvidence(candidates),
        )

    def _versions_of(
        self, keys: AffectedKeys, inputs: Inputs, bronze: str, where: "Column"
    ) -> "DataFrame":
        """The parsed rows of these keys in an upstream table."""
        # Preparing a row takes far longer than looking for its key.
        rows = inputs.now(bronze).where(where)
        keyed = rows.withColumn(_RECEIVED, F.expr(self.received[bronze]))
        found = inputs.table.prepare[bronze](keys.within(keyed, _RECEIVED).drop(_RECEIVED))
        return keys.within(found, self.key)

    def demoted_keys(self, latest: "DataFrame", valid: "DataFrame") -> "DataFrame":
        """The keys of published rows for which `valid` holds no equal or higher version."""
        version = F.struct(*self.order)
        best = valid.groupBy(F.col(self.key).alias(KEY)).agg(F.max(version).alias("_best"))
        joined = latest.join(best, F.col(self.key) == F.col(KEY), "left").drop(KEY)
        unbeaten = F.col("_best").isNull() | (F.col("_best") < version)
        return joined.where(unbeaten).select(F.col(self.key).alias(KEY))

    def judged(self, inputs: Inputs, changes: Changes, rows: Rows) -> Rows:
        """The rows of a whole table, judged by the changed deliveries and the published rows."""
        dates = _dates(changes)
        delivered = _delivered(inputs, dates)
        others = inputs.published_rows().where(f"not ({lies_in(INGESTION_DATE, dates)})")
        candidates = delivered.unionByName(as_candidates(others, delivered))
        evidence = VersionEvidence(candidates, self._replaced(inputs, changes))
        return replace(rows, dates=tuple(dates), evidence=evidence)

    def _replaced(self, inputs: Inputs, changes: Changes) -> "DataFrame | None":
        """The parsed rows of deliveries that have been replaced or removed; None without any."""
        dates: set[date] = set()
        for partitions in changes.values():
            dates |= partitions.removed
        if not dates:
            return None
        where = lies_in(INGESTION_DATE, dates)
        return all_rows(
            parse(inputs.at(bronze, inputs.before(bronze)).where(where))
            for bronze, parse in inputs.table.prepare.items()
        )


def _dates(changes: Changes) -> list[date]:
    """The ingestion dates whose delivery changed in any upstream table."""
    dates: set[date] = set()
    for partitions in changes.values():
        dates |= partitions.firsts
    return sorted(dates)


def _delivered(inputs: Inputs, dates: Sequence[date]) -> "DataFrame":
    """The parsed rows of these dates, of all upstream tables: keys may have versions in several."""
    return all_rows(
        inputs.of_days(bronze, INGESTION_DATE, dates) for bronze in inputs.table.upstream
    )


def as_candidates(latest: "DataFrame", parsed: "DataFrame") -> "DataFrame":
    """Published rows in the form of parsed rows: valid, so without reasons."""
    return latest.select(
        *[
            F.col(field.name)
            if field.name in latest.columns
            else F.array().cast(field.dataType).alias(field.name)
            if isinstance(field.dataType, T.ArrayType)
            else F.lit(None).cast(field.dataType).alias(field.name)
            for field in parsed.schema
        ]
    )
