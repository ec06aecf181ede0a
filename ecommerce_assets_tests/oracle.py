"""The rules of the tables, said once more in plain DuckDB SQL; shares no code with the product.

Every silver and gold table is one SELECT over its upstream tables, always computed whole, so the
tables of the product can be compared with what the text promises. Money is counted in whole
cents (HUGEINT) wherever something is divided or rounded, and never becomes a float.
"""

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path

import duckdb

# What counts as white space around a value: Unicode's White_Space characters and U+FEFF.
WHITE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(
    map(chr, range(0x2000, 0x200B))
)
META = ("_ingestion_date", "_source_file", "_row_number")

# Per table: the required columns (the key first) and the optional ones, as name:kind, where a
# kind names the macro read_<kind>, which gives null for a value that breaks the contract.
CONTRACT = {
    "customers": (
        "customer_id:text email:email country:country created_at:stamp",
        "first_name:text last_name:text phone:text city:text address:text updated_at:stamp",
    ),
    "products": (
        "product_id:text name:text category:category price:price",
        "sku:text description:text role:role subcategory:text brand:text cost:price stock_quantity:stock "
        "is_active:flag created_at:stamp updated_at:stamp",
    ),
    "orders": (
        "order_id:text customer_id:text order_date:stamp status:status total_amount:money",
        "payment_method:payment subtotal:money tax_amount:money shipping_amount:money "
        "discount_amount:money tip_amount:money prices_include_tax:flag currency:currency shipping_country:country shipping_city:text "
        "updated_at:stamp",
    ),
    "order_items": (
        "order_item_id:text order_id:text product_id:text quantity:quantity unit_price:price",
        "discount_percent:percent discount_amount:money tax_rate:percent tax_amount:money "
        "line_total:money updated_at:stamp",
    ),
    "returns": (
        "return_id:text order_id:text returned_at:stamp",
        "order_item_id:text product_id:text customer_id:text quantity:quantity unit_price:price "
        "amount:money tax_amount:money refund_amount:money currency:currency reason:text updated_at:stamp",
    ),
    "exchange_rates": ("rate_id:text rate_date:day currency:code rate:rate", "updated_at:stamp"),
}
REQUIRED = {t: [c.split(":")[0] for c in required.split()] for t, (required, _) in CONTRACT.items()}
KINDS = {t: dict(c.split(":") for c in " ".join(both).split()) for t, both in CONTRACT.items()}
# A rate has no number: its key is made of its currency and day.
MADE = {"rate_id": ("currency", "rate_date")}
NO_DECIMALS = [
    "BIF",
    "CLP",
    "DJF",
    "GNF",
    "ISK",
    "JPY",
    "KMF",
    "KRW",
    "PYG",
    "RWF",
    "UGX",
    "VND",
    "VUV",
    "XAF",
    "XOF",
    "XPF",
]
THREE_DECIMALS = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"]
GUEST = "(guest)"
WHOLE_ORDER = "(whole order)"

# What an empty optional value becomes, and the faults that only several values together show.
GROSS = "gross_cents(quantity_value, unit_price_exact)"
FILLED = (
    "filled_cents(quantity_value, unit_price_exact, "
    "if(discount_percent_text IS NULL, 0, discount_percent_exact))"
)
OFF = "if(discount_amount_text IS NULL, 0, fine(discount_amount_value))"
OF_PIECES = "gross_cents(quantity_value, unit_price_exact)"
DEFAULTS = {
    "discount_amount": "of_fine(0)",
    "discount_percent": "CAST(0 AS DECIMAL(5, 2))",
    "tip_amount": "of_fine(0)",
    "line_total": f"of_fine({FILLED} - {OFF})",
    "role": "'goods'",
    "amount": f"of_fine({OF_PIECES})",
}
JOINT_FAULTS = {
    "order_items": {
        "quantity x unit_price": f"{GROSS} > most_fine()",
        "discount_amount": (
            "line_total_text IS NULL AND unit_price_value IS NOT NULL AND "
            "(discount_percent_text IS NULL OR discount_percent_value IS NOT NULL) "
            f"AND {FILLED} < {OFF}"
        ),
    },
    "returns": {
        "quantity, amount and refund_amount": (
            "quantity_text IS NULL AND amount_text IS NULL AND refund_amount_text IS NULL"
        ),
        "quantity x unit_price": f"amount_text IS NULL AND {OF_PIECES} > most_fine()",
        "tax_amount": (
            f"tax_amount_value > if(amount_text IS NULL, of_fine({OF_PIECES}), amount_value)"
        ),
    },
    "exchange_rates": {"rate": "currency_value = own() AND rate_value <> 1"},
}

STAMP = (
    r"\d{4}-\d{2}-\d{2}([T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d([.,]\d+)?)?"
    r"\s?([Zz]|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)?)?"
)
LOCAL = r"\d{4}-\d{2}-\d{2}([T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d([.,]\d+)?)?)?"
ZONE = r"'[T ].*([+-])(\d{2}):?(\d{2})?$'"


def decimals(currency: str) -> int:
    """How many decimals a currency has, by ISO 4217."""
    return 0 if currency in NO_DECIMALS else 3 if currency in THREE_DECIMALS else 2


def one_of(values: str, cased: str = "lower") -> str:
    """Return the body of a macro that takes one of these words in any case."""
    words = ", ".join(f"'{word}'" for word in values.split())
    return f"CASE WHEN {cased}(s) IN ({words}) THEN {cased}(s) END"


