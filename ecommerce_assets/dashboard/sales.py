"""Sales for the page: the order lines and returns of the last days, packed into a text.

Distinct counts of customers and orders do not add up over days, products and filters, so the page
holds the lines themselves, without names or ids of customers and orders, and counts exactly.
"""

import base64
import json
import zlib
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.query.engine import Query
from ecommerce_assets.sql import ansi_literal
from ecommerce_assets.tables.star import GOODS, GUEST, RETURNS, SALES

READS = (SALES, RETURNS, "gold.dim_customer", "gold.dim_product")
# Of an order: that of the customer, if it is known.
COUNTRY = "coalesce(country, shipping_country, 'unknown')"
KEPT_DAYS = 731  # a year, and the one before to compare it with
EPOCH = date(1970, 1, 1)


def sales(query: Query, today: date, most_lines: int, units: int) -> dict[str, Any] | None:
    """The order lines and returns of the last days of sales; None without any order.

    A line is a product of an order. Amounts are in smallest units of the reporting currency.
    `packed` holds the `columns`, packed by `_planes`: by day, the number of orders; by order, its
    customer, country, currency, whether it is a sale, and the number of lines; by line, product,
    pieces and revenue; by customer, segment and day of the first sale (days since 1970-01-01 plus
    1; 0 for none); by return that counts, its day from the first day on, customer, country,
    currency, product, reason, pieces and what came back. Names are positions in the lists of
    `names`, `guest` is the position of the customer who stands for all guests, or -1.

    Future dates are errors of the shop and must not displace real ones.

    Args:
        most_lines: the most order lines.
        units: how many of the smallest units make 1.

    Raises:
        PipelineError: the tables were published while they were read.
    """
    (span,) = query(
        f"SELECT min(order_date) AS earliest, max(order_date) AS latest FROM {SALES} "
        f"WHERE order_date <= DATE '{today}'"
    ).to_pylist()
    if span["latest"] is None:
        return None
    (back,) = query(
        f"SELECT max(return_date) AS latest FROM {RETURNS} WHERE return_date <= DATE '{today}'"
    ).to_pylist()
    last = max(filter(None, (span["latest"], back["latest"])))
    earliest = max(span["earliest"], last - timedelta(days=KEPT_DAYS - 1))
    first = _first_that_fits(query, earliest, last, most_lines)
    facts = f"{SALES} WHERE order_date BETWEEN DATE '{first}' AND DATE '{last}'"
    returned = (
        f"{RETURNS} WHERE is_counted AND return_date BETWEEN DATE '{first}' AND DATE '{last}'"
    )
    lines = query(
        "SELECT order_date, order_id, customer_key, product_key, is_sale, "
        f"{COUNTRY} AS country, currency, CAST(sum(quantity) AS bigint) AS pieces, "
        f"CAST(sum(CAST(revenue * {units} AS bigint)) AS bigint) AS revenue "
        "FROM (SELECT f.*, d.country FROM gold.dim_customer d "
        f"JOIN {SALES} f ON f.customer_key = d.customer_key) c "
        f"WHERE order_date BETWEEN DATE '{first}' AND DATE '{last}' "
        "GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 4"
    )
    returns = _returns(query, returned, units)
    customers = _customers(query, (facts, returned), last)
    products = _products(query, (facts, returned), units)
    countries, currencies = (_of_both(name, lines, returns) for name in ("country", "currency"))
    segments, segment = _named(customers["segment"])
    categories, category = _named(products["category"])
    reasons, reason = _named(returns["reason"])
    day = _numbers(lines["order_date"].cast(pa.int32())) - (first - EPOCH).days
    order = _numbers(lines["order_id"].combine_chunks().dictionary_encode().indices)
    starts = np.flatnonzero(np.diff(order, prepend=-1))
    columns = {
        "orders": np.bincount(day[starts], minlength=(last - first).days + 1),
        "customer": _places(lines["customer_key"], customers["customer_key"])[starts],
        "country": _places(lines["country"], countries)[starts],
        "currency": _places(lines["currency"], currencies)[starts],
        "is_sale": _numbers(lines["is_sale"].cast(pa.int8()))[starts],
        "lines": np.diff(starts, append=len(order)),
        "product": _places(lines["product_key"], products["product_key"]),
        "pieces": _numbers(lines["pieces"]),
        "revenue": _numbers(lines["revenue"]),
        "segment": segment,
        "first_sale": _numbers(customers["first_sale"].cast(pa.int32()).fill_null(-1)) + 1,
        "return_day": _numbers(returns["return_date"].cast(pa.int32())) - (first - EPOCH).days,
        "return_customer": _places(returns["customer_key"], customers["customer_key"]),
        "return_country": _places(returns["country"], countries),
        "return_currency": _places(returns["currency"], currencies),
        "return_product": _places(returns["product_key"], products["product_key"]),
        "return_reason": reason,
        "return_pieces": _numbers(returns["pieces"]),
        "returned": _numbers(returns["returned"]),
    }
    names = {
        "countries": countries.to_pylist(),
        "currencies": currencies.to_pylist(),
        "segments": segments,
        "categories": categories,
        "reasons": reasons,
        "products": [
            [row["product_id"], row["name"], int(position), _cost(row["cost"]), row["is_goods"]]
            for row, position in zip(products.to_pylist(), category, strict=True)
        ],
    }
    packed = {name: _planes(values) for name, values in columns.items()}
    return {
        "first": first.isoformat(),
        "limited_to": most_lines if first > earliest else None,
        "guest": _guest(customers),
        "names": _packed(json.dumps(names, ensure_ascii=False).encode()),
        "columns": [[name, len(columns[name]), width] for name, (width, _) in packed.items()],
        "packed": _packed(b"".join(planes for _, planes in packed.values())),
    }


