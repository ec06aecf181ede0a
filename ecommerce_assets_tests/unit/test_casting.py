"""A received text and what it is: each value that another engine reads otherwise, and every zone."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pandera.pandas as pa
import pytest

from ecommerce_assets.engine.duck import connect
from ecommerce_assets.engine.macros import WHITE_SPACE
from ecommerce_assets.shop.expressions import row_expression
from ecommerce_assets.shop.times import read_differently, time_forms
from ecommerce_assets.tables import types
from ecommerce_assets.tables.casting import cast, text, time_of, trimmed
from ecommerce_assets.tables.feed import COMPUTED, Feed, Writing

D = Decimal
PLAIN = Writing()
GERMAN = Writing(decimal_mark=",", thousands=".")


@pytest.fixture(scope="module")
def duck() -> Any:
    with connect() as connection:
        yield connection


def value(duck: Any, sql: str, received: str | None) -> Any:
    """The value of an expression over the column `received`."""
    (found,) = duck.execute(
        f"SELECT {sql} FROM (SELECT ?::VARCHAR AS received)", [received]
    ).fetchone()
    return found


DATES: list[tuple[Writing, str, date | None]] = [
    (Writing(zone="Europe/Berlin"), "2024-07-01", date(2024, 7, 1)),
    (Writing(zone="Europe/Berlin"), "2024-07-01 00:30", date(2024, 7, 1)),
    (PLAIN, "2024-01-01T00:30:00+02:00", None), (PLAIN, "2024-01-01T00:30:00Z", None),
    (Writing(times=("dd.MM.yyyy HH:mm Z",)), "01.07.2024 00:30 +0200", None),
    (PLAIN, "2023-02-29", None), (PLAIN, "01.07.2024", None), (PLAIN, "", None),
    (Writing(times=("dd.MM.yyyy", "iso"), zone="Asia/Tokyo"), "01.07.2024", date(2024, 7, 1)),
]  # fmt: skip


@pytest.mark.parametrize(("writing", "received", "expected"), DATES)
def test_a_date_is_a_day_of_the_shops(
    duck: Any, writing: Writing, received: str, expected: date | None
) -> None:
    assert value(duck, cast(pa.Column(types.DATE), writing, "received"), received) == expected


@pytest.mark.parametrize("blank", [*WHITE_SPACE, "\ufeff \t"])
def test_all_white_space_is_trimmed(duck: Any, blank: str) -> None:
    assert value(duck, trimmed("received"), f"{blank}a{blank}b{blank}") == f"a{blank}b"
    assert value(duck, trimmed("received"), blank) == ""


@pytest.mark.parametrize("kept", ["\u200b", "\u180e", "\x1c", "\x7f", "ä", "😀"])
def test_what_is_no_white_space_is_kept(duck: Any, kept: str) -> None:
    assert value(duck, trimmed("received"), f"{kept}a{kept}") == f"{kept}a{kept}"


NUMBERS: list[tuple[Any, Writing, str, Any]] = [
    (types.WHOLE, PLAIN, "+7", 7), (types.WHOLE, PLAIN, "007.000", 7), (types.WHOLE, PLAIN, "2.", 2),
    (types.WHOLE, PLAIN, "-2147483648", -(2**31)), (types.WHOLE, PLAIN, "2147483648", None),
    (types.WHOLE, PLAIN, "1e3", None), (types.WHOLE, PLAIN, "0x10", None),
    (types.WHOLE, PLAIN, "1_000", None), (types.WHOLE, PLAIN, "1.5", None),
    (types.WHOLE, PLAIN, "\uff11", None), (types.WHOLE, PLAIN, ".0", None),
    (types.WHOLE, GERMAN, "1.000", 1000), (types.WHOLE, GERMAN, "1.000,0", 1000),
    (types.WHOLE, GERMAN, "1.00", None), (types.WHOLE, COMPUTED, "3.0", 3),
    (types.MONEY, PLAIN, "0.005", D("0.01")), (types.MONEY, PLAIN, "-0.005", D("-0.01")),
    (types.MONEY, PLAIN, "0.00499999999999999999999999999999999999999999", D("0.00")),
    (types.MONEY, PLAIN, "9999999999.994", D("9999999999.99")),
    (types.MONEY, PLAIN, "9999999999.995", None), (types.MONEY, PLAIN, ".5", D("0.50")),
    (types.MONEY, PLAIN, "5.", D("5.00")), (types.MONEY, PLAIN, ".", None),
    (types.MONEY, PLAIN, f"{'0' * 60}1.5", D("1.50")), (types.MONEY, PLAIN, "NaN", None),
    (types.MONEY, PLAIN, "1e3", None), (types.MONEY, PLAIN, "1,5", None),
    (types.MONEY, GERMAN, "1.234,5", D("1234.50")), (types.MONEY, GERMAN, "1234,5", D("1234.50")),
    (types.MONEY, GERMAN, "12.34,5", None), (types.MONEY, GERMAN, ",5", D("0.50")),
    (types.MONEY, COMPUTED, "1e-05", D("0.00")), (types.MONEY, COMPUTED, "1e+03", D("1000.00")),
    (types.MONEY, COMPUTED, "1e+300", None), (types.MONEY, COMPUTED, "inf", None),
    (types.FLAG, PLAIN, "Yes", True), (types.FLAG, PLAIN, "F", False),
    (types.FLAG, PLAIN, "1.0", None), (types.FLAG, PLAIN, "on", None),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "writing", "received", "expected"), NUMBERS)
def test_numbers(duck: Any, kind: Any, writing: Writing, received: str, expected: Any) -> None:
    assert value(duck, cast(pa.Column(kind), writing, "received"), received) == expected


TIMES: list[tuple[str, str, datetime | None]] = [
    ("iso", "2024-01-05", datetime(2024, 1, 5)),
    ("iso", "2024-01-05 10:00:00,5", datetime(2024, 1, 5, 10, 0, 0, 500000)),
    ("iso", "2024-01-05T10:00:00.1234569", datetime(2024, 1, 5, 10, 0, 0, 123456)),
    ("iso", "2024-01-05T10:00z", datetime(2024, 1, 5, 10)),
    ("iso", "2024-01-05 10:00:00 +02:00", datetime(2024, 1, 5, 8)),
    ("iso", "2024-01-05 10:00:00 Z", datetime(2024, 1, 5, 10)),
    ("iso", "2024-01-05T10:00-05", datetime(2024, 1, 5, 15)),
    ("iso", "2024-01-05T10:00+18:00", datetime(2024, 1, 4, 16)),
    ("iso", "2024-01-05T10:00+18:01", None), ("iso", "2024-01-05T10:00+19:00", None),
    ("iso", "2024-01-05T24:00:00", None), ("iso", "2024-01-05T23:59:60", None),
    ("iso", "2024-01-05T10:60", None), ("iso", "2024-01-05+02:00", None),
    ("iso", "2024-02-30", None), ("iso", "24-01-05", None), ("iso", "2024-1-5", None),
    ("iso", "\uff12\uff10\uff12\uff14-01-05", None),
    ("dd.MM.yyyy", "05.01.2024", datetime(2024, 1, 5)), ("dd.MM.yyyy", "5.1.2024", None),
    ("dd.MM.yyyy", "30.02.2024", None), ("d.M.yyyy", "05.1.2024", datetime(2024, 1, 5)),
    ("d/M/yy", "1/2/99", datetime(2099, 2, 1)), ("d/M/yy", "29/2/72", datetime(2072, 2, 29)),
    ("d/M/yy", "1/2/24", datetime(2024, 2, 1)), ("d/M/yy", "1/2/2024", None),
    ("MM/dd/yyyy hh:mm a", "01/02/2024 12:05 am", datetime(2024, 1, 2, 0, 5)),
    ("MM/dd/yyyy hh:mm a", "01/02/2024 12:05 PM", datetime(2024, 1, 2, 12, 5)),
    ("MM/dd/yyyy hh:mm a", "01/02/2024 13:05 PM", None),
    ("d MMM yyyy", "5 JAN 2024", datetime(2024, 1, 5)), ("d MMM yyyy", "5 Sept 2024", None),
    ("MMMM d, yyyy", "January 5, 2024", datetime(2024, 1, 5)),
    ("EEE d MMM yyyy", "Fri 5 Jan 2024", datetime(2024, 1, 5)),
    ("EEE d MMM yyyy", "Sat 5 Jan 2024", None),
    ("yyyy-MM-dd HH:mm:ss.SSS", "2024-01-05 10:00:00.123", datetime(2024, 1, 5, 10, 0, 0, 123000)),
    ("yyyy-MM-dd HH:mm:ss.SSS", "2024-01-05 10:00:00.12", datetime(2024, 1, 5, 10, 0, 0, 120000)),
    ("yyyy-MM-dd HH:mm:ss.SSS", "2024-01-05 10:00:00.1234", None),
    ("yyyy-MM-dd'T'HH:mmXXX", "2024-01-05T10:00+02:60", None),
    ("yyyy-MM-dd'T'HH:mmXXX", "2024-01-05T10:00+19:00", None),
    ("yyyy-MM-dd HH:mm:ss", "2024-01-05 10:00:60", None),
    ("yyyy-MM-dd'T'HH:mmXXX", "2024-01-05T10:00+02:00", datetime(2024, 1, 5, 8)),
    ("yyyy-MM-dd'T'HH:mmXXX", "2024-01-05T10:00Z", datetime(2024, 1, 5, 10)),
    ("yyyy-MM-dd'T'HH:mmXXX", "2024-01-05T10:00+0200", None),
    ("yyyy-MM-dd HH:mm Z", "2024-01-05 10:00 -0530", datetime(2024, 1, 5, 15, 30)),
    ("yyyy-MM-dd 100%", "2024-01-05 100%", datetime(2024, 1, 5)),
    ("d 'o''clock' M yyyy", "5 o'clock 1 2024", datetime(2024, 1, 5)),
    ("d MMM ''yy", "5 Jan '24", datetime(2024, 1, 5)),
    ("d/M/yyyy '''T'", "5/1/2024 'T", datetime(2024, 1, 5)),
    ("yyyy-MM-dd HH:mm:ss.SSSSSS", "2024-12-31 23:59:59.999999",
     datetime(2024, 12, 31, 23, 59, 59, 999999)),
    ("yyyyMMdd", "20240105", datetime(2024, 1, 5)), ("yyyyMMdd", "2024015", None),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "received", "expected"), TIMES)
def test_times(duck: Any, pattern: str, received: str, expected: datetime | None) -> None:
    assert value(duck, time_of("received", pattern, "UTC"), received) == expected


def test_an_offset_counts_whatever_the_zone_of_the_source(duck: Any) -> None:
    for pattern, received in (
        ("iso", "2024-07-01T12:00+05:00"), ("iso", "2024-07-01T07:00Z"),
        ("yyyy-MM-dd HH:mmX", "2024-07-01 12:00+05"), ("yyyy-MM-dd HH:mmX", "2024-07-01 07:00Z"),
    ):  # fmt: skip
        found = value(duck, time_of("received", pattern, "America/New_York"), received)
        assert found == datetime(2024, 7, 1, 7), received
    local = value(duck, time_of("received", "iso", "America/New_York"), "2024-07-01T07:00")
    assert local == datetime(2024, 7, 1, 11)


ZONES = ("Europe/Berlin", "Europe/London", "America/New_York", "America/Sao_Paulo", "Asia/Kolkata",
         "Australia/Lord_Howe", "Africa/Casablanca", "Antarctica/Troll", "Asia/Tehran",
         "Pacific/Apia", "America/Caracas")  # fmt: skip


@pytest.mark.parametrize("zone", ZONES)
def test_a_local_time_is_the_first_of_two_and_is_counted_on_where_there_is_none(
    duck: Any, zone: str
) -> None:
    """Every quarter of an hour around each change of the clocks, against Python's rules."""
    rules, times = ZoneInfo(zone), []
    moment = datetime(2011, 1, 1, tzinfo=UTC)
    while moment.year < 2024:
        after = moment + timedelta(hours=12)
        was, now = moment.astimezone(rules).utcoffset(), after.astimezone(rules).utcoffset()
        if was != now and was is not None:
            start = moment.replace(tzinfo=None) + was
            times += [start + timedelta(minutes=15 * n) for n in range(-8, 64)]
        moment = after
    times.append(datetime(2024, 1, 5, 12))
    expected = [time.replace(tzinfo=rules).astimezone(UTC).replace(tzinfo=None) for time in times]
    sql = time_of("received", "iso", zone)
    rows = duck.execute(
        f"SELECT {sql} FROM (SELECT unnest(?::VARCHAR[]) AS received)",
        [[time.isoformat() for time in times]],
    ).fetchall()
    found = [row[0] for row in rows]
    assert [
        (time, is_, should) for time, is_, should in zip(times, found, expected, strict=True)
        if is_ != should
    ] == []  # fmt: skip
    if zone == "Europe/Berlin":
        assert len(times) > 1000