# DuckDB's own ** and / give doubles: powers of ten are written out, division is // on integers.
MACROS = {
    "percent(x)": "CAST(CAST(x AS DECIMAL(18, 2)) * 100 AS HUGEINT)",
    "trimmed(s)": f"nullif(trim(s, '{WHITE}'), '')",
    "half_up(n, d)": "(2 * CAST(n AS HUGEINT) + d) // (2 * CAST(d AS HUGEINT))",
    # Of a price in hundred-millionths, and a percentage in millionths.
    "gross_cents(quantity, price)": "half_up(CAST(quantity AS HUGEINT) * price, below_fine())",
    "filled_cents(quantity, price, percent)": """
        CASE WHEN quantity IS NOT NULL AND price IS NOT NULL AND percent IS NOT NULL THEN coalesce(
            TRY(half_up(CAST(quantity AS HUGEINT) * price * (100000000 - percent),
                100000000 * CAST(below_fine() AS HUGEINT))),
            CAST(10000000000000000000000000000 AS HUGEINT)) END""",
    "exact(s, digits)": r"""
        CASE WHEN regexp_full_match(s, '[+-]?(\d+\.?\d*|\.\d+)') THEN
            if(s[1] = '-', -1, 1) * (
                TRY_CAST(
                    regexp_extract(s, '^[+-]?(\d*)', 1)
                    || rpad(left(regexp_extract(s, '\.(\d*)', 1), digits), digits, '0') AS HUGEINT
                ) + if(substr(regexp_extract(s, '\.(\d*)', 1), digits + 1, 1) >= '5', 1, 0)
            )
        END""",
    "exact_price(s)": "exact(s, 8)",
    "exact_percent(s)": "exact(s, 6)",
    # A decimal's text as hundredths: half up by the third digit, away from zero below it.
    "hundredths(s)": r"""
        CASE WHEN regexp_full_match(s, '[+-]?(\d+\.?\d*|\.\d+)') THEN
            if(s[1] = '-', -1, 1) * (
                TRY_CAST(
                    regexp_extract(s, '^[+-]?(\d*)', 1)
                    || left(regexp_extract(s, '\.(\d*)', 1) || '00', 2) AS HUGEINT
                ) + if(substr(regexp_extract(s, '\.(\d*)', 1), 3, 1) >= '5', 1, 0)
            )
        END""",
    # The same as ten-thousandths, for the price of a piece.
    "ten_thousandths(s)": r"""
        CASE WHEN regexp_full_match(s, '[+-]?(\d+\.?\d*|\.\d+)') THEN
            if(s[1] = '-', -1, 1) * (
                TRY_CAST(
                    regexp_extract(s, '^[+-]?(\d*)', 1)
                    || left(regexp_extract(s, '\.(\d*)', 1) || '0000', 4) AS HUGEINT
                ) + if(substr(regexp_extract(s, '\.(\d*)', 1), 5, 1) >= '5', 1, 0)
            )
        END""",
    "whole(s)": r"""
        CASE WHEN regexp_full_match(s, '[+-]?\d+(\.0*)?') THEN
            TRY_CAST(replace(split_part(s, '.', 1), '+', '') AS INTEGER)
        END""",
    "read_text(s)": "s",
    "read_email(s)": f"""
        CASE WHEN regexp_full_match(lower(s), '[^@{WHITE}]+@[^@{WHITE}]+\\.[^@{WHITE}]+')
        THEN lower(s) END""",
    "read_country(s)": "CASE WHEN regexp_full_match(upper(s), '[A-Z]{2}') THEN upper(s) END",
    "read_flag(s)": """
        CASE WHEN lower(s) IN ('true', 't', 'yes', '1') THEN true
        WHEN lower(s) IN ('false', 'f', 'no', '0') THEN false END""",
    "read_stock(s)": "CASE WHEN whole(s) >= 0 THEN whole(s) END",
    "read_quantity(s)": "CASE WHEN whole(s) >= 1 THEN whole(s) END",
    "read_money(s)": """
        CASE WHEN exact(s, fine_digits()) BETWEEN 0 AND most_fine()
        THEN of_fine(exact(s, fine_digits())) END""",
    "read_code(s)": "CASE WHEN regexp_full_match(upper(s), '[A-Z]{3}') THEN upper(s) END",
    "read_rate(s)": """
        CASE WHEN exact(s, 12) BETWEEN 1 AND 999999999999999999
        THEN TRY_CAST(CAST(exact(s, 12) AS DECIMAL(25, 0)) * CAST(0.000000000001 AS DECIMAL(12, 12)) AS DECIMAL(18, 12)) END""",
    "read_day(s)": rf"""
        CASE WHEN regexp_full_match(s, '{LOCAL}') AND left(s, 4) <> '0000' THEN TRY_CAST(left(s, 10) AS DATE) END""",
    "read_price(s)": """
        CASE WHEN ten_thousandths(s) BETWEEN 0 AND 999999999999999999
        THEN TRY_CAST(TRY_CAST(ten_thousandths(s) AS DECIMAL(22, 0)) * 0.0001 AS DECIMAL(18, 4))
        END""",
    "read_percent(s)": """
        CASE WHEN hundredths(s) BETWEEN 0 AND 10000
        THEN TRY_CAST(CAST(hundredths(s) AS DECIMAL(18, 0)) * 0.01 AS DECIMAL(5, 2)) END""",
    "read_stamp(s)": rf"""
        CASE WHEN regexp_full_match(s, '{STAMP}') AND left(s, 4) <> '0000' THEN
            TRY_CAST(left(s, 10) AS DATE)
            + TRY_CAST(coalesce(
                nullif(replace(regexp_extract(
                    s, '[T ](\d{{2}}:\d{{2}}(:\d{{2}}([.,]\d{{1,6}})?)?)', 1), ',', '.'), ''),
                '00:00') AS TIME)
            - to_minutes(
                if(regexp_extract(s, {ZONE}, 1) = '-', -1, 1) * (
                    coalesce(TRY_CAST(regexp_extract(s, {ZONE}, 2) AS INTEGER), 0) * 60
                    + coalesce(TRY_CAST(regexp_extract(s, {ZONE}, 3) AS INTEGER), 0)))
        END""",
}


ZONED = "[T ].*([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)$"
TYPES = {
    "_ingestion_date": "DATE",
    "_row_number": "BIGINT",
    "_line_number": "BIGINT",
    "_filled_down": "MAP(VARCHAR, VARCHAR)",
}
# Times before 1970, and more than a year after the delivery, can't be.
POSSIBLE = "CAST({c} AS DATE) BETWEEN DATE '1970-01-01' AND CAST(_ingestion_date + INTERVAL 1 YEAR AS DATE)"


# The words of the default shop: of each kind, what it may say; None for anything.
WORDS = {
    "role": "goods charge",
    "category": "electronics clothing home_garden sports books toys beauty food",
    "status": "pending confirmed shipped delivered cancelled returned",
    "payment": "credit_card debit_card paypal bank_transfer cash_on_delivery",
}
# How a value that breaks a rule is kept, where the shop wants it kept.
CASED = {"email": "lower", "category": "lower", "status": "lower", "payment": "lower",
         "country": "upper", "currency": "upper", "code": "upper"}  # fmt: skip


@dataclass
class Source:
    """A source: its columns by header, and how its files are written."""

    name: str
    columns: Mapping[str, str]
    needed: Iterable[str]
    folder: str = ""
    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    skip: int = 0
    loose: bool = False
    numbered_within: tuple[str, ...] = ()
    filled_within: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()

    @property
    def bronze_columns(self) -> tuple[str, ...]:
        """The columns of its bronze table, but for the time of ingestion."""
        of_lines = ["_line_number"] * bool(self.numbered_within)
        of_lines += ["_filled_down"] * bool(self.filled)
        return (*self.columns.values(), *META, *of_lines, "_rescued_data")

    def spelled(self, name: str) -> str:
        """A name in a header as the shop's file spells it."""
        if self.loose:
            for known in self.columns:
                if "".join(name.split()).casefold() == "".join(known.split()).casefold():
                    return known
        return name


