"""A source: which landed files are its deliveries, and how they are written."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

ENDINGS = (".csv", ".csv.gz")
GZIP = ".gz"
LINE_NUMBER = "_line_number"
FILLED_DOWN = "_filled_down"
_NO_PART_OF_A_NAME = re.compile(r"\W+", re.ASCII)


@dataclass(frozen=True)
class Dialect:
    """How the files of a source are written.

    Attributes:
        delimiter: the character between two fields.
        quote: the character around a field; empty if fields are never quoted.
        encoding: a codec of Python's, like `cp1252`.
        skip_lines: lines above the header.
        loose_header: whether names in a header are matched without regard to case and blanks.
        escape: the character before a quote, a delimiter or a line end that is a part of a field;
            empty if quotes in a field are doubled.
        header: the names of the fields, in files without a header; empty if files have one.
    """

    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    skip_lines: int = 0
    loose_header: bool = False
    escape: str = ""
    header: tuple[str, ...] = ()

    @property
    def codec(self) -> str:
        """The encoding; for UTF-8, the one that drops a byte order mark."""
        return "utf-8-sig" if self.encoding == "utf-8" else self.encoding

    def same_name(self, name: str) -> str:
        """A name in a header in the form in which names are compared."""
        return "".join(name.split()).casefold() if self.loose_header else name


@dataclass(frozen=True)
class Source:
    """A source.

    Attributes:
        name: also of its bronze table.
        columns: by name in the header, whether a header must have it.
        folder: below landing.
        pattern: of its files' names in a date's folder; empty for all CSV files.
        dialect: how its files are written.
        numbered_within: the columns whose values group a file's records, to number those of a
            group; empty for no numbers.
        filled_within: the columns whose values tell which lines belong together, for
            `filled_down`.
        filled_down: the columns whose empty values mean the one above, in lines that belong
            together.
    """

    name: str
    columns: Mapping[str, bool]
    folder: str
    pattern: str = ""
    dialect: Dialect = field(default_factory=Dialect)
    numbered_within: tuple[str, ...] = ()
    filled_within: tuple[str, ...] = ()
    filled_down: tuple[str, ...] = ()

    def reads(self, file: str) -> bool:
        """Whether a file of its folder, by its name, is a delivery of this source."""
        if not self.pattern:
            return file.endswith(ENDINGS)
        return fnmatchcase(file.removesuffix(GZIP), self.pattern.removesuffix(GZIP))


def column_of(header: str) -> str:
    """The bronze column of a name in a header: as it is, other characters replaced by `_`."""
    return _NO_PART_OF_A_NAME.sub("_", header).strip("_")