def test_a_text_is_trimmed_mapped_and_cased_in_this_order(duck: Any) -> None:
    column = pa.Column(types.TEXT, metadata={"case": "upper", "default": "xx"})
    feed = Feed(
        source="s", texts={}, writings={"c": Writing(nulls=("-", "NULL"))}, where="",
        maps={"c": {"Österreich": "at", "nil": "-"}}, described={}, reads={},
    )  # fmt: skip
    sql = text("c", column, feed, "received")
    for received, expected in (
        (" ÖSTERREICH\t", "AT"), ("de", "DE"), ("-", "xx"), (" NULL ", "xx"), ("null", "NULL"),
        ("", "xx"), (None, "xx"), ("nil", "-"),
    ):  # fmt: skip
        assert value(duck, sql, received) == expected, received


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("dd.MM", "lacks y, the year"),
        ("d/m/yyyy", "lacks M, the month; m is the minute"),
        ("d/M/yyyy hh:mm", "has h, which takes a for AM or PM"),
        ("yyyy-MM-dd z", "has z, which is no part of a time"),
        ("yyyy-MM-dd SSSSSSS", "has SSSSSSS, which is no part of a time"),
        ("yyyy-MM-dd[ HH]", "is no pattern of a time"),
        ("yyyy-MM-dd 'T", "is no pattern of a time"),
        ("", "is no pattern of a time"),
    ],
)
def test_a_pattern_that_is_none_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        time_forms(pattern)


