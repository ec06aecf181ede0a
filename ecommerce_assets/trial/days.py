"""The days of times as a source writes them."""

from collections.abc import Sequence
from datetime import date

import pyarrow as pa

from ecommerce_assets.engine.duck import connect
from ecommerce_assets.landing.source import Source
from ecommerce_assets.shop import Shop
from ecommerce_assets.tables.casting import day_in, moment, trimmed


def days_of(shop: Shop, source: Source, texts: Sequence[str]) -> list[date | None]:
    """The business days of texts, by the source's `times`; None for what is no time."""
    written = shop.declared.sources[source.name]
    zone = written.zone or shop.zone
    day = day_in(shop.zone, moment("text", written.times, zone))
    with connect() as connection:
        connection.register("given", pa.table({"given": pa.array(texts, pa.string())}))
        rows = connection.execute(
            f"SELECT {day} FROM (SELECT {trimmed('given')} AS text FROM given)"
        ).fetchall()
    return [found for (found,) in rows]