@dataclass
class Part:
    """A table's rows of one source: which they are, and the SQL of each column's text and value."""

    source: str
    texts: Mapping[str, str]
    needed: Iterable[str]
    where: str = "true"
    warns: Iterable[str] = ()
    # By column, SQL of the text as the default shop would write it; `{}` is the text.
    plain: Mapping[str, str] = field(default_factory=dict)
    zone: str = "UTC"
    gone: str = "false"

    def exact(self, column: str, kind: str) -> str:
        """The value of a price or percentage, before it is rounded to what silver holds."""
        return f"exact_{kind}({self.plain.get(column, '{}').format(f'{column}_text')})"

    def value(self, column: str, kind: str) -> str:
        """The value of a column's text: null if it breaks the contract."""
        text = f"{column}_text"
        value = f"read_{kind}({self.plain.get(column, '{}').format(text)})"
        if kind == "day":
            return f"CASE WHEN {POSSIBLE.format(c=value)} THEN {value} END"
        if kind == "stamp":
            if self.zone != "UTC":
                there = f"({value} AT TIME ZONE '{self.zone}') AT TIME ZONE 'UTC'"
                value = f"CASE WHEN regexp_matches({text}, '{ZONED}') THEN {value} ELSE {there} END"
            return f"CASE WHEN {POSSIBLE.format(c=value)} THEN {value} END"
        if column in self.warns:
            return f"coalesce({value}, {CASED.get(kind, '')}({text}))"
        return value


NEWEST = (
    "updated_at_value DESC NULLS LAST, _ingestion_date DESC, "
    "regexp_replace(_source_file, '\\.csv(\\.gz)?$', '') DESC, _source_file DESC, _row_number DESC"
)


class Oracle:
    """The rules for the default shop; another shop says otherwise."""

    def __init__(self, currency: str = "EUR", *others: str) -> None:
        self.currency, self.others = currency, others

    zone = "UTC"
    includes_tax = False
    not_sold: tuple[str, ...] = ("cancelled", "returned")
    words: Mapping[str, str | None] = WORDS
    sources: Mapping[str, Source] = {
        table: Source(table, {c: c for c in kinds if c not in MADE},
                      [c for c in REQUIRED[table] if c not in MADE], table)
        for table, kinds in KINDS.items()
    }  # fmt: skip

    @property
    def digits(self) -> set[int]:
        """How many decimals the currencies have."""
        return {decimals(one) for one in (self.currency, *self.others)}

    @property
    def tables(self) -> list[str]:
        """The source tables of this shop."""
        return [table for table in CONTRACT if table != "exchange_rates" or self.others]

    def of_money(self) -> dict[str, str]:
        """The macros of amounts: in silver as received, in gold in smallest units."""
        fine = 2 if self.digits == {2} else 8
        kind = "19, 3" if 3 in self.digits else "18, 2"
        fraction = "CAST(CAST({} AS DECIMAL(28, 0)) * {} AS DECIMAL({}))"
        own = decimals(self.currency)
        lists = {n: ", ".join(f"'{c}'" for c in ("", *codes)) for n, codes in
                 ((0, NO_DECIMALS), (3, THREE_DECIMALS))}  # fmt: skip
        size = {0: "1.000", 2: "0.010", 3: "0.001"}
        return {
            "own()": f"'{self.currency}'",
            "fine_digits()": str(fine),
            "below_fine()": str(10 ** (8 - fine)),
            "most_fine()": f"CAST('{'9' * (12 if fine == 2 else 18)}' AS HUGEINT)",
            "fine(x)": f"CAST(CAST(x AS DECIMAL(29, {fine})) * {10**fine} AS HUGEINT)",
            "of_fine(c)": (
                f"TRY_CAST(TRY_CAST(c AS DECIMAL(30, 0)) * CAST({10**-fine:.{fine}f} AS DECIMAL({fine}, {fine}))"
                f" AS DECIMAL({'12, 2' if fine == 2 else '18, 8'}))"
            ),
            "per(c)": f"CASE WHEN c IN ({lists[0]}) THEN 1 WHEN c IN ({lists[3]}) THEN 1000 ELSE 100 END",
            # An amount of silver in the smallest units of a currency; these as money; converted.
            "units(x, c)": f"half_up(fine(x) * per(c), {10**fine})",
            "amount(u, c)": fraction.format(
                "u", "CASE per(c) WHEN 1 THEN 1.000 WHEN 100 THEN 0.010 ELSE 0.001 END", kind
            ),
            "converted(u, c, rate)": (
                "half_up(u * CAST(CAST(rate AS DECIMAL(25, 12)) * 1000000000000 AS HUGEINT) * per(own()), "
                "CAST(per(c) AS HUGEINT) * 1000000000000)"
            ),
            # The same of the reporting currency.
            "cents(x)": "CAST(CAST(x AS DECIMAL(28, 3)) * per(own()) AS HUGEINT)",
            "money(c)": fraction.format("c", size[own], kind),
        }

    def parts(self, table: str) -> list[Part]:
        """The sources of a table."""
        texts = {column: f"trimmed({column})" for column in KINDS[table] if column not in MADE}
        for column, (one, other) in MADE.items():
            if column in KINDS[table]:
                both = f"trim({one}) <> '' AND trim({other}) <> ''"
                texts[column] = f"CASE WHEN {both} THEN trim({one}) || '|' || trim({other}) END"
        return [Part(table, texts, REQUIRED[table])]

    def judged(self, table: str) -> str:
        """The WITH clause that reads, types and judges every bronze row of a table."""
        parts = self.parts(table)
        several = len(parts) > 1
        return (
            "WITH judged AS ("
            + " UNION ALL BY NAME ".join(self._judged(table, part, several) for part in parts)
            + ")"
        )

    def _judged(self, table: str, part: Part, several: bool) -> str:
        kinds = KINDS[table]
        faults = {
            c: f"{c}_value IS NULL" + ("" if c in part.needed else f" AND {c}_text IS NOT NULL")
            for c in kinds
        }
        named = [*faults.items(), *JOINT_FAULTS.get(table, {}).items()]
        reasons = ", ".join(f"CASE WHEN {fault} THEN '{name}' END" for name, fault in named)
        source = f", '{part.source}' AS _source" if several else ""
        texts = ", ".join(f"{text} AS {c}_text" for c, text in part.texts.items())
        values = ", ".join(f"{part.value(c, k)} AS {c}_value" for c, k in kinds.items())
        values += "".join(
            f", {part.exact(c, k)} AS {c}_exact"
            for c, k in kinds.items()
            if k in ("price", "percent")
        )
        return f"""
            SELECT *, if(_gone AND {REQUIRED[table][0]}_text IS NOT NULL, [],
                list_sort(list_distinct([{reasons}]))) AS _reasons FROM (
                SELECT *, {values} FROM (
                    SELECT *{source}, {texts}, {part.gone} AS _gone
                    FROM bronze.{part.source} WHERE {part.where}))"""

    def wholes(self, table: str) -> tuple[bool, bool]:
        """Whether a delivery of an order's lines is the whole order; whether it is the whole table."""
        return False, False

    def held(self, table: str) -> str:
        """SQL of the valid rows whose key the latest delivery of the whole has."""
        key, order = f"{REQUIRED[table][0]}_value", "order_id_value"
        by_order, complete = self.wholes(table)
        if not by_order and not complete:
            return "SELECT * FROM judged WHERE len(_reasons) = 0"
        latest = "SELECT max(_ingestion_date) AS latest FROM judged"
        same = f"h._ingestion_date = w.latest AND h.{key} = j.{key}"
        if by_order:
            versions = f"{order} AS o, list(_ingestion_date ORDER BY {NEWEST})[1] AS latest"
            latest = f"SELECT {versions} FROM judged WHERE len(_reasons) = 0 GROUP BY 1"
            same += f" AND h.{order} = j.{order}"
        on = f"w.o = j.{order}" if by_order else "true"
        return f"""
            SELECT j.* FROM judged j JOIN ({latest}) w ON {on}
            WHERE len(j._reasons) = 0 AND EXISTS (SELECT 1 FROM judged h WHERE {same})"""

    def day(self, moment: str) -> str:
        """The day of a time in the shop's time zone."""
        return f"CAST(CAST({moment} AS TIMESTAMPTZ) AT TIME ZONE '{self.zone}' AS DATE)"

    def silver(self, table: str) -> str:
        """The SELECT of a silver table: the version of each key that is current."""
        defaults = DEFAULTS | {
            "currency": f"'{self.currency}'",
            "prices_include_tax": str(self.includes_tax).lower(),
        }
        if table == "returns":
            del defaults["currency"]
            defaults |= {"product_id": f"'{WHOLE_ORDER}'", "customer_id": f"'{GUEST}'"}
        else:
            defaults = {c: sql for c, sql in defaults.items() if c != "amount"}
        if table == "exchange_rates":
            defaults = {}
        filled = {c: f"coalesce({c}_value, {defaults[c]})" for c in KINDS[table] if c in defaults}
        columns = [f"{filled.get(c, f'{c}_value')} AS {c}" for c in KINDS[table]]
        if table == "orders":
            columns.append(f"{self.day('order_date_value')} AS business_date")
        if table == "returns":
            columns.append(f"{self.day('returned_at_value')} AS business_date")
        if table == "order_items":
            columns.append(f"of_fine({GROSS}) AS gross_amount")
        return f"""{self.judged(table)}
            SELECT {", ".join([*columns, *META])} FROM (
                SELECT * FROM ({self.held(table)})
                QUALIFY row_number() OVER (
                    PARTITION BY {REQUIRED[table][0]}_value ORDER BY {NEWEST}) = 1
            ) WHERE NOT _gone"""

    def quarantine(self, table: str) -> str:
        """The SELECT of a quarantine table: the rows as received, and the columns at fault."""
        parts = self.parts(table)
        of_sources = [c for part in parts for c in self.sources[part.source].bronze_columns]
        received = {name.lower(): name for name in reversed(of_sources)}
        columns = [*received.values(), *(["_source"] if len(parts) > 1 else []), "_reasons"]
        names = ", ".join(f'"{column}"' for column in columns)
        return f"{self.judged(table)} SELECT {names} FROM judged WHERE len(_reasons) > 0"

    @cached_property
    def sql(self) -> dict[str, str]:
        """By table of silver and gold, its SELECT."""
        not_sold = ", ".join(f"'{status}'" for status in self.not_sold) or "''"
        rates = {"gold.dim_exchange_rate": RATES} if self.others else {}
        known = RATES_OF_DAY if self.others else NO_RATES
        others = ", ".join(f"'{one}'" for one in self.others)
        return {
            **{f"silver.{table}": self.silver(table) for table in self.tables},
            **{f"silver.{table}_quarantine": self.quarantine(table) for table in self.tables},
            **{
                name: sql.replace("{not_sold}", f"({not_sold})")
                .replace("{rates}", known)
                .replace("{others}", others)
                .replace(
                    "DECIMAL(18, 2)", "DECIMAL(19, 3)" if 3 in self.digits else "DECIMAL(18, 2)"
                )
                for name, sql in {**rates, **FACTS, **GOLD}.items()
            },
        }

    @cached_property
    def upstream(self) -> dict[str, tuple[str, ...]]:
        """By table of silver and gold, the tables that its SELECT reads."""
        return {
            name: tuple(sorted(set(re.findall(r"\b(?:bronze|silver|gold)\.\w+", select))))
            for name, select in self.sql.items()
        }

    def connect(self) -> duckdb.DuckDBPyConnection:
        """An empty database that knows the three schemas, xxhash64 and the macros."""
        con = duckdb.connect()
        con.execute("SET TimeZone = 'UTC'")
        for schema in ("bronze", "silver", "gold"):
            con.execute(f"CREATE SCHEMA {schema}")
        con.create_function("xxhash64", lambda text: xxhash64(text), ["VARCHAR"], "BIGINT")
        of_words = {
            f"read_{kind}(s)": "lower(s)" if words is None else one_of(words)
            for kind, words in self.words.items()
        }
        of_words["read_currency(s)"] = one_of(" ".join((self.currency, *self.others)), "upper")
        first = {"half_up(n, d)": MACROS["half_up(n, d)"]}
        for head, body in {**first, **self.of_money(), **MACROS, **of_words}.items():
            con.execute(f"CREATE OR REPLACE MACRO {head} AS {body}")
        return con

    def bronze(self, landing: Path, source: str, days: Iterable[date]) -> list[tuple]:
        """What landing holds for these dates, in the source's bronze columns."""
        return bronze(landing, self.sources[source], days)

    def fill(
        self, con: duckdb.DuckDBPyConnection, name: str, source: str, rows: list[tuple]
    ) -> None:
        """Make a table `name` of rows of a bronze table."""
        typed = [(f'"{c}"', TYPES.get(c, "VARCHAR")) for c in self.sources[source].bronze_columns]
        definition = ", ".join(f"{column} {kind}" for column, kind in typed)
        con.execute(f"CREATE OR REPLACE TABLE {name} ({definition})")
        if rows:
            given = ["JSON" if kind.startswith("MAP") else kind for _, kind in typed]
            lists = ", ".join(f"unnest(CAST(? AS {kind}[]))" for kind in given)
            values = [list(column) for column in zip(*rows, strict=True)]
            con.execute(f"INSERT INTO {name} SELECT {lists}", values)

    def build(self, con: duckdb.DuckDBPyConnection, landing: Path, days: Iterable[date]) -> None:
        """Build every table, bronze to gold, from what landing holds for these dates."""
        days = list(days)
        for source in self.sources:
            self.fill(con, f"bronze.{source}", source, self.bronze(landing, source, days))
        for name, select in self.sql.items():
            con.execute(f"CREATE OR REPLACE TABLE {name} AS {select}")


