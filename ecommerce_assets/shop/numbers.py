"""Numbers as people write them, in SQL of DuckDB that Athena understands once translated."""

import re

from ecommerce_assets.engine.macros import WHITE_SPACE
from ecommerce_assets.sql import ansi_literal

DECIMAL = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)"
NUMBER = "DECIMAL(18, 6)"  # the product of two still has a type


def number_of(text: str, decimal_mark: str, thousands: str) -> str:
    """The number that a text is; null if it is none, or out of range."""
    trimmed = f"trim({text}, {ansi_literal(WHITE_SPACE)})"
    plain = plain_number(trimmed, decimal_mark, thousands)
    found = if_matches(plain, DECIMAL, f"TRY_CAST({plain} AS {NUMBER})")
    if decimal_mark != ".":
        return found
    # Few have white space around them, which takes longer to look for than all the rest.
    return f"coalesce({if_matches(text, DECIMAL, f'TRY_CAST({text} AS {NUMBER})')}, {found})"


def plain_number(text: str, decimal_mark: str, thousands: str) -> str:
    """A number's text with a point as its mark; null where a separator is misplaced."""
    if decimal_mark == "." and not thousands:
        return text
    grouped = rf"\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+|" if thousands else ""
    pattern = rf"[+-]?(?:{grouped}\d*)(?:{re.escape(decimal_mark)}\d*)?"
    plain = f"replace({text}, {ansi_literal(thousands)}, '')" if thousands else text
    return if_matches(text, pattern, f"replace({plain}, {ansi_literal(decimal_mark)}, '.')")


def if_matches(text: str, pattern: str, value: str) -> str:
    """A value for a text that fits a pattern as a whole; else null."""
    whole = ansi_literal(rf"^(?:{pattern})$")
    return f"CASE WHEN regexp_matches({text}, {whole}) THEN {value} END"
