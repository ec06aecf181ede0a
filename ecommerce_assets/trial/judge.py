"""A silver table's contract in DuckDB's SQL: what would become of the rows of a source.

The rules are those of the contract, translated; Spark applies them when the table is made.
"""

import re
from collections.abc import Iterator

import pandera.pyspark as pa
from pyspark.sql import types as T

from ecommerce_assets.landing.layout import PROVENANCE
from ecommerce_assets.shop.model import ISO_TIME
from ecommerce_assets.sql import ansi_literal
from ecommerce_assets.tables.contract import (
    COMPUTED_DECIMAL,
    COMPUTED_ZERO,
    DECIMAL,
    EARLIEST,
    HAS_ZONE,
    IMPLAUSIBLE,
    MONTHS_AHEAD,
    TIMESTAMP,
    WHITE_SPACE,
    WHOLE,
    Contract,
    not_a,
    number_pattern,
)
from ecommerce_assets.tables.declaration import Table
from ecommerce_assets.tables.feed import Writing
from ecommerce_assets.tables.rules import NULLABILITY, row_rules
from ecommerce_assets.tables.silver import contracts_of

# Letters of Spark's patterns of times: those of strptime's, and the form of the text.
_LETTERS_OF_TIMES = {
    "yyyy": ("%Y", r"\d{4}"), "yy": ("%y", r"\d{2}"), "y": ("%Y", r"\d{1,4}"),
    "MMMM": ("%B", r"\w+"), "MMM": ("%b", r"\w+"), "MM": ("%m", r"\d{2}"),
    "M": ("%-m", r"\d{1,2}"),
    "dd": ("%d", r"\d{2}"), "d": ("%-d", r"\d{1,2}"), "HH": ("%H", r"\d{2}"),
    "H": ("%-H", r"\d{1,2}"),
    "hh": ("%I", r"\d{2}"), "h": ("%-I", r"\d{1,2}"), "mm": ("%M", r"\d{2}"),
    "m": ("%-M", r"\d{1,2}"),
    "ss": ("%S", r"\d{2}"), "s": ("%-S", r"\d{1,2}"), "SSSSSS": ("%f", r"\d{6}"),
    "SSS": ("%g", r"\d{3}"), "a": ("%p", r"\w+"), "EEEE": ("%A", r"\w+"), "EEE": ("%a", r"\w+"),
    "E": ("%a", r"\w+"), "XXX": ("%z", r"[+-]\d\d:\d\d"), "Z": ("%z", r"[+-]\d{4}"),
    "z": ("%Z", r"\w+"),
}  # fmt: skip
_LETTERS = re.compile(r"([A-Za-z])\1*|'[^']*'|[^A-Za-z']+")


def relation_of(source: str) -> str:
    """The relation with the rows of a source as bronze would hold them."""
    return f"bronze_{source}"


def judged(table: Table) -> str:
    """The SELECT of every received row: its typed values, its version and its `fate`.

    `_source` names its source; `_reasons` are those for quarantine; the fate is `not_selected`,
    `quarantined`, `current` or `superseded`.

    Args:
        table: of silver; the rows of its sources are in the relations of `relation_of`.
    """
    (key,) = table.key
    reasoned = " UNION ALL ".join(f"({_reasoned(contract)})" for contract in contracts_of(table))
    newest = ", ".join(f"{name} DESC NULLS LAST" for name in ("updated_at", *PROVENANCE))
    return f"""
        WITH versions AS (
            SELECT *, row_number() OVER (
                PARTITION BY {key}, _selected AND len(_reasons) = 0 ORDER BY {newest}) AS _version
            FROM ({reasoned})
        )
        SELECT * EXCLUDE (_selected, _version),
            CASE WHEN NOT _selected THEN 'not_selected' WHEN len(_reasons) > 0 THEN 'quarantined'
            WHEN _version = 1 THEN 'current' ELSE 'superseded' END AS fate
        FROM versions"""


