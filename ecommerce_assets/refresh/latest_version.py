"""The strategy of a table that holds the latest valid version of each key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql import types as T

from ecommerce_assets.intervals import lies_in
from ecommerce_assets.landing.layout import INGESTION_DATE
from ecommerce_assets.refresh.decision import Decision, Rows
from ecommerce_assets.refresh.dependency import DependencyMapping
from ecommerce_assets.refresh.inputs import Inputs
from ecommerce_assets.refresh.keys import KEY
from ecommerce_assets.refresh.replacement import replacement
from ecommerce_assets.refresh.run_cache import checkpointed
from ecommerce_assets.refresh.strategy import Strategy
from ecommerce_assets.refresh.upstream import Changes

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


_RECEIVED = "_received_key"


@dataclass(frozen=True)
class LatestVersion(Strategy):
    """Compare the versions in changed deliveries with the published versions of the same keys.

    If the table is small and deliveries were only added, with all published versions.

    The only upstream table holds every version of each key, partitioned by ingestion date. An added
    version can only replace a lower one. All deliveries are searched only for keys whose published
    version came from a changed delivery that no longer holds an equal or higher one.

    Attributes:
        key: the column whose values have versions.
        order: the columns by which versions are compared, most significant first.
        valid: Spark SQL condition of valid versions.
        received: Spark SQL of the key, from a row of the upstream table before its preparation.
    """

    key: str
    order: tuple[str, ...]
    valid: str
    received: str
    on: Mapping[str, DependencyMapping] = field(default_factory=dict, init=False)

    @property
    def selects_versions(self) -> bool:
        """True."""
        return True

    def plan(self, inputs: Inputs, changes: Changes) -> Decision:
        """The latest versions of the keys found in the changed deliveries."""
        (bronze,) = inputs.table.upstream
        partitions = changes[bronze]
        dates = sorted(partitions.firsts)
        delivered = inputs.of_days(bronze, INGESTION_DATE, dates)
        published = inputs.published_rows()
        if not partitions.removed and inputs.published.rows <= inputs.limits.finding_changes:
            return self._merged(inputs, delivered, published, dates)
        valid = delivered.where(self.valid)
        in_dates = F.expr(lies_in(INGESTION_DATE, dates))
        keys = valid.select(F.col(self.key).alias(KEY))
        some_replaced = bool(partitions.removed)
        if some_replaced:
            keys = keys.unionAll(published.where(in_dates).select(F.col(self.key).alias(KEY)))
        affected = inputs.collected(keys)
        latest = checkpointed(affected.within(published, self.key))
        candidates = delivered.unionByName(as_candidates(latest.where(~in_dates), delivered))
        if some_replaced:
            demoted = inputs.collected(self.demoted_keys(latest.where(in_dates), valid))
            if not demoted.none:
                parse = inputs.table.prepare[bronze]
                earlier = inputs.now(bronze).where(~in_dates)
                # Preparing a row takes far longer than looking for its key.
                keyed = earlier.withColumn(_RECEIVED, F.expr(self.received))
                wanted = parse(demoted.within(keyed, _RECEIVED).drop(_RECEIVED))
                candidates = candidates.unionByName(demoted.within(wanted, self.key))
        candidates = checkpointed(candidates)
        recomputed = inputs.transformed({bronze: candidates})
        return replace(
            replacement(inputs, affected, recomputed, latest),
            dates=tuple(dates),
            candidates=candidates,
            replaced_deliveries=self._replaced(inputs, changes),
        )

    def _merged(
        self, inputs: Inputs, delivered: "DataFrame", published: "DataFrame", dates: Sequence[date]
    ) -> Rows:
        """The latest of the new and all published versions: for a table that is quickly read."""
        (bronze,) = inputs.table.upstream
        candidates = delivered.unionByName(as_candidates(published, delivered))
        return Rows(
            f"the rows of {len(dates):,} new deliveries, and all published ones",
            inputs.transformed({bronze: candidates}),
            replace="true",
            dates=tuple(dates),
            candidates=candidates,
        )

    def demoted_keys(self, latest: "DataFrame", valid: "DataFrame") -> "DataFrame":
        """The keys of published rows for which `valid` holds no equal or higher version."""
        version = F.struct(*self.order)
        best = valid.groupBy(F.col(self.key).alias(KEY)).agg(F.max(version).alias("_best"))
        joined = latest.join(best, F.col(self.key) == F.col(KEY), "left").drop(KEY)
        unbeaten = F.col("_best").isNull() | (F.col("_best") < version)
        return joined.where(unbeaten).select(F.col(self.key).alias(KEY))

    def judged(self, inputs: Inputs, changes: Changes, rows: Rows) -> Rows:
        """The rows of a whole table, judged by the changed deliveries and the published rows."""
        (bronze,) = inputs.table.upstream
        dates = sorted(changes[bronze].firsts)
        delivered = inputs.of_days(bronze, INGESTION_DATE, dates)
        others = inputs.published_rows().where(f"not ({lies_in(INGESTION_DATE, dates)})")
        return replace(
            rows,
            dates=tuple(dates),
            candidates=delivered.unionByName(as_candidates(others, delivered)),
            replaced_deliveries=self._replaced(inputs, changes),
        )

    def _replaced(self, inputs: Inputs, changes: Changes) -> "DataFrame | None":
        """The parsed rows of deliveries that have been replaced or removed; None without any."""
        (bronze,) = inputs.table.upstream
        dates = sorted(changes[bronze].removed)
        if not dates:
            return None
        before = inputs.at(bronze, inputs.before(bronze))
        return inputs.table.prepare[bronze](before.where(lies_in(INGESTION_DATE, dates)))


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