REVENUE = "CAST(sum(revenue) AS DECIMAL(18, 2)) AS revenue"
ORDERS = "count(DISTINCT order_id) AS orders"
NO_GUEST = f"customer_key <> xxhash64('{GUEST}')"
UNITS = "CAST(sum(quantity) AS BIGINT) AS units"
AVERAGE = "money(half_up(sum(cents(revenue)), count(DISTINCT order_id))) AS average_order_value"
BACK = "CAST(sum(returned_amount) AS DECIMAL(18, 2)) AS returned"


def zero(column: str) -> str:
    """An amount, 0.00 where there is none."""
    return f"CAST(coalesce({column}, 0) AS DECIMAL(18, 2)) AS {column}"


NET = "CAST(coalesce(revenue, 0) - coalesce(returned, 0) AS DECIMAL(18, 2)) AS net_revenue"


def revenue_per(period: str) -> str:
    """Return the SELECT of the revenue table of one period, such as `order_date AS order_date`."""
    column = period.split(" AS ")[-1]
    sums = ", ".join(
        f"sum({c}) AS {c}" for c in ("revenue", "discount", "shipping", "tax", "total_paid")
    )
    back = period.replace("order_date", "return_date", 1)
    return f"""
        WITH sold AS (
            SELECT {period}, {sums}, {ORDERS}, sum(units) AS units,
                count(DISTINCT customer_key) FILTER ({NO_GUEST}) AS customers, {AVERAGE}
            FROM gold.fact_orders WHERE is_sale GROUP BY 1
        ), back AS (
            SELECT {back}, {BACK} FROM gold.fact_returns WHERE is_counted GROUP BY 1
        )
        SELECT {column}, {zero("revenue")}, {zero("discount")}, coalesce(orders, 0) AS orders,
            CAST(coalesce(units, 0) AS BIGINT) AS units, coalesce(customers, 0) AS customers,
            {zero("average_order_value")}, {zero("shipping")}, {zero("tax")},
            {zero("total_paid")}, {zero("returned")}, {NET}
        FROM sold FULL JOIN back USING ({column})"""