def _reasoned(contract: Contract) -> str:
    """The SELECT of a source's rows with typed values, and the reasons for quarantine."""
    feed, columns = contract.feed, contract.schema.columns
    texts = ", ".join(f"{_text(name, contract)} AS _text_{name}" for name in columns)
    casts = ", ".join(f"{_cast(name, contract)} AS _cast_{name}" for name in columns)
    values = ", ".join(
        f"{_value(name, column)} AS {name}"
        for name, column in columns.items()
        if name not in contract.computed
    )
    computed = "".join(
        f", coalesce(_cast_{name}, try({in_duckdb(sql)})) AS {name}"
        for name, sql in contract.computed.items()
    )
    where = f"coalesce({in_duckdb(feed.where)}, false)" if feed.where else "true"
    record = ", ".join(PROVENANCE)
    reasons = ", ".join(_reasons(contract))
    received = ", ".join(f"_text_{name}" for name in columns)
    return f"""
        WITH texts AS (
            SELECT {texts}, {record}, {where} AS _selected FROM {relation_of(feed.source)}),
        casts AS (SELECT *, {casts} FROM texts),
        plain AS (SELECT *, {values} FROM casts),
        typed AS (SELECT *{computed} FROM plain)
        SELECT {", ".join(columns)}, {record}, {ansi_literal(feed.source)} AS _source, _selected,
            list_filter([{reasons}], lambda reason: reason IS NOT NULL) AS _reasons, {received}
        FROM typed"""


def in_duckdb(sql: str) -> str:
    """An expression of Spark SQL in DuckDB's SQL."""
    import sqlglot

    return str(sqlglot.transpile(sql, read="spark", write="duckdb")[0])


def _text(name: str, contract: Contract) -> str:
    """As the contract's: trimmed, mapped, null or the default if empty, in its letter case."""
    feed, metadata = contract.feed, contract.schema.columns[name].metadata
    text = f"trim({in_duckdb(feed.texts[name])}, {ansi_literal(WHITE_SPACE)})"
    nulls = feed.writing_of(name).nulls
    for empty in ("", *nulls):
        text = f"nullif({text}, {ansi_literal(empty)})"
    if mapped := feed.maps.get(name):
        cases = " ".join(
            f"WHEN {ansi_literal(old)} THEN {ansi_literal(new)}" for old, new in mapped.items()
        )
        text = f"coalesce(CASE lower({text}) {cases} END, {text})"
    if metadata["case"]:
        text = f"{metadata['case']}({text})"
    if metadata["default"] is not None:
        text = f"coalesce({text}, {ansi_literal(metadata['default'])})"
    return text


def _cast(name: str, contract: Contract) -> str:
    """A text cast to the column's type; null if it can't be."""
    kind, text = contract.schema.columns[name].dtype.type, f"_text_{name}"
    writing = contract.feed.writing_of(name)
    if isinstance(kind, T.IntegerType):
        number = _number(text, writing)
        whole = f"TRY_CAST(split_part({number}, '.', 1) AS INTEGER)"
        return f"CASE WHEN regexp_full_match({number}, {ansi_literal(WHOLE)}) THEN {whole} END"
    if isinstance(kind, T.DecimalType):
        number = _number(text, writing)
        cast = f"TRY_CAST({number} AS {kind.simpleString()})"
        pattern = COMPUTED_DECIMAL if writing.computed else DECIMAL
        return f"CASE WHEN regexp_full_match({number}, {ansi_literal(pattern)}) THEN {cast} END"
    if isinstance(kind, T.BooleanType):
        return (
            f"CASE WHEN lower({text}) IN ('true', 't', 'yes', '1') THEN true "
            f"WHEN lower({text}) IN ('false', 'f', 'no', '0') THEN false END"
        )
    if isinstance(kind, T.TimestampType):
        times = [_time(text, pattern, writing.zone) for pattern in writing.times]
        return f"coalesce({', '.join(times)})"
    return text


