"""Gold: the star schema and the KPIs."""

from collections.abc import Callable, Mapping

import pandera.pandas as pa

from ecommerce_assets.engine.queries import Query
from ecommerce_assets.model.audit import Audit
from ecommerce_assets.model.dependency import DependencyMapping
from ecommerce_assets.model.strategies import ByKey, Full, Strategy
from ecommerce_assets.model.table import Table
from ecommerce_assets.shop import Shop
from ecommerce_assets.shop.model import digits_of
from ecommerce_assets.tables.audits.gold import reconciles
from ecommerce_assets.tables.star import ORDERS, RETURNS, measures_by

STAR = "star schema"


def gold_table(
    *,
    module: str,
    model: type[pa.DataFrameModel],
    query: str,
    upstream: tuple[str, ...],
    partitioned_by: tuple[str, ...] = (),
    audits: tuple[Audit, ...] = (),
    adds_up: Mapping[str, str] | None = None,
    key_checked_apart: bool = False,
    refresh: Strategy | None = None,
    prepare: Mapping[str, Query] | None = None,
    publish_group: str | None = None,
    may_shrink: bool = False,
) -> Table:
    """A table of the star schema or a KPI, named after its module.

    Args:
        module: `__name__` of the declaring module.
        model: pandera model: columns, key (`Config.unique`), and the description as its docstring.
        query: its rows, in DuckDB's SQL, over the upstream tables' identifiers; what is prepared
            is read by its name.
        upstream: identifiers of its upstream tables.
        partitioned_by: Iceberg partition transforms.
        audits: checks beyond single rows and the key.
        adds_up: by table of facts, SQL of the amount whose sum must equal theirs: the revenue of
            the sales, or what came back.
        refresh: the strategy; by default the whole table is recomputed after any upstream change.
        key_checked_apart: as in `Table`.
        prepare: by upstream table, a query over it that several tables share; computed once a run.
        publish_group: as in `Table`.
        may_shrink: as in `Table`.
    """
    schema = model.to_schema()
    own_first = sorted(schema.columns, key=lambda name: name not in model.__annotations__)
    schema.columns = {name: schema.columns[name] for name in own_first}
    prepared = prepare or {}
    relations = [prepared[name].name if name in prepared else name for name in upstream]
    audits = (*audits, *[reconciles(facts, amount) for facts, amount in (adds_up or {}).items()])
    return Table(
        layer="gold",
        name=module.rsplit(".", 1)[-1],
        schema=schema,
        transform=Query(query, tuple(relations)),
        upstream=upstream,
        partitioned_by=partitioned_by,
        audits=audits,
        key_checked_apart=key_checked_apart,
        refresh=refresh or Full(),
        prepare=prepared,
        publish_group=publish_group,
        may_shrink=may_shrink,
    )


def revenue_table(
    shop: Shop,
    *,
    module: str,
    model: type[pa.DataFrameModel],
    interval: str,
    by: Callable[[str], DependencyMapping],
) -> Table:
    """What the shop sold and what came back, by interval.

    Args:
        module: `__name__` of the declaring module.
        model: the measures, and the first day of the interval as the key.
        interval: SQL of that day, with `{day}` for a day.
        by: the dependency mapping by a day's column.
    """
    (key,) = list(model.to_schema().unique or [])
    return gold_table(
        module=module,
        model=model,
        query=measures_by(interval, key, digits_of(shop.currency)),
        upstream=(ORDERS, RETURNS),
        refresh=ByKey(key, on={ORDERS: by("order_date"), RETURNS: by("return_date")}),
        adds_up={ORDERS: "revenue", RETURNS: "returned"},
    )