MONTH = "CAST(date_trunc('month', order_date) AS DATE) AS month_start_date"


def largest_remainder(given: str, amount: str, weight: str, share: str) -> str:
    """SQL of `given` with the cents of an order's `amount` that each row has in proportion."""
    whole = f"sum({weight}) OVER (PARTITION BY order_id)"
    return f"""
        SELECT * EXCLUDE (floor, rest), floor + if(row_number() OVER (
                PARTITION BY order_id ORDER BY rest DESC NULLS LAST, order_item_id)
                <= {amount} - sum(floor) OVER (PARTITION BY order_id), 1, 0) AS {share}
        FROM (
            SELECT *, if({whole} > 0, {amount} * {weight} // {whole}, NULL) AS floor,
                if({whole} > 0, {amount} * {weight} % {whole}, NULL) AS rest FROM {given})"""


# The rate of a day: the latest on or before it, of at most seven days before.
RATES = """
        WITH given AS (
            SELECT currency, rate_date, rate FROM silver.exchange_rates
            WHERE currency IN ({others})
            QUALIFY row_number() OVER (PARTITION BY currency, rate_date ORDER BY
                updated_at DESC NULLS LAST, _ingestion_date DESC,
                regexp_replace(_source_file, '\\.csv(\\.gz)?$', '') DESC, _source_file DESC,
                _row_number DESC) = 1
        ), days AS (
            SELECT DISTINCT currency, rate_date + n AS day
            FROM given, (SELECT unnest([0, 1, 2, 3, 4, 5, 6, 7]) AS n)
        )
        SELECT d.currency, d.day AS date, g.rate_date, g.rate AS exchange_rate
        FROM days d ASOF JOIN given g ON d.currency = g.currency AND d.day >= g.rate_date"""
RATES_OF_DAY = """(
            SELECT currency, date, rate_date, exchange_rate FROM gold.dim_exchange_rate
            UNION ALL SELECT own(), CAST(day AS DATE), NULL, 1 FROM (SELECT unnest(generate_series(
                DATE '1969-01-01', DATE '2040-12-31', INTERVAL 1 DAY)) AS day))"""
NO_RATES = """(
            SELECT own() AS currency, CAST(day AS DATE) AS date, CAST(NULL AS DATE) AS rate_date,
                CAST(1 AS DECIMAL(18, 12)) AS exchange_rate
            FROM (SELECT unnest(generate_series(
                DATE '1969-01-01', DATE '2040-12-31', INTERVAL 1 DAY)) AS day))"""
FACT_SALES = f"""
        WITH lines AS (
            SELECT i.* EXCLUDE (discount_amount, tax_amount, gross_amount),
                o.business_date AS day, o.customer_id, o.status,
                o.payment_method, o.shipping_country, o.prices_include_tax AS included,
                o.currency, x.exchange_rate AS rate, x.rate_date,
                units(i.gross_amount, o.currency) AS gross, units(i.tax_amount, o.currency) AS own_given,
                units(i.line_total, o.currency) AS line_cents,
                units(o.tax_amount, o.currency) AS all_tax,
                coalesce(units(o.shipping_amount, o.currency), 0) AS shipping,
                least(
                    units(o.discount_amount, o.currency),
                    sum(units(i.line_total, o.currency)) OVER (PARTITION BY i.order_id)
                ) AS to_share
            FROM silver.order_items AS i JOIN silver.orders AS o ON i.order_id = o.order_id
            JOIN {{rates}} AS x ON x.currency = o.currency AND x.date = o.business_date
        ), shares AS ({largest_remainder("lines", "to_share", "line_cents", "off")}
        ), paid AS (
            SELECT *, line_cents - coalesce(off, 0) AS paid FROM shares
        ), own AS (
            SELECT *, coalesce(
                if(included AND own_given > 0, least(own_given, paid), own_given),
                half_up(paid * percent(tax_rate), 10000 + if(included, percent(tax_rate), 0))
            ) AS own_tax FROM paid
        ), open_tax AS (
            SELECT *, if(own_tax IS NULL, paid, 0) AS weight,
                sum(if(own_tax IS NULL, paid, 0)) OVER (PARTITION BY order_id) AS weights,
                all_tax - sum(coalesce(own_tax, 0)) OVER (PARTITION BY order_id) AS left_tax
            FROM own
        ), to_items AS (
            SELECT *, CASE WHEN left_tax IS NULL OR left_tax <= 0 OR weights = 0 THEN 0 WHEN NOT included THEN left_tax
                ELSE least(weights, half_up(left_tax * weights, weights + shipping))
                END AS items_tax
            FROM open_tax
        ), taxed AS ({largest_remainder("to_items", "items_tax", "weight", "part")}
        ), net AS (
            SELECT *, coalesce(own_tax, part, 0) AS tax_cents, gross - paid AS cut
            FROM taxed
        ), amounts AS (
            SELECT *, paid - if(included, tax_cents, 0) AS net_cents, cut - CASE
                WHEN NOT included THEN 0
                WHEN paid = 0 THEN if(cut > 0 AND tax_rate IS NOT NULL,
                    half_up(cut * percent(tax_rate), 10000 + percent(tax_rate)), 0)
                WHEN cut < 0 THEN -half_up(-cut * tax_cents, paid)
                ELSE half_up(cut * tax_cents, paid) END AS off_cents
            FROM net
        ), here AS (
            SELECT *, converted(net_cents + off_cents, currency, rate) AS gross_here,
                converted(net_cents, currency, rate) AS net_here,
                converted(tax_cents, currency, rate) AS tax_here
            FROM amounts
        )
        SELECT xxhash64(order_item_id) AS sale_key, order_item_id, order_id,
            CAST(strftime(day, '%Y%m%d') AS INTEGER) AS date_key, day AS order_date,
            xxhash64(customer_id) AS customer_key, xxhash64(product_id) AS product_key,
            status, payment_method, shipping_country, status NOT IN {{not_sold}} AS is_sale,
            quantity, unit_price, money(gross_here) AS gross_amount,
            money(gross_here - net_here) AS discount, money(net_here) AS revenue,
            money(tax_here) AS tax, currency, rate AS exchange_rate, rate_date,
            amount(net_cents + off_cents, currency) AS original_gross_amount,
            amount(net_cents, currency) AS original_revenue,
            amount(tax_cents, currency) AS original_tax
        FROM here"""