def _of_both(name: str, lines: pa.Table, returns: pa.Table) -> pa.Array:
    """The distinct values of a column of lines and returns, sorted."""
    return pc.unique(pa.chunked_array([*lines[name].chunks, *returns[name].chunks])).sort()


def _cost(hundredths: int | None) -> float | int | None:
    """Smallest units from hundredths of them; few costs have any."""
    if hundredths is None or hundredths % 100:
        return hundredths and hundredths / 100
    return hundredths // 100


def _guest(customers: pa.Table) -> int:
    """The place of the guest, who is not counted as a customer; -1 without one."""
    return pc.index(customers["is_guest"], True).as_py()  # type: ignore[no-any-return]


def _first_that_fits(query: Query, earliest: date, last: date, most_lines: int) -> date:
    """The earliest day since which there are at most `most_lines` lines; at least the last."""
    rows = query(
        f"SELECT order_date, count(*) AS lines FROM {SALES} WHERE order_date BETWEEN "
        f"DATE '{earliest}' AND DATE '{last}' GROUP BY 1 ORDER BY 1 DESC"
    ).to_pylist()
    total = 0
    for row in rows:
        total += row["lines"]
        if total > most_lines and row["order_date"] < last:
            first: date = row["order_date"] + timedelta(days=1)
            return first
    return earliest


def _returns(query: Query, returned: str, units: int) -> pa.Table:
    """The returns that count, by day."""
    return query(
        "SELECT r.return_date, r.customer_key, r.product_key, r.currency, "
        "coalesce(r.reason, 'not given') AS reason, coalesce(r.quantity, 0) AS pieces, "
        f"CAST(r.returned_amount * {units} AS bigint) AS returned, "
        f"{COUNTRY} AS country FROM (SELECT * FROM {returned}) r "
        "JOIN gold.dim_customer d ON d.customer_key = r.customer_key "
        f"LEFT JOIN (SELECT sale_key, shipping_country FROM {SALES}) f ON f.sale_key = r.sale_key "
        "ORDER BY r.return_date, r.return_id"
    )


def _most_first(key: str, tables: Sequence[str]) -> str:
    """SQL of the values of a key and how many rows have them."""
    rows = " UNION ALL ".join(f"SELECT {key} FROM {table}" for table in tables)
    return f"SELECT {key}, count(*) AS lines FROM ({rows}) k GROUP BY 1"


def _customers(query: Query, tables: Sequence[str], last: date) -> pa.Table:
    """Customers of the lines and returns, most of them first: segment, day of the first sale."""
    return query(
        "SELECT d.customer_key, d.segment, o.first_sale, "
        f"d.customer_id = {ansi_literal(GUEST)} AS is_guest "
        "FROM gold.dim_customer d "
        f"JOIN ({_most_first('customer_key', tables)}) f ON f.customer_key = d.customer_key "
        "LEFT JOIN (SELECT customer_key, min(order_date) AS first_sale "
        f"FROM {SALES} WHERE is_sale AND order_date <= DATE '{last}' GROUP BY 1) o "
        "ON o.customer_key = d.customer_key "
        "ORDER BY f.lines DESC, d.customer_key"
    )


def _products(query: Query, tables: Sequence[str], units: int) -> pa.Table:
    """Products of the lines and returns, most of them first, with today's unit cost.

    Costs are in hundredths of the smallest unit.
    """
    return query(
        "SELECT d.product_id, d.product_key, d.name, d.category, "
        f"d.role = {ansi_literal(GOODS)} AS is_goods, "
        f"CAST(d.cost * {units * 100} AS bigint) AS cost FROM gold.dim_product d "
        f"JOIN ({_most_first('product_key', tables)}) f ON f.product_key = d.product_key "
        "ORDER BY f.lines DESC, d.product_key"
    )


def _named(names: pa.ChunkedArray) -> tuple[list[str], np.ndarray[Any, Any]]:
    """The distinct names, sorted, and the position of each value among them."""
    known = pc.unique(names).sort()
    return known.to_pylist(), _places(names, known)


def _places(values: pa.ChunkedArray, known: pa.Array | pa.ChunkedArray) -> np.ndarray[Any, Any]:
    positions = pc.index_in(values, value_set=known)
    if positions.null_count:
        raise PipelineError("tables were published while the dashboard read them: build it again")
    return _numbers(positions)


def _numbers(values: pa.Array | pa.ChunkedArray) -> np.ndarray[Any, Any]:
    return np.asarray(values.to_numpy(), dtype=np.int64)


def _planes(values: np.ndarray[Any, Any]) -> tuple[int, bytes]:
    """Non-negative integers as bytes: all lowest bytes first, then all next higher ones, ...

    Bytes of equal significance are similar, so they compress better side by side.
    """
    width = max(1, (int(values.max(initial=0)).bit_length() + 7) // 8)
    by_number = values.astype("<u8").view(np.uint8).reshape(-1, 8)
    return width, by_number[:, :width].T.tobytes()


def _packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 9)).decode()


def days_of(found: dict[str, Any]) -> int:
    """Number of days in the result of `sales`."""
    return next(int(length) for name, length, _ in found["columns"] if name == "orders")
