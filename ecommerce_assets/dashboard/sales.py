"""Sales as the page computes with them: the order lines of the last days, packed into a text.

Customers and orders can't be added up over days, products and filters, so the page gets the lines
themselves, without a name or a number of a customer or an order, and counts what is chosen exactly.
"""

import base64
import json
import zlib
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.query.asking import Ask

FACTS = "gold.fact_sales"
READS = (FACTS, "gold.dim_customer", "gold.dim_product", "silver.orders")
KEPT_DAYS = 731  # a year, and the one before to compare it with
EPOCH = date(1970, 1, 1)


def sales(ask: Ask, today: date, most_lines: int) -> dict[str, Any] | None:
    """The order lines of the last days of sales; None where nothing was ever ordered.

    A line is a product of an order. Amounts are in cents. `columns` says what `packed` holds, in
    this order and as `_planes` packs it: by day its orders; by order its customer, whether it is a
    sale, and its lines; by line its product, pieces and revenue; by customer country, segment and
    the day of the first sale ever (days from 1970-01-01 plus 1, 0 without one). What has a name is
    a place in the lists of `names`.

    A date to come is a mistake of the shop's: it must not push the real ones off the page.

    Raises:
        PipelineError: the tables were published while they were read.
    """
    (span,) = ask(
        f"SELECT min(order_date) AS earliest, max(order_date) AS latest FROM {FACTS} "
        f"WHERE order_date <= DATE '{today}'"
    ).to_pylist()
    if span["latest"] is None:
        return None
    last = span["latest"]
    earliest = max(span["earliest"], last - timedelta(days=KEPT_DAYS - 1))
    first = _first_that_fits(ask, earliest, last, most_lines)
    facts = f"{FACTS} WHERE order_date BETWEEN DATE '{first}' AND DATE '{last}'"
    lines = ask(
        "SELECT order_date, order_id, customer_key, product_key, is_sale, "
        "CAST(sum(quantity) AS bigint) AS pieces, "
        f"CAST(sum(CAST(revenue * 100 AS bigint)) AS bigint) AS revenue FROM {facts} "
        "GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 4"
    )
    customers = _customers(ask, facts, last)
    products = _products(ask, facts)
    countries, country = _named(customers["country"])
    segments, segment = _named(customers["segment"])
    categories, category = _named(products["category"])
    day = _numbers(lines["order_date"].cast(pa.int32())) - (first - EPOCH).days
    order = _numbers(lines["order_id"].combine_chunks().dictionary_encode().indices)
    starts = np.flatnonzero(np.diff(order, prepend=-1))
    columns = {
        "orders": np.bincount(day[starts], minlength=(last - first).days + 1),
        "customer": _places(lines["customer_key"], customers["customer_key"])[starts],
        "is_sale": _numbers(lines["is_sale"].cast(pa.int8()))[starts],
        "lines": np.diff(starts, append=len(order)),
        "product": _places(lines["product_key"], products["product_key"]),
        "pieces": _numbers(lines["pieces"]),
        "revenue": _numbers(lines["revenue"]),
        "country": country,
        "segment": segment,
        "first_sale": _numbers(customers["first_sale"].cast(pa.int32()).fill_null(-1)) + 1,
    }
    names = {
        "countries": countries,
        "segments": segments,
        "categories": categories,
        "products": [
            [row["product_id"], row["name"], int(place), row["cost"]]
            for row, place in zip(products.to_pylist(), category, strict=True)
        ],
    }
    packed = {name: _planes(values) for name, values in columns.items()}
    return {
        "first": first.isoformat(),
        "limited_to": most_lines if first > earliest else None,
        "names": _packed(json.dumps(names, ensure_ascii=False).encode()),
        "columns": [[name, len(columns[name]), width] for name, (width, _) in packed.items()],
        "packed": _packed(b"".join(planes for _, planes in packed.values())),
    }


def _first_that_fits(ask: Ask, earliest: date, last: date, most_lines: int) -> date:
    """The first of the last days that together hold no more lines; at the least the last one."""
    rows = ask(
        f"SELECT order_date, count(*) AS lines FROM {FACTS} WHERE order_date BETWEEN "
        f"DATE '{earliest}' AND DATE '{last}' GROUP BY 1 ORDER BY 1 DESC"
    ).to_pylist()
    total = 0
    for row in rows:
        total += row["lines"]
        if total > most_lines and row["order_date"] < last:
            return row["order_date"] + timedelta(days=1)
    return earliest


def _customers(ask: Ask, facts: str, last: date) -> pa.Table:
    """Customers of the lines, who ordered most first: country, segment, day of the first sale.

    The country of a customer who has not been delivered yet is the one that the latest order
    was shipped to.
    """
    return ask(
        "SELECT d.customer_key, coalesce(d.country, s.shipping_country, 'unknown') AS country, "
        "d.segment, o.first_sale FROM gold.dim_customer d "
        f"JOIN (SELECT customer_key, count(*) AS lines FROM {facts} GROUP BY 1) f "
        "ON f.customer_key = d.customer_key "
        "LEFT JOIN (SELECT customer_key, min(order_date) AS first_sale "
        f"FROM {FACTS} WHERE is_sale AND order_date <= DATE '{last}' GROUP BY 1) o "
        "ON o.customer_key = d.customer_key "
        "LEFT JOIN (SELECT customer_id, shipping_country, row_number() OVER (PARTITION BY "
        "customer_id ORDER BY order_date DESC, order_id DESC) AS n FROM silver.orders "
        "WHERE shipping_country IS NOT NULL) s ON s.customer_id = d.customer_id AND s.n = 1 "
        "ORDER BY f.lines DESC, d.customer_key"
    )


def _products(ask: Ask, facts: str) -> pa.Table:
    """Products of the lines, the most ordered first, with today's cost of a piece in cents."""
    return ask(
        "SELECT d.product_key, d.product_id, d.name, d.category, "
        "CAST(d.cost * 100 AS bigint) AS cost FROM gold.dim_product d "
        f"JOIN (SELECT product_key, count(*) AS lines FROM {facts} GROUP BY 1) f "
        "ON f.product_key = d.product_key ORDER BY f.lines DESC, d.product_key"
    )


def _named(names: pa.ChunkedArray) -> tuple[list[str], np.ndarray]:
    """The different names in order, and the place of each value in them."""
    known = pc.unique(names).sort()
    return known.to_pylist(), _places(names, known)


def _places(values: pa.ChunkedArray, known: pa.Array | pa.ChunkedArray) -> np.ndarray:
    places = pc.index_in(values, value_set=known)
    if places.null_count:
        raise PipelineError(
            "tables were published while the dashboard read them: make it once more"
        )
    return _numbers(places)


def _numbers(values: pa.Array | pa.ChunkedArray) -> np.ndarray:
    return np.asarray(values.to_numpy(), dtype=np.int64)


def _planes(values: np.ndarray) -> tuple[int, bytes]:
    """Whole numbers from 0 on as bytes: all the lowest first, then all the next higher, ...

    The bytes of one place resemble each other, so they are compressed better side by side.
    """
    width = max(1, (int(values.max(initial=0)).bit_length() + 7) // 8)
    by_number = values.astype("<u8").view(np.uint8).reshape(-1, 8)
    return width, by_number[:, :width].T.tobytes()


def _packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 9)).decode()


def days_of(found: dict[str, Any]) -> int:
    """Days of sales that `sales` gave."""
    return next(length for name, length, _ in found["columns"] if name == "orders")