FACT_RETURNS = f"""
        WITH sold AS (
            SELECT order_id, order_item_id, product_key, sale_key,
                CAST(original_revenue * per(currency) AS HUGEINT) AS rev,
                CAST(original_tax * per(currency) AS HUGEINT) AS tax,
                CAST(quantity AS HUGEINT) AS pieces FROM gold.fact_sales
        ), matched AS (
            SELECT r.* EXCLUDE (amount, tax_amount, refund_amount), o.order_id IS NOT NULL AS known,
                o.status, o.business_date AS order_day,
                o.customer_id AS buyer, coalesce(o.prices_include_tax, false) AS included,
                x.currency AS of, x.exchange_rate AS rate, x.rate_date,
                units(r.amount, of) AS amount, units(r.tax_amount, of) AS tax_amount,
                units(r.refund_amount, of) AS refund_amount,
                units(o.total_amount, of) AS total, coalesce(units(o.shipping_amount, of), 0) AS shipping,
                list_filter(coalesce(s.lines, []), lambda x: CASE
                    WHEN r.order_item_id IS NOT NULL THEN x.order_item_id = r.order_item_id
                    WHEN r.product_id <> '{WHOLE_ORDER}' THEN x.product_key = xxhash64(r.product_id)
                    ELSE true END) AS lines, s.rev AS order_rev, s.tax AS order_tax
            FROM silver.returns r LEFT JOIN silver.orders o USING (order_id)
            LEFT JOIN (SELECT order_id, list(sold) AS lines, sum(rev) AS rev, sum(tax) AS tax
                FROM sold GROUP BY 1) s USING (order_id)
            JOIN {{rates}} AS x ON x.currency = coalesce(o.currency, r.currency, own())
                AND x.date = coalesce(o.business_date, r.business_date)
            WHERE r.currency IS NOT DISTINCT FROM coalesce(o.currency, r.currency)
                OR r.currency IS NULL
        ), based AS (
            SELECT *, CAST(list_sum(list_transform(lines, lambda x: x.rev)) AS HUGEINT) AS rev,
                CAST(list_sum(list_transform(lines, lambda x: x.tax)) AS HUGEINT) AS tax,
                CAST(list_sum(list_transform(lines, lambda x: x.pieces)) AS HUGEINT) AS pieces,
                coalesce(total, order_rev + order_tax + shipping) AS paid,
                (order_item_id IS NOT NULL OR product_id <> '{WHOLE_ORDER}') AND len(lines) = 1
                    AS of_one
            FROM matched
        ), valued AS (
            SELECT *, CASE
                WHEN amount IS NOT NULL THEN coalesce(tax_amount, CASE
                    WHEN included AND rev + tax > 0
                        THEN least(half_up(amount * tax, rev + tax), amount)
                    WHEN NOT included AND rev > 0 THEN half_up(amount * tax, rev) END, 0)
                WHEN refund_amount IS NOT NULL THEN
                    if(refund_amount > 0 AND paid > 0,
                        coalesce(half_up(refund_amount * order_tax, paid), 0), 0)
                ELSE half_up(tax * quantity, pieces) END AS tax_cents
            FROM based
        ), amounts AS (
            SELECT *, CASE
                WHEN amount IS NOT NULL THEN amount - if(included, tax_cents, 0)
                WHEN refund_amount IS NOT NULL THEN if(refund_amount > 0 AND paid > 0,
                    least(refund_amount, coalesce(
                        half_up(refund_amount * order_rev, paid), refund_amount)),
                    refund_amount)
                ELSE half_up(rev * quantity, pieces) END AS back
            FROM valued
        ), here AS (
            SELECT *, converted(back, of, rate) AS back_here, converted(tax_cents, of, rate) AS tax_here
            FROM amounts WHERE back IS NOT NULL
        )
        SELECT xxhash64(return_id) AS return_key, return_id,
            if(of_one, lines[1].sale_key, NULL) AS sale_key, order_id,
            CAST(strftime(business_date, '%Y%m%d') AS INTEGER) AS date_key,
            business_date AS return_date, coalesce(order_day, business_date) AS order_date,
            xxhash64(coalesce(buyer, customer_id)) AS customer_key,
            if(order_item_id IS NOT NULL AND len(lines) = 1, lines[1].product_key,
                xxhash64(product_id)) AS product_key,
            reason, known AS is_order_known,
            coalesce(status NOT IN {{not_sold}}, true) AS is_counted, quantity,
            money(back_here) AS returned_amount, money(tax_here) AS returned_tax,
            money(coalesce(converted(refund_amount, of, rate), back_here + tax_here))
                AS refunded_amount,
            of AS currency, rate AS exchange_rate, rate_date, amount(back, of) AS original_amount,
            coalesce(of_one AND (sum(quantity) OVER item > pieces
                OR sum(back) OVER item > rev + count(*) OVER item), false)
            OR coalesce(sum(back) OVER whole > order_rev + count(*) OVER whole, false)
                AS exceeds_sale
        FROM here
        WINDOW item AS (PARTITION BY if(of_one, lines[1].sale_key, NULL)),
            whole AS (PARTITION BY order_id)"""
DIM_DATE = """
        WITH days AS (
            SELECT CAST(unnest(generate_series(
                make_date(year(min(business_date)), 1, 1),
                make_date(year(max(business_date)), 12, 31),
                INTERVAL 1 DAY
            )) AS DATE) AS day FROM (
                SELECT business_date FROM silver.orders
                UNION ALL SELECT business_date FROM silver.returns)
        )
        SELECT CAST(strftime(day, '%Y%m%d') AS INTEGER) AS date_key, day AS date,
            CAST(isodow(day) AS INTEGER) AS day_of_week, dayname(day) AS day_name,
            CAST(weekofyear(day) AS INTEGER) AS week,
            CAST(date_trunc('week', day) AS DATE) AS week_start_date,
            CAST(month(day) AS INTEGER) AS month, monthname(day) AS month_name,
            CAST(quarter(day) AS INTEGER) AS quarter, CAST(year(day) AS INTEGER) AS year,
            isodow(day) >= 6 AS is_weekend
        FROM days"""

