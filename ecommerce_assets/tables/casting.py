"""From a received text to a typed value, and whether it is one: in DuckDB's SQL.

Times are in UTC, without a zone, until they leave the query.
"""

from collections.abc import Sequence

import pandera.pandas as pa

from ecommerce_assets.landing.layout import INGESTION_DATE
from ecommerce_assets.shop.numbers import DECIMAL, if_matches, plain_number
from ecommerce_assets.shop.times import ISO_TIME, TimeForm, time_forms
from ecommerce_assets.sql import ansi_literal
from ecommerce_assets.tables import types
from ecommerce_assets.tables.feed import Feed, Writing

# ISO 8601: a day, or a time of day as well; with a zone that lies within the 18 hours that clocks
# differ from UTC at most.
_DAY = r"\d{4}-\d{2}-\d{2}"
_CLOCK = r"[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d+)?)?"
_ZONE = r"\s?(?:[Zz]|[+-](?:(?:0\d|1[0-7])(?::?[0-5]\d)?|18(?::?00)?))"
LOCAL_TIME = rf"{_DAY}(?:{_CLOCK})?"
TIME_WITH_ZONE = rf"{_DAY}{_CLOCK}{_ZONE}"
EARLIEST = "1970-01-01"
MONTHS_AHEAD = 12
IMPLAUSIBLE = f"implausible: before {EARLIEST}, or more than a year after the delivery"
WHOLE = r"[+-]?\d+(?:\.0*)?"
# DuckDB writes small and large floating-point numbers with an exponent.
COMPUTED_DECIMAL = rf"{DECIMAL}(?:e[+-]\d+)?"
_TRUE = ("true", "t", "yes", "1")
_FALSE = ("false", "f", "no", "0")
_NOT_A = {
    str(types.WHOLE): "not a whole number, or out of range",
    str(types.FLAG): "not true or false",
    str(types.TIMESTAMP): "not an ISO 8601 time",
    str(types.DATE): "not an ISO 8601 date",
}
TIMES = (str(types.TIMESTAMP), str(types.DATE))


def not_a(kind: str, times: tuple[str, ...]) -> str:
    """Why a text can't be cast to a type; empty if any can.

    Args:
        times: the patterns of times.
    """
    if kind in TIMES and times != (ISO_TIME,):
        return f"not a time like {' or '.join(times)}"
    if is_decimal(kind):
        return "not a number, or out of range"
    return _NOT_A.get(kind, "")


def is_decimal(kind: str) -> bool:
    """Whether a type is one of decimals."""
    return kind.startswith("DECIMAL")


def trimmed(received: str) -> str:
    """A received text without white space around it."""
    return f"trimmed({received})"


def text(name: str, column: pa.Column, feed: Feed, received: str) -> str:
    """The trimmed text: mapped; null or the default if empty; in the column's letter case."""
    metadata, found = column.metadata or {}, trimmed(received)
    for empty in ("", *feed.writing_of(name).nulls):
        found = f"nullif({found}, {ansi_literal(empty)})"
    if mapped := feed.maps.get(name):
        cases = " ".join(
            f"WHEN lower({ansi_literal(old)}) THEN {ansi_literal(new)}"
            for old, new in mapped.items()
        )
        found = f"coalesce(CASE lower({found}) {cases} END, {found})"
    if metadata.get("case"):
        found = f"{metadata['case']}({found})"
    if metadata.get("default") is not None:
        found = f"coalesce({found}, {ansi_literal(metadata['default'])})"
    return found


def cast(column: pa.Column, writing: Writing, text: str) -> str:
    """A text cast to the column's type; null if it can't be."""
    kind = str(column.dtype)
    if kind == str(types.WHOLE):
        number = _number(text, writing)
        # Of a fraction of zeros; a cast would round any other.
        whole = f"split_part({number}, '.', 1)"
        return if_matches(number, WHOLE, f"TRY_CAST({whole} AS INTEGER)")
    if is_decimal(kind):
        return decimal(kind, writing, text)
    if kind == str(types.FLAG):
        return (
            f"CASE WHEN lower({text}) IN {_TRUE} THEN true "
            f"WHEN lower({text}) IN {_FALSE} THEN false END"
        )
    if kind == str(types.TIMESTAMP):
        return moment(text, writing.times, writing.zone)
    if kind == str(types.DATE):
        return _day(text, writing.times)
    return text


