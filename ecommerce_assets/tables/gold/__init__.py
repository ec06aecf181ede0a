"""Gold: the star schema and the KPIs."""

from collections.abc import Callable, Mapping

import pandera.pyspark as pa
from pyspark.sql import DataFrame

from ecommerce_assets.refresh.full import Full
from ecommerce_assets.refresh.strategy import Strategy
from ecommerce_assets.tables.audits import Audit
from ecommerce_assets.tables.audits.gold import revenue_reconciles
from ecommerce_assets.tables.declaration import Table

STAR = "star schema"


def gold_table(
    *,
    module: str,
    model: type[pa.DataFrameModel],
    transform: Callable[..., DataFrame],
    upstream: tuple[str, ...],
    partitioned_by: tuple[str, ...] = (),
    audits: tuple[Audit, ...] = (),
    revenue: str | None = None,
    key_checked_apart: bool = False,
    refresh: Strategy | None = None,
    prepare: Mapping[str, Callable[[DataFrame], DataFrame]] | None = None,
    publish_group: str | None = None,
    may_shrink: bool = False,
) -> Table:
    """A table of the star schema or a KPI, named after its module.

    Args:
        module: `__name__` of the declaring module.
        model: pandera model: columns, key (`Config.unique`), and the description as its docstring.
        transform: pure function from the upstream frames, in the order of `upstream`.
        upstream: identifiers of its upstream tables.
        partitioned_by: Iceberg partition transforms.
        audits: checks beyond single rows and the key.
        revenue: the column whose sum must equal the revenue of all sales, if any.
        refresh: the strategy; by default the whole table is recomputed after any upstream change.
        key_checked_apart: as in `Table`.
        prepare: as in `Table`.
        publish_group: as in `Table`.
        may_shrink: as in `Table`.
    """
    schema = model.to_schema()
    own_first = sorted(schema.columns, key=lambda name: name not in model.__annotations__)
    schema.columns = {name: schema.columns[name] for name in own_first}
    if revenue:
        audits = (*audits, revenue_reconciles(revenue))
    return Table(
        layer="gold",
        name=module.rsplit(".", 1)[-1],
        schema=schema,
        transform=transform,
        upstream=upstream,
        partitioned_by=partitioned_by,
        audits=audits,
        key_checked_apart=key_checked_apart,
        refresh=refresh or Full(),
        prepare=prepare or {},
        publish_group=publish_group,
        may_shrink=may_shrink,
    )