FACT_ORDERS = """
        WITH lines AS (
            SELECT order_id, count(*) AS items, sum(quantity) AS units, bool_or(is_sale) AS is_sale,
                sum(cents(gross_amount)) AS gross, sum(cents(discount)) AS off,
                sum(cents(revenue)) AS rev, sum(cents(tax)) AS tax,
                sum(CAST(original_revenue * per(currency) AS HUGEINT)) AS rev_there,
                sum(CAST(original_tax * per(currency) AS HUGEINT)) AS tax_there
            FROM gold.fact_sales GROUP BY 1
        ), back AS (
            SELECT order_id, sum(cents(returned_amount)) AS back,
                sum(cents(refunded_amount)) AS refund
            FROM gold.fact_returns GROUP BY 1
        ), found AS (
            SELECT * EXCLUDE (date, tax_amount),
                units(tax_amount, currency) AS tax_given,
                coalesce(tax_given, tax_there, 0) AS order_tax,
                units(tip_amount, currency) AS tip_there,
                coalesce(units(shipping_amount, currency), 0) AS gross_shipping,
                gross_shipping - if(prices_include_tax AND items > 0, greatest(0, least(
                    gross_shipping, coalesce(tax_given - tax_there, 0))), 0) AS net_shipping,
                coalesce(units(total_amount, currency),
                    coalesce(rev_there, 0) + net_shipping + order_tax + tip_there) AS total
            FROM silver.orders LEFT JOIN lines USING (order_id) LEFT JOIN back USING (order_id)
            JOIN (SELECT currency, date, date AS business_date, rate_date, exchange_rate
                FROM {rates}) USING (currency, business_date)
        )
        SELECT xxhash64(order_id) AS order_key, order_id,
            CAST(strftime(business_date, '%Y%m%d') AS INTEGER) AS date_key,
            business_date AS order_date, xxhash64(customer_id) AS customer_key, status,
            payment_method, coalesce(is_sale, false) AS is_sale, coalesce(items, 0) AS items,
            CAST(coalesce(units, 0) AS BIGINT) AS units, money(coalesce(gross, 0)) AS gross_amount,
            money(coalesce(off, 0)) AS discount, money(coalesce(rev, 0)) AS revenue,
            money(converted(net_shipping, currency, exchange_rate)) AS shipping,
            money(if(tax_given IS NULL, coalesce(tax, 0),
                converted(tax_given, currency, exchange_rate))) AS tax,
            money(converted(tip_there, currency, exchange_rate)) AS tip,
            money(converted(total, currency, exchange_rate)) AS total_paid,
            money(coalesce(back, 0)) AS returned, money(coalesce(refund, 0)) AS refunded,
            currency, exchange_rate, rate_date, amount(coalesce(rev_there, 0), currency)
                AS original_revenue, amount(total, currency) AS original_total_paid
        FROM found"""
FACTS = {
    "gold.fact_sales": FACT_SALES,
    "gold.fact_returns": FACT_RETURNS,
    "gold.fact_orders": FACT_ORDERS,
}

GOLD: dict[str, str] = {
    "gold.dim_date": DIM_DATE,
    "gold.dim_customer": f"""
        WITH members AS (
            SELECT *, false AS is_inferred FROM silver.customers
            UNION ALL BY NAME
            SELECT DISTINCT customer_id, customer_id <> '{GUEST}' AS is_inferred
            FROM (SELECT customer_id FROM silver.orders
                UNION ALL SELECT customer_id FROM silver.returns)
            ANTI JOIN silver.customers USING (customer_id)
        ), sales AS (
            SELECT customer_key, {ORDERS}, {REVENUE}
            FROM gold.fact_orders WHERE is_sale GROUP BY 1
        )
        SELECT xxhash64(customer_id) AS customer_key, customer_id, country, created_at,
            CASE WHEN customer_id = '{GUEST}' THEN 'guest'
            WHEN orders IS NULL THEN 'inactive' WHEN orders = 1 THEN 'new'
            WHEN revenue >= 5000.00 THEN 'vip' ELSE 'regular' END AS segment, is_inferred
        FROM members LEFT JOIN sales ON sales.customer_key = xxhash64(members.customer_id)""",
    "gold.dim_product": f"""
        WITH members AS (
            SELECT *, false AS is_inferred FROM silver.products
            UNION ALL BY NAME
            SELECT DISTINCT product_id,
                if(product_id = '{WHOLE_ORDER}', 'whole order', 'unknown') AS name,
                'unknown' AS category, if(product_id = '{WHOLE_ORDER}', 'charge', 'goods') AS role,
                product_id <> '{WHOLE_ORDER}' AS is_inferred
            FROM (SELECT product_id FROM silver.order_items
                UNION ALL SELECT product_id FROM silver.returns)
            ANTI JOIN silver.products USING (product_id)
        )
        SELECT xxhash64(product_id) AS product_key, product_id, sku,
            coalesce(name, 'unknown') AS name, coalesce(category, 'unknown') AS category, role,
            subcategory, brand, price, cost, is_active, is_inferred
        FROM members""",
    "gold.daily_revenue": revenue_per("order_date AS order_date"),
    "gold.weekly_revenue": revenue_per(
        "CAST(date_trunc('week', order_date) AS DATE) AS week_start_date"
    ),
    "gold.monthly_revenue": revenue_per(MONTH),
    "gold.order_revenue_by_cohort": f"""
        WITH sold AS (
            SELECT order_date, {ORDERS}, sum(revenue) AS revenue
            FROM gold.fact_orders WHERE is_sale GROUP BY 1
        ), back AS (
            SELECT order_date, count(*) AS returns, {BACK}
            FROM gold.fact_returns WHERE is_counted GROUP BY 1
        )
        SELECT order_date, coalesce(orders, 0) AS orders, {zero("revenue")},
            coalesce(returns, 0) AS returns, {zero("returned")}, {NET}
        FROM sold FULL JOIN back USING (order_date)""",
    "gold.orders_per_customer": f"""
        SELECT customer_key, customer_id, {ORDERS}, CAST(sum(units) AS BIGINT) AS units,
            min(order_date) AS first_order_date, max(order_date) AS last_order_date, {AVERAGE}
        FROM gold.fact_orders JOIN gold.dim_customer USING (customer_key)
        WHERE is_sale AND {NO_GUEST} GROUP BY 1, 2""",
    "gold.customer_lifetime_value": f"""
        WITH sales AS (
            SELECT customer_key, {ORDERS}, {REVENUE}
            FROM gold.fact_orders WHERE is_sale GROUP BY 1
        ), back AS (
            SELECT customer_key, count(*) AS returns, {BACK}
            FROM gold.fact_returns WHERE is_counted GROUP BY 1
        ), valued AS (
            SELECT customer_key, customer_id, segment, coalesce(orders, 0) AS orders,
                {zero("revenue")}, coalesce(returns, 0) AS returns, {zero("returned")},
                CAST(coalesce(revenue, 0) - coalesce(returned, 0) AS DECIMAL(18, 2))
                    AS lifetime_value
            FROM gold.dim_customer LEFT JOIN sales USING (customer_key)
            LEFT JOIN back USING (customer_key) WHERE {NO_GUEST}
        )
        SELECT *, CAST(row_number() OVER (
            ORDER BY lifetime_value DESC, customer_id) AS INTEGER) AS value_rank
        FROM valued""",
    "gold.top_products": f"""
        WITH sold AS (
            SELECT product_key, {UNITS}, {ORDERS}, {REVENUE}
            FROM gold.fact_sales WHERE is_sale GROUP BY 1
        ), back AS (
            SELECT product_key, count(*) AS returns, sum(quantity) AS units_returned, {BACK}
            FROM gold.fact_returns WHERE is_counted GROUP BY 1
        ), figures AS (
            SELECT product_key, product_id, name, category,
                CAST(coalesce(units, 0) AS BIGINT) AS units, coalesce(orders, 0) AS orders,
                {zero("revenue")}, coalesce(returns, 0) AS returns,
                CAST(coalesce(units_returned, 0) AS BIGINT) AS units_returned, {zero("returned")},
                {NET}, role = 'goods' AND orders IS NOT NULL AS ranked
            FROM sold FULL JOIN back USING (product_key) JOIN gold.dim_product USING (product_key)
        )
        SELECT * EXCLUDE (ranked), if(ranked, CAST(row_number() OVER (
            PARTITION BY ranked ORDER BY revenue DESC, product_id) AS INTEGER), NULL)
            AS revenue_rank
        FROM figures""",
    "gold.category_performance": f"""
        WITH sold AS (
            SELECT category, {MONTH}, {REVENUE}, sum(discount) AS discount, {ORDERS}, {UNITS}
            FROM gold.fact_sales JOIN gold.dim_product USING (product_key)
            WHERE is_sale GROUP BY 1, 2
        ), back AS (
            SELECT category, {MONTH.replace("order_date", "return_date")}, {BACK}
            FROM gold.fact_returns JOIN gold.dim_product USING (product_key)
            WHERE is_counted GROUP BY 1, 2
        ), months AS (
            SELECT category, month_start_date, {zero("revenue")}, {zero("discount")},
                coalesce(orders, 0) AS orders, CAST(coalesce(units, 0) AS BIGINT) AS units,
                {zero("returned")}, {NET},
                sum(coalesce(cents(revenue), 0)) OVER (PARTITION BY month_start_date) AS month_cents
            FROM sold FULL JOIN back USING (category, month_start_date)
        )
        SELECT * EXCLUDE (month_cents),
            CAST(CASE WHEN month_cents = 0 THEN 0 ELSE
                CAST(half_up(cents(revenue) * 1000000, month_cents) AS DECIMAL(10, 0)) * 0.000001
            END AS DECIMAL(9, 6)) AS revenue_share
        FROM months""",
}