@pytest.mark.parametrize(
    ("received", "number"),
    [("1.200,5", D("1200.5")), ("\t5\u00a0\r", D(5)), ("5,", D(5)), ("1e3", None), ("", None), ("x", None)],
)  # fmt: skip
def test_a_number_in_an_expression_is_read_like_a_column(
    duck: Any, received: str, number: Any
) -> None:
    sql = row_expression("number(Price)", {"Price": "received"}, marks=(",", ".")).sql
    assert value(duck, sql, received) == number


@pytest.mark.parametrize(
    ("one", "other", "text"),
    [
        ("d/M/yyyy", "M/d/yyyy", "01/02/2003"), ("yy-MM-dd", "dd-MM-yy", "03-02-01"),
        ("yyyy-dd-MM", "iso", "2003-01-02"), ("iso", "yyyy-dd-MM HH:mm", "2003-02-01 04:05"),
        ("dd.MM.yyyy HH:mm", "MM.dd.yyyy HH:mm", "01.02.2003 04:05"),
        ("dd.MM.yyyy", "dd.MM.yyyy HH:mm", ""), ("d/M/yyyy", "M.d.yyyy", ""), ("iso", "dd.MM.yyyy", ""),
        ("dd.MM.yyyy dd", "dd.MM.yyyy", ""), ("EEE dd MMM yyyy", "dd MMM yyyy", ""), ("dd/MM/yyyy", "EEE MM/dd/yyyy", ""),
        ("yyyy-MM-dd HH:mm:ss Z", "yyyy-MM-dd HH:mm:ss", ""), ("d/M/yy", "d/M/yyyy", ""),
    ],
)  # fmt: skip
def test_patterns_that_read_a_text_as_different_times(one: str, other: str, text: str) -> None:
    assert read_differently(one, other) == text


def test_expressions_are_read_in_several_threads_at_once() -> None:
    def read(number: int) -> str:
        return row_expression(f"upper(Name) || {number}", {"Name": '"name"'}).sql

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(read, range(200)))
    assert found == [f'upper("name") || {number}' for number in range(200)]
