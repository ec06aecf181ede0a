"""The rules for a shop file, read once more: shares no code with the product.

Expressions are known by what they say: those that the tests' shops use are listed in `MEANING`.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from ecommerce_assets_tests.oracle import GUEST, KINDS, REQUIRED, Oracle, Part, Source

NUMBERS = ("money", "price", "percent", "stock", "quantity")
# Spark SQL of the tests' shops, and the same in DuckDB; {name} is the bronze column of a header.
MEANING = [
    (re.compile(r"`([^`]+)` <> '0'"), "{0} <> '0'"),
    (re.compile(r"`([^`]+)` = '-1'"), "{0} = '-1'"),
    (re.compile(r"`([^`]+)` = 'gone'"), "{0} = 'gone'"),
    (re.compile(r"trim\(`([^`]+)`\) <> ''"), "trim({0}) <> ''"),
    (re.compile(r"'T' \|\| `([^`]+)`"), "'T' || {0}"),
    (re.compile(r"if\(trim\(`([^`]+)`\) = '', 'paid', `([^`]+)`\)"),
     "CASE WHEN trim({0}) = '' THEN 'paid' ELSE {1} END"),
]  # fmt: skip


class OracleOfShop(Oracle):
    """The rules for the shop of a shop file."""

    def __init__(self, text: str) -> None:
        self.file: dict[str, Any] = tomllib.loads(text)
        shop, words = self.file["shop"], self.file["vocabulary"]
        self.zone = shop.get("zone", "UTC")
        super().__init__(shop["currency"], *words.get("currencies", []))
        statuses = words["statuses"]
        self.not_sold = tuple(
            s for s, role in statuses.items() if role in ("cancelled", "returned")
        )
        self.includes_tax = shop.get("prices_include_tax", False)
        given = {"role": ["goods", "charge"], "category": words.get("categories", "any"),
                 "payment": words.get("payment_methods", "any"), "status": list(statuses)}  # fmt: skip
        self.words = {kind: None if w == "any" else " ".join(w) for kind, w in given.items()}
        self.sources = {name: _source(name, s) for name, s in self.file["sources"].items()}

    def parts(self, table: str) -> list[Part]:
        declared = self.file["tables"].get(table)
        if declared is None:
            orders = self.file["tables"]["orders"]
            first = orders[0] if isinstance(orders, list) else orders
            nothing = dict.fromkeys(KINDS[table], "CAST(NULL AS VARCHAR)")
            return [Part(_listed(first["from"])[0], nothing, (), where="false")]
        return [
            self._part(table, part, source)
            for part in (declared if isinstance(declared, list) else [declared])
            for source in _listed(part["from"])
        ]

    def _part(self, table: str, part: Mapping[str, Any], name: str) -> Part:
        source, file = self.sources[name], self.file["sources"][name]
        empty = part.get("may_be_empty", [])
        texts, plain, needed = {}, {}, []
        for column, kind in KINDS[table].items():
            value = part.get(column, column if column in source.columns else None)
            if column == REQUIRED[table][0] and "key" in part:
                value = part["key"]
            texts[column] = _text(source, value, file)
            if isinstance(value, str) and kind in (*NUMBERS, "stamp"):
                plain[column] = _as_default_shop(kind, file)
            if column == "customer_id" and table == "orders" and column in empty:
                texts[column] = f"coalesce({texts[column]}, '{GUEST}')"
            if column in REQUIRED[table] and column not in empty and value is not None:
                needed.append(column)
        where = _meaning(source, part["where"], absent="") if "where" in part else "true"
        zone = file.get("zone", self.zone)
        gone = _meaning(source, part["gone"], absent="") if "gone" in part else "false"
        return Part(name, texts, needed, where, part.get("warn", ()), plain, zone, gone)

    def wholes(self, table: str) -> tuple[bool, bool]:
        parts = self.file["tables"].get(table, [])
        parts = parts if isinstance(parts, list) else [parts]
        return (any("replaces" in part for part in parts),
                any(part.get("complete", False) for part in parts))  # fmt: skip


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _source(name: str, file: Mapping[str, Any]) -> Source:
    headers = [*file["required"], *file.get("optional", [])]
    fill = file.get("fill_down", {})
    return Source(
        name,
        {header: re.sub(r"[^A-Za-z0-9_]+", "_", header).strip("_") for header in headers},
        file["required"],
        file.get("folder", name),
        file.get("delimiter", ","),
        file.get("quote", '"'),
        file.get("encoding", "utf-8"),
        file.get("skip_lines", 0),
        file.get("loose_header", False),
        tuple(_listed(file.get("number_lines_within", []))),
        tuple(_listed(fill.get("within", []))),
        tuple(_listed(fill.get("columns", []))),
    )


def _received(source: Source, header: str) -> str:
    if header == "_line_number":
        return 'CAST("_line_number" AS VARCHAR)'
    column = source.columns[header]
    if header not in source.filled:
        return f'"{column}"'
    return f"CASE WHEN trim(\"{column}\") <> '' THEN \"{column}\" ELSE _filled_down['{column}'] END"


def _text(source: Source, value: Any, file: Mapping[str, Any]) -> str:
    """SQL of a column's trimmed text."""
    if value is None:
        return "CAST(NULL AS VARCHAR)"
    value = {"column": value} if isinstance(value, str) else value
    if isinstance(value, list):
        parts = [f"trim({_received(source, header)})" for header in value]
        escaped = [f"replace(replace({part}, '\\', '\\\\'), '|', '\\|')" for part in parts]
        complete = " AND ".join(f"{part} <> ''" for part in parts)
        joined = " || '|' || ".join(escaped)
        return f"trimmed(CASE WHEN {complete} THEN {joined} END)"
    if "constant" in value:
        return f"trimmed('{value['constant']}')"
    if "sql" in value:
        return f"trimmed({_meaning(source, value['sql'])})"
    text = f"trimmed({_received(source, value['column'])})"
    for null in _listed(file.get("nulls", [])):
        text = f"nullif({text}, '{null}')"
    for old, new in value.get("map", {}).items():
        text = f"CASE WHEN lower({text}) = '{old.lower()}' THEN '{new}' ELSE {text} END"
    return text


