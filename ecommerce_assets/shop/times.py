"""Patterns of times in a shop file: the letters that they may have, and how DuckDB reads them."""

import re
from dataclasses import dataclass
from datetime import datetime

from ecommerce_assets.errors import did_you_mean

ISO_TIME = "iso"
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# Clocks differ from UTC by 18 hours at most.
_OFFSET = r"[+-](?:(?:0\d|1[0-7])[0-5]\d|1800)"


def _any_of(words: tuple[str, ...], letters: int | None = None) -> str:
    return f"(?i:{'|'.join(word[:letters] for word in words)})"


# By letters of a pattern: those of strptime, and the regular expression of the text.
LETTERS = {
    "yyyy": ("%Y", r"\d{4}"), "y": ("%Y", r"\d{1,4}"), "yy": ("%y", r"\d{2}"),
    "MMMM": ("%B", _any_of(_MONTHS)), "MMM": ("%b", _any_of(_MONTHS, 3)),
    "MM": ("%m", r"\d{2}"), "M": ("%m", r"\d{1,2}"),
    "dd": ("%d", r"\d{2}"), "d": ("%d", r"\d{1,2}"),
    "EEEE": ("%A", _any_of(_DAYS)), "EEE": ("%a", _any_of(_DAYS, 3)),
    "HH": ("%H", r"\d{2}"), "H": ("%H", r"\d{1,2}"),
    "hh": ("%I", r"\d{2}"), "h": ("%I", r"\d{1,2}"),
    "mm": ("%M", r"\d{2}"), "m": ("%M", r"\d{1,2}"),
    "ss": ("%S", r"[0-5]\d"), "s": ("%S", r"[0-5]?\d"), "a": ("%p", r"[AaPp][Mm]"),
    **{"S" * n: ("%n", rf"\d{{1,{n}}}") for n in range(1, 7)},
    "Z": ("%z", _OFFSET), "x": ("%z", rf"(?:{_OFFSET}|[+-](?:0\d|1[0-8]))"), "xx": ("%z", _OFFSET),
    "xxx": ("%z", r"[+-](?:(?:0\d|1[0-7]):[0-5]\d|18:00)"),
}  # fmt: skip
# Like x, or the letter Z for UTC.
_OR_UTC = ("X", "XX", "XXX")
_PARTS = re.compile(r"([A-Za-z])\1*|'(?:[^']|'')*'|[^A-Za-z'\[\]{}#]+")
_LIKE_ISO = tuple(
    f"yyyy-MM-dd{time}" for time in ("", " HH:mm", " HH:mm:ss", "'T'HH:mm", "'T'HH:mm:ss")
)
_CONFUSING = datetime(2003, 2, 1, 4, 5, 6)
_NEEDED = (("y", "year"), ("M", "month; m is the minute"), ("d", "day"))


@dataclass(frozen=True)
class TimeForm:
    """A form that a time may have.

    Attributes:
        expression: regular expression of the whole text; the day of the week, if any, is its only
            group.
        strptime: how DuckDB's `try_strptime` reads it.
        weekday: in strptime's letters; empty for none.
        offset: whether it has an offset from UTC.
        utc: whether it is in UTC, by the letter Z.
        short_year: whether the year has two digits, which are of this century.
    """

    expression: str
    strptime: str
    weekday: str = ""
    offset: bool = False
    utc: bool = False
    short_year: bool = False


def time_forms(pattern: str) -> tuple[TimeForm, ...]:
    """The forms of the times that have a pattern like `dd.MM.yyyy HH:mm`.

    Raises:
        ValueError: it is none; the message has the remedy.
    """
    parts = [found.group(0) for found in _PARTS.finditer(pattern)]
    letters = [part for part in parts if part[0].isalpha()]
    if "".join(parts) != pattern or not letters:
        raise ValueError(
            f"{pattern!r} is no pattern of a time; write {ISO_TIME!r} or, with letters, "
            "'dd.MM.yyyy HH:mm'; words stand between single quotes"
        )
    for part in letters:
        if part not in LETTERS and part not in _OR_UTC:
            raise ValueError(
                f"{pattern!r} has {part}, which is no part of a time."
                f"{did_you_mean(part, [*LETTERS, *_OR_UTC])}"
            )
    for letter, what in _NEEDED:
        if not any(part[0] == letter for part in letters):
            raise ValueError(f"{pattern!r} lacks {letter}, the {what}")
    if any(part[0] == "h" for part in letters) and "a" not in letters:
        raise ValueError(f"{pattern!r} has h, which takes a for AM or PM; H is 0 to 23")
    lowered = [part.lower() if part in _OR_UTC else part for part in parts]
    forms = [_form(lowered)]
    if lowered != parts:
        forms.append(_form(["'Z'" if part in _OR_UTC else part for part in parts]))
        forms[1] = TimeForm(**{**vars(forms[1]), "utc": True})
    return tuple(forms)


def read_differently(one: str, other: str) -> str:
    """A text that two patterns read as different times; empty if none is found.

    Looked for is a mixed up order: the texts are of a time whose year, month and day may each be
    taken for another.
    """
    for first in _all_forms(one):
        for second in _all_forms(other):
            for text in _samples(first):
                times = {_read(text, form) for form in (first, second)}
                if None not in times and len(times) > 1:
                    return text
    return ""


def _all_forms(pattern: str) -> list[TimeForm]:
    patterns = _LIKE_ISO if pattern == ISO_TIME else (pattern,)
    return [form for one in patterns for form in time_forms(one)]


def _samples(form: TimeForm) -> tuple[str, str]:
    """A time as text of a form, its numbers with a leading zero and without."""
    letters = form.strptime.replace("%n", "5").replace("%z", "+0200")
    padded = _CONFUSING.strftime(letters)
    return padded, re.sub(r"\b0(?=\d)", "", padded)


def _read(text: str, form: TimeForm) -> datetime | None:
    """The time that a text is, by a form; None if it has not that form."""
    if not re.fullmatch(form.expression, text):
        return None
    try:
        found = datetime.strptime(text, form.strptime.replace("%n", "%f")).replace(tzinfo=None)
    except (ValueError, re.error):  # the latter of a part that stands there twice
        return None
    right = not form.weekday or found.strftime(form.weekday).lower() in text.lower()
    return found if right else None


def _form(parts: list[str]) -> TimeForm:
    expressions, letters, weekday = [], [], ""
    for part in parts:
        quoted = part[1:-1].replace("''", "'") or "'"  # two quotes are one
        literal = quoted if part[0] == "'" else part
        read, expression = (
            LETTERS[part] if part in LETTERS else (literal.replace("%", "%%"), re.escape(literal))
        )
        if part[0] == "E":
            weekday, expression = read, f"({expression})"
        letters.append(read)
        expressions.append(expression)
    return TimeForm(
        expression="".join(expressions),
        strptime="".join(letters),
        weekday=weekday,
        offset="%z" in letters,
        short_year="%y" in letters,
    )
