"""Maintenance of the lakehouse: every table that is there, its readers' needs respected."""

from collections import defaultdict
from collections.abc import Iterator

from ecommerce_assets.lakehouse.history import History
from ecommerce_assets.lakehouse.maintenance import Maintained, maintain
from ecommerce_assets.lakehouse.session import open_session
from ecommerce_assets.lakehouse.tables import exists
from ecommerce_assets.tables import all_tables
from ecommerce_assets.tables.declaration import Table


def maintain_lakehouse(lakehouse: str, landing: str = "") -> Iterator[tuple[Table, Maintained]]:
    """Maintain every table that was made, yielding what was done to it."""
    spark = open_session(lakehouse, landing)
    there = [table for table in all_tables().values() if exists(spark, table.identifier)]
    needed: dict[str, set[int]] = defaultdict(set)
    for table in there:
        marker = History(spark, table.identifier).marker
        for upstream in table.upstream:
            if marker and marker.made_from.get(upstream) is not None:
                needed[upstream].add(marker.made_from[upstream])
    for table in there:
        yield table, maintain(spark, table.identifier, needed[table.identifier])