def records(path: Path, source: Source) -> Iterator[list[str]]:
    """Yield the records of one CSV file, the header first, without blank lines."""
    encoding = "utf-8-sig" if source.encoding == "utf-8" else source.encoding
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.name.endswith(".gz") else data).decode(encoding)
        body = io.StringIO(text, newline="")
        for _ in range(source.skip):
            body.readline()
        form = {"delimiter": source.delimiter, "quotechar": source.quote}
        for fields in csv.reader(body, strict=True, **form):
            if len(fields) > 1 or (fields and fields[0].strip(WHITE)):
                yield fields
    except (UnicodeDecodeError, csv.Error, OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: {error}") from error


def bronze(landing: Path, source: Source, days: Iterable[date]) -> list[tuple]:
    """Return what landing holds for these dates, in the source's bronze columns."""
    csv.field_size_limit(2**31 - 1)
    for folder in (landing / source.folder).glob("ingestion_date=*/"):
        named = folder.name.removeprefix("ingestion_date=")
        try:
            if date.fromisoformat(named).isoformat() != named:
                raise ValueError(named)
        except ValueError as error:
            raise ValueError(f"{folder}: the folder name is no date") from error
    rows: list[tuple] = []
    for day in sorted(set(days)):
        folder = landing / source.folder / f"ingestion_date={day}"
        files = [f for f in folder.glob("*") if f.name.endswith((".csv", ".csv.gz"))]
        for path in sorted((f for f in files if f.is_file()), key=lambda f: f.name):
            found = records(path, source)
            header = [source.spelled(name.strip()) for name in next(found, [])]
            missing = [name for name in source.needed if header and name not in header]
            if missing or len(set(header)) < len(header):
                raise ValueError(f"{path}: columns missing {missing} or twice, in {header}")
            of_lines = OfLines(source)
            for number, fields in enumerate(found, 1):
                values = dict(zip(header, fields, strict=False))
                surplus = fields[len(header) :]
                rescued: dict[str, object] = {"_surplus_fields": surplus} if surplus else {}
                rescued |= {c: v for c, v in values.items() if c not in source.columns}
                rows.append(
                    (
                        *(values.get(header) for header in source.columns),
                        day,
                        path.relative_to(landing).as_posix(),
                        number,
                        *of_lines.of(values),
                        json.dumps(rescued, ensure_ascii=False) if rescued else None,
                    )
                )
    return rows


class OfLines:
    """What a file's lines say of each other, from its first line on."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.counted: dict[tuple[str, ...], int] = {}
        self.group: tuple[str, ...] | None = None
        self.above: dict[str, str] = {}

    def of(self, values: Mapping[str, str]) -> Iterator[object]:
        """The number of the line in its group, and what it takes from the lines above."""

        def group(headers: Iterable[str]) -> tuple[str, ...]:
            return tuple((values.get(header) or "").strip() for header in headers)

        if self.source.numbered_within:
            own = group(self.source.numbered_within)
            self.counted[own] = self.counted.get(own, 0) + 1
            yield self.counted[own]
        if self.source.filled:
            own = group(self.source.filled_within)
            if own != self.group:
                self.group, self.above = own, {}
            given = {h: v for h in self.source.filled if (v := values.get(h) or "").strip()}
            taken = {self.source.columns[h]: v for h, v in self.above.items() if h not in given}
            self.above.update(given)
            yield json.dumps(taken, ensure_ascii=False) if taken else None


@lru_cache(maxsize=1 << 20)
def xxhash64(text: str, seed: int = 42) -> int:
    """Return Spark's xxhash64 of a text: XXH64 of its UTF-8 bytes as a signed number."""
    p1, p2, p3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
    p4, p5, mask = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5, (1 << 64) - 1

    def turned(x: int, bits: int) -> int:
        return (x << bits | (x & mask) >> (64 - bits)) & mask

    def mixed(lane: int, word: int) -> int:
        return turned((lane + word * p2) & mask, 31) * p1 & mask

    data, at = text.encode(), 0
    if len(data) >= 32:
        lanes = [(seed + start) & mask for start in (p1 + p2, p2, 0, -p1)]
        while at + 32 <= len(data):
            for i in range(4):
                word = int.from_bytes(data[at : at + 8], "little")
                lanes[i], at = mixed(lanes[i], word), at + 8
        h = sum(turned(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True))
        for lane in lanes:
            h = ((h ^ mixed(0, lane)) * p1 + p4) & mask
    else:
        h = seed + p5
    h = (h + len(data)) & mask
    while at + 8 <= len(data):
        h ^= mixed(0, int.from_bytes(data[at : at + 8], "little"))
        h, at = (turned(h, 27) * p1 + p4) & mask, at + 8
    if at + 4 <= len(data):
        h ^= int.from_bytes(data[at : at + 4], "little") * p1 & mask
        h, at = (turned(h, 23) * p2 + p3) & mask, at + 4
    for byte in data[at:]:
        h = turned(h ^ byte * p5 & mask, 11) * p1 & mask
    h = (h ^ h >> 33) * p2 & mask
    h = (h ^ h >> 29) * p3 & mask
    h ^= h >> 32
    return h - (1 << 64) if h >> 63 else h


DEFAULT = Oracle("EUR", "PLN")
