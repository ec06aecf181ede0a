"""The strategy of a table that holds the latest valid version of each key."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from ecommerce_assets.engine.queries import all_rows, query
from ecommerce_assets.engine.relation import Relation
from ecommerce_assets.intervals import lies_in
from ecommerce_assets.landing.layout import INGESTION_DATE
from ecommerce_assets.model.strategies import LatestVersion
from ecommerce_assets.model.versions import is_lower, latest_first
from ecommerce_assets.refresh.decision import Decision, Rows, VersionEvidence
from ecommerce_assets.refresh.inputs import Inputs
from ecommerce_assets.refresh.keys import KEY, AffectedKeys, keys_of
from ecommerce_assets.refresh.planner import Planner
from ecommerce_assets.refresh.replacement import replacement
from ecommerce_assets.refresh.upstream import Changes
from ecommerce_assets.sql import quoted


class LatestVersionPlanner(Planner[LatestVersion]):
    """Of the latest valid version of each key."""

    def plan(self, inputs: Inputs, changes: Changes) -> Decision:
        """The latest versions of the keys found in the changed deliveries."""
        dates = _dates(changes)
        if self.strategy.absent:
            evidence = self._of_all(inputs, changes)
            return Rows(
                f"{len(dates):,} deliveries changed, which say by what they lack what is gone",
                inputs.table.transform(evidence.candidates),
                replace="true",
                dates=tuple(dates),
                is_whole=True,
                evidence=evidence,
            )
        delivered = _delivered(inputs, dates)
        published = inputs.published_rows()
        some_replaced = any(partitions.removed for partitions in changes.values())
        if not some_replaced and inputs.published.rows <= inputs.limits.finding_changes:
            return self._merged(inputs, delivered, published, dates)
        valid = delivered.where(self.strategy.valid)
        in_dates = lies_in(INGESTION_DATE, dates)
        keys = keys_of(valid, self.strategy.key)
        if some_replaced:
            keys = all_rows([keys, keys_of(published.where(in_dates), self.strategy.key)])
        affected = inputs.collected(keys)
        latest = affected.within(published, self.strategy.key).checkpointed()
        others = latest.where(f"NOT {in_dates}")
        candidates = all_rows([delivered, self.as_candidates(others, delivered)])
        if some_replaced:
            demoted = inputs.collected(self.demoted_keys(latest.where(in_dates), valid))
            if not demoted.none:
                earlier = [
                    self._versions_of(demoted, inputs, bronze, f"NOT {in_dates}")
                    for bronze in inputs.table.upstream
                ]
                candidates = all_rows([candidates, *earlier])
        candidates = candidates.checkpointed()
        recomputed = inputs.table.transform(candidates)
        return replace(
            replacement(inputs, affected, recomputed, latest),
            dates=tuple(dates),
            evidence=VersionEvidence(candidates, self._replaced(inputs, changes)),
        )

    def _merged(
        self, inputs: Inputs, delivered: Relation, published: Relation, dates: Sequence[date]
    ) -> Rows:
        """The latest of the new and all published versions: for a table that is quickly read."""
        candidates = all_rows([delivered, self.as_candidates(published, delivered)])
        return Rows(
            f"the rows of {len(dates):,} new deliveries, and all published ones",
            inputs.table.transform(candidates),
            replace="true",
            dates=tuple(dates),
            evidence=VersionEvidence(candidates),
        )

    def _versions_of(self, keys: AffectedKeys, inputs: Inputs, bronze: str, where: str) -> Relation:
        """The parsed rows of these keys in an upstream table."""
        rows = inputs.now(bronze).where(where)
        if keys.values is not None:
            # Preparing a row takes far longer than looking for its key.
            rows = rows.with_values(self.strategy.received[bronze], keys.values)
        return keys.within(inputs.table.prepare[bronze](rows), self.strategy.key)

    def demoted_keys(self, latest: Relation, valid: Relation) -> Relation:
        """The keys of published rows for which `valid` holds no equal or higher version."""
        key, order = self.strategy.key, self.strategy.order
        columns = ", ".join(dict.fromkeys([key, *order]))
        return query(
            f"""
            WITH ranked AS (
                SELECT {columns}, row_number() OVER (PARTITION BY {key}
                    ORDER BY {latest_first(order)}) AS _place
                FROM delivered
            ), best AS (SELECT * FROM ranked WHERE _place = 1)
            SELECT latest.{key} AS {KEY}
            FROM latest LEFT JOIN best ON latest.{key} = best.{key}
            WHERE best.{key} IS NULL OR {is_lower("best", "latest", order)}""",
            latest=latest,
            delivered=valid,
        )

    def judged(self, inputs: Inputs, changes: Changes, rows: Rows) -> Rows:
        """The rows of a whole table, judged by the changed deliveries and the published rows."""
        dates = _dates(changes)
        if self.strategy.absent:
            evidence = self._of_all(inputs, changes)
            return replace(rows, dates=tuple(dates), evidence=evidence)
        delivered = _delivered(inputs, dates)
        others = inputs.published_rows().where(f"NOT {lies_in(INGESTION_DATE, dates)}")
        candidates = all_rows([delivered, self.as_candidates(others, delivered)])
        evidence = VersionEvidence(candidates, self._replaced(inputs, changes))
        return replace(rows, dates=tuple(dates), evidence=evidence)

    def _of_all(self, inputs: Inputs, changes: Changes) -> VersionEvidence:
        """All versions, of which what the latest deliveries lack is told."""
        candidates = all_rows(inputs.whole(bronze) for bronze in inputs.table.upstream)
        return VersionEvidence(candidates, self._replaced(inputs, changes))

    def _replaced(self, inputs: Inputs, changes: Changes) -> Relation | None:
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

    def as_candidates(self, latest: Relation, parsed: Relation) -> Relation:
        """Published rows, all of them valid, in the form of parsed rows."""
        there = {name: quoted(name) for name in latest.columns} | {self.strategy.valid: "true"}
        columns = [f"{there.get(name, 'NULL')} AS {quoted(name)}" for name in parsed.columns]
        return query(f"SELECT {', '.join(columns)} FROM latest", latest=latest)


def _dates(changes: Changes) -> list[date]:
    """The ingestion dates whose delivery changed in any upstream table."""
    dates: set[date] = set()
    for partitions in changes.values():
        dates |= partitions.firsts
    return sorted(dates)


def _delivered(inputs: Inputs, dates: Sequence[date]) -> Relation:
    """The parsed rows of these dates, of all upstream tables: keys may have versions in several."""
    return all_rows(
        inputs.of_days(bronze, INGESTION_DATE, dates) for bronze in inputs.table.upstream
    )