def _number(text: str, writing: Writing) -> str:
    if writing.computed:
        return f"regexp_replace({text}, {ansi_literal(COMPUTED_ZERO)}, '0')"
    pattern = number_pattern(writing.decimal_mark, writing.thousands)
    if not pattern:
        return text
    plain = f"replace({text}, {ansi_literal(writing.thousands)}, '')" if writing.thousands else text
    plain = f"replace({plain}, {ansi_literal(writing.decimal_mark)}, '.')"
    return f"CASE WHEN regexp_full_match({text}, {ansi_literal(pattern)}) THEN {plain} END"


def _time(text: str, pattern: str, zone: str) -> str:
    """The time in UTC, without a zone."""
    local = f"(TRY_CAST({text} AS TIMESTAMP) AT TIME ZONE {ansi_literal(zone)})"
    if pattern == ISO_TIME:
        plain = f"replace({text}, ',', '.')"
        # DuckDB takes no space before an offset.
        zoned = f"TRY_CAST(regexp_replace({plain}, '\\s([+-]|[Zz]$)', '\\1') AS TIMESTAMPTZ)"
        local = local.replace(text, plain)
        has_zone = f"regexp_matches({text}, {ansi_literal(HAS_ZONE)})"
        moment = f"CASE WHEN {has_zone} THEN {zoned} ELSE {local} END"
        moment = f"CASE WHEN regexp_full_match({text}, {ansi_literal(TIMESTAMP)}) THEN {moment} END"
    else:
        parsed = parsed_time(text, pattern)
        moment = f"(CAST({parsed} AS TIMESTAMP) AT TIME ZONE {ansi_literal(zone)})"
    return f"({moment} AT TIME ZONE 'UTC')"


def parsed_time(text: str, pattern: str) -> str:
    """A text's time by a pattern in Spark's letters; null unless it has exactly that form."""
    parts, form = [], []
    for found in _LETTERS.finditer(pattern):
        part = found.group(0).strip("'")
        letters, shape = _LETTERS_OF_TIMES.get(part, (part.replace("%", "%%"), re.escape(part)))
        parts.append(letters)
        form.append(shape)
    fits = f"regexp_full_match({text}, {ansi_literal(''.join(form))})"
    return f"CASE WHEN {fits} THEN try_strptime({text}, {ansi_literal(''.join(parts))}) END"


def _value(name: str, column: pa.Column) -> str:
    cast = f"_cast_{name}"
    if not isinstance(column.dtype.type, T.TimestampType):
        return cast
    return f"CASE WHEN {_plausible(name)} THEN {cast} END"


def _plausible(name: str) -> str:
    latest = f"CAST(_ingestion_date + INTERVAL {MONTHS_AHEAD} MONTH AS DATE)"
    return f"CAST(_cast_{name} AS DATE) BETWEEN DATE '{EARLIEST}' AND {latest}"


def _reasons(contract: Contract) -> Iterator[str]:
    """One expression per rule: the reason if the row breaks it, else null."""
    feed = contract.feed
    for name, column in contract.schema.columns.items():
        kind = type(column.dtype.type)
        if not feed.gives(name) and (column.nullable or name in contract.computed):
            continue
        if wrong := not_a(kind, feed.times(name)):
            uncast = f"_text_{name} IS NOT NULL AND _cast_{name} IS NULL"
            yield _case(uncast, f"{name}: {wrong}")
        if kind is T.TimestampType:
            yield _case(f"NOT ({_plausible(name)})", f"{name}: {IMPLAUSIBLE}")
        for rule in row_rules({name: column}):
            if rule.warns or (rule.kind == NULLABILITY and name in contract.computed):
                continue
            broken = in_duckdb(rule.broken)
            if rule.kind == NULLABILITY:
                broken = f"_text_{name} IS NULL"
            elif name in contract.computed:
                broken = f"_text_{name} IS NOT NULL AND {broken}"
            yield _case(broken, f"{name}: {rule.reason}")
    for cross in contract.rules:
        yield _case(f"coalesce(try({in_duckdb(cross.broken)}), true)", cross.reason)


def _case(condition: str, reason: str) -> str:
    return f"CASE WHEN {condition} THEN {ansi_literal(reason)} END"