def decimal(kind: str, writing: Writing, text: str) -> str:
    """A text cast to a type of decimals, rounded half up; null if it can't be."""
    # DuckDB rounds half away from zero when casting a text to decimal.
    number = _number(text, writing)
    pattern = COMPUTED_DECIMAL if writing.computed else DECIMAL
    return if_matches(number, pattern, f"TRY_CAST({number} AS {kind})")


def _day(text: str, patterns: Sequence[str]) -> str:
    """The day of the shop's that a text is; null of one with an offset, which may be another's."""
    days = []
    for pattern in patterns:
        if pattern == ISO_TIME:
            is_local = f"regexp_full_match({text}, {ansi_literal(LOCAL_TIME)})"
            day = f"TRY_CAST(replace({text}, ',', '.') AS TIMESTAMP)"
            days.append(f"CASE WHEN {is_local} THEN {day} END")
        else:
            forms = [form for form in time_forms(pattern) if not (form.offset or form.utc)]
            days += [_of_form(text, form, "UTC") for form in forms]
    return f"CAST(coalesce({', '.join([*days, 'NULL'])}) AS DATE)"


def plausible(time: str) -> str:
    """Whether a time is plausible for the delivery; null without one."""
    latest = f"CAST({INGESTION_DATE} + INTERVAL {MONTHS_AHEAD} MONTH AS DATE)"
    return f"CAST({time} AS DATE) BETWEEN DATE '{EARLIEST}' AND {latest}"


def _number(text: str, writing: Writing) -> str:
    """A number with a point as its mark; null where a separator of thousands is misplaced."""
    if writing.computed:
        return text
    return plain_number(text, writing.decimal_mark, writing.thousands)


def moment(text: str, patterns: Sequence[str], zone: str) -> str:
    """The time in UTC by the first pattern that fits; see `time_of`."""
    times = ", ".join(time_of(text, pattern, zone) for pattern in patterns)
    return times if len(patterns) == 1 else f"coalesce({times})"


def day_in(zone: str, time: str) -> str:
    """The day of a time in UTC, in a time zone."""
    return f"CAST(timezone({ansi_literal(zone)}, timezone('UTC', {time})) AS DATE)"


def time_of(text: str, pattern: str, zone: str) -> str:
    """The time in UTC; one without a zone is a time of `zone`.

    Of an hour that occurs twice, it is the first one; an hour that never occurs is counted on from
    the hour before.
    """
    if pattern != ISO_TIME:
        times = [_of_form(text, form, zone) for form in time_forms(pattern)]
        return times[0] if len(times) == 1 else f"coalesce({', '.join(times)})"
    plain = f"replace({text}, ',', '.')"
    # DuckDB takes neither a blank before an offset nor a small z.
    zoned = f"regexp_replace(upper({plain}), '\\s([Z+-])', '\\1')"
    local = _utc(f"TRY_CAST({plain} AS TIMESTAMP)", zone)
    moment = f"timezone('UTC', TRY_CAST({zoned} AS TIMESTAMPTZ))"
    return (
        f"CASE WHEN regexp_full_match({text}, {ansi_literal(LOCAL_TIME)}) THEN {local} "
        f"WHEN regexp_full_match({text}, {ansi_literal(TIME_WITH_ZONE)}) THEN {moment} END"
    )


def _of_form(text: str, form: TimeForm, zone: str) -> str:
    """The time in UTC of a text that has a form; null if it has not."""
    read = f"try_strptime({text}, {ansi_literal(form.strptime)})"
    expression = ansi_literal(form.expression)
    # With a fraction, it is of nanoseconds.
    moment = f"CAST({read} AS TIMESTAMP)"
    if form.offset:
        moment = f"timezone('UTC', CAST({read} AS TIMESTAMPTZ))"
    if form.short_year:  # DuckDB reads 69 to 99 as years of the century before.
        moment = (
            f"CASE WHEN year({moment}) < 2000 THEN {moment} + INTERVAL 100 YEAR ELSE {moment} END"
        )
    if not (form.offset or form.utc):
        moment = _utc(moment, zone)
    fits = f"regexp_full_match({text}, {expression})"
    if form.weekday:
        fits += (
            f" AND lower(regexp_extract({text}, {expression}, 1)) = "
            f"lower(strftime({read}, {ansi_literal(form.weekday)}))"
        )
    return f"CASE WHEN {fits} THEN {moment} END"


def _utc(local: str, zone: str) -> str:
    return local if zone == "UTC" else f"utc_of({local}, {ansi_literal(zone)})"