def _meaning(source: Source, sql: str, absent: str | None = None) -> str:
    for pattern, meaning in MEANING:
        if found := pattern.fullmatch(sql):
            texts = [_received(source, header) for header in found.groups()]
            if absent is not None:
                texts = [f"coalesce({text}, '{absent}')" for text in texts]
            return meaning.format(*texts)
    raise ValueError(f"the oracle does not know what {sql} means")


def _as_default_shop(kind: str, file: Mapping[str, Any]) -> str:
    """SQL of a text as the default shop would write it; one that does not fit stays wrong."""
    if kind == "stamp":
        cases = "".join(_cases(_listed(file.get("times", "iso"))))
        return f"CASE {cases} ELSE 'no time' END"
    mark, thousands = file.get("decimal_mark", "."), file.get("thousands", "")
    if mark == "." and not thousands:
        return "{}"
    digits = rf"(\d{{{{1,3}}}}(\{thousands}\d{{{{3}}}})+|\d*)" if thousands else r"\d*"
    fits = f"regexp_full_match({{0}}, '[+-]?{digits}(\\{mark}\\d*)?')"
    whole = f"replace({{0}}, '{thousands}', '')" if thousands else "{0}"
    return f"CASE WHEN {fits} THEN replace({whole}, '{mark}', '.') ELSE 'no number' END"


def _cases(patterns: list[str]) -> Iterator[str]:
    """For each pattern of a time, WHEN a text has that form THEN the time in ISO 8601."""
    for pattern in patterns:
        if pattern == "iso":
            yield r"WHEN regexp_matches({0}, '^\d{{4}}-') THEN {0} "
            continue
        assert pattern in ("dd.MM.yyyy HH:mm", "dd.MM.yyyy"), pattern
        day = "substr({0}, 7, 4) || '-' || substr({0}, 4, 2) || '-' || left({0}, 2)"
        if pattern.endswith("mm"):
            form = r"\d\d\.\d\d\.\d{{4}} ([01]\d|2[0-3]):[0-5]\d"
            yield f"WHEN regexp_full_match({{0}}, '{form}') THEN {day} || substr({{0}}, 11) "
        else:
            yield rf"WHEN regexp_full_match({{0}}, '\d\d\.\d\d\.\d{{{{4}}}}') THEN {day} "
