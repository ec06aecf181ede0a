"""Surrogate keys: XXH64 of a text's UTF-8 bytes with seed 42, as Spark's `xxhash64` computes it.

The algorithm is that of the xxHash specification (XXH64); Spark takes 42 as its seed. Texts of the
same length are computed together, in vectors of 64-bit numbers that wrap.
"""

from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from duckdb.func import FunctionNullHandling, PythonUDFType

SEED = 42
_PRIMES = (
    0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)  # fmt: skip
_STRIPE = 32


def add_surrogate_key(database: duckdb.DuckDBPyConnection) -> None:
    """Give a database the function `surrogate_key`."""
    database.create_function(
        "surrogate_key",
        lambda texts: surrogate_keys(texts),  # DuckDB would look up annotations
        ["VARCHAR"],
        "BIGINT",
        type=PythonUDFType.ARROW,
        null_handling=FunctionNullHandling.SPECIAL,
    )


def surrogate_keys(texts: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The keys of texts, as signed 64-bit numbers; null of null."""
    array = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    encoded = array.cast(pa.large_binary())
    size = len(encoded)
    keys = np.zeros(size, dtype=np.uint64)
    if size:
        _, offsets, data = encoded.buffers()
        starts = np.frombuffer(offsets, dtype=np.int64)[encoded.offset : encoded.offset + size + 1]
        content = np.frombuffer(data, dtype=np.uint8) if data else np.zeros(0, dtype=np.uint8)
        lengths = np.diff(starts)
        for length in np.unique(lengths):
            those = np.flatnonzero(lengths == length)
            bytes_of = starts[those][:, None] + np.arange(length)
            with np.errstate(over="ignore"):
                keys[those] = _hashed(content[bytes_of], int(length))
    found = pa.array(keys.view(np.int64))
    return pc.if_else(pc.is_valid(array), found, pa.scalar(None, pa.int64()))


def _hashed(rows: np.ndarray[Any, Any], length: int) -> np.ndarray[Any, Any]:
    """The hashes of byte strings of the same length, one a row."""
    p1, p2, p3, p4, p5 = (np.uint64(prime) for prime in _PRIMES)
    seed, at = np.uint64(SEED), 0
    if length >= _STRIPE:
        lanes = [
            np.full(len(rows), start) for start in (seed + p1 + p2, seed + p2, seed, seed - p1)
        ]
        while at + _STRIPE <= length:
            for n in range(4):
                lanes[n] = _mixed(lanes[n], _word(rows, at, 8))
                at += 8
        turns = zip(lanes, (1, 7, 12, 18), strict=True)
        found = sum((_turned(lane, by) for lane, by in turns), np.uint64(0))
        for lane in lanes:
            found = (found ^ _mixed(np.uint64(0), lane)) * p1 + p4
    else:
        found = np.full(len(rows), seed + p5)
    found = found + np.uint64(length)
    while at + 8 <= length:
        found = _turned(found ^ _mixed(np.uint64(0), _word(rows, at, 8)), 27) * p1 + p4
        at += 8
    if at + 4 <= length:
        found = _turned(found ^ _word(rows, at, 4) * p1, 23) * p2 + p3
        at += 4
    for place in range(at, length):
        found = _turned(found ^ rows[:, place].astype(np.uint64) * p5, 11) * p1
    for by, prime in ((33, p2), (29, p3)):
        found = (found ^ found >> np.uint64(by)) * prime
    return np.asarray(found ^ found >> np.uint64(32))


def _word(rows: np.ndarray[Any, Any], at: int, size: int) -> np.ndarray[Any, Any]:
    """A little-endian number of each row."""
    part = np.ascontiguousarray(rows[:, at : at + size])
    return part.view(f"<u{size}").reshape(len(rows)).astype(np.uint64)


def _mixed(lane: Any, word: Any) -> Any:
    return _turned(lane + word * np.uint64(_PRIMES[1]), 31) * np.uint64(_PRIMES[0])


def _turned(value: Any, bits: int) -> Any:
    """The bits of a number, rotated to the left."""
    return value << np.uint64(bits) | value >> np.uint64(64 - bits)
