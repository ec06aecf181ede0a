"""What rows look up in another table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Lookup:
    """A value of a row that stands in another table, by a key; of the rows there with that key,
    the latest one delivered counts.

    Attributes:
        table: identifier of the other table.
        key: DuckDB's SQL of the key's text, of a row.
        by: the same, of a row of the other table.
        value: SQL of the value's text, of a row of the other table.
        column: of the value, in the rows with what they look up.
        reads: the columns of a row that make up the key.
        found_in: the column of the value in the other table.
    """

    table: str
    key: str
    by: str
    value: str
    column: str
    reads: tuple[str, ...]
    found_in: str
