"""Errors that users can mend, and common parts of their messages."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import TypeVar

SHOWN_AS = "Error: "  # begins the line of an error that users can mend
# The same in the log of a job, where lines like `Py4JJavaError: ` stand beside it.
SHOWN_IN_LOG = "[ecommerce_assets] Error: "


class PipelineError(Exception):
    """An error that the user can mend; it says what was expected, what was found, what to do.

    The command line prints it without a traceback; a Dagster step shows it as its failure. Faults
    of the code are other exceptions and keep their traceback.
    """


Raised = TypeVar("Raised", bound=Exception)


def raised_in_worker(error: Exception, kind: type[Raised]) -> Raised | None:
    """The error of this class that was raised here or in one of Spark's Python workers.

    From a worker, only the text of the error arrives.
    """
    if isinstance(error, kind):
        return error
    found = re.search(rf"{re.escape(kind.__module__)}\.{kind.__name__}: (.+)", str(error))
    return kind(found.group(1)) if found else None


_FULL = (
    "the disk is full; nothing half-written was published. Free some space (`ecommerce maintain` "
    "removes old snapshots), then run it again"
)
_ONLY_READ = "a folder can only be read, and has to be written"
_FILE_LOST = (
    "a file of a table is gone or cut off. Bring it back (on AWS, its last version in the bucket), "
    "or recompute the tables: `ecommerce run --full-refresh`"
)
LONGEST_LINE = 300
# Messages of the operating system, Java or SQLite: their meaning, and what to do.
MACHINE_FAULTS = {
    "No space left on device": _FULL,
    "database or disk is full": _FULL,
    "Read-only file system": _ONLY_READ,
    "attempt to write a readonly database": _ONLY_READ,
    "Location does not exist": _FILE_LOST,
    "is not a Parquet file": _FILE_LOST,
    "Permission denied": "a folder or file may not be accessed by this user",
}


def machine_fault(error: BaseException) -> str | None:
    """A message for errors caused by a full disk or missing permissions; None for others."""
    seen: BaseException | None = error
    while seen is not None:
        texts = [str(seen), *map(str, getattr(seen, "exceptions", ()))]
        for text in texts:
            for sign, meaning in MACHINE_FAULTS.items():
                if sign in text:
                    line = next(part for part in text.splitlines() if sign in part).strip(" :")
                    return f"{meaning}. It said: {line[-LONGEST_LINE:]}"
        seen = seen.__cause__ or seen.__context__
    return None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A suggestion for the end of an error: the nearest of the known words, else all of them."""
    names = sorted(known)
    short = {name.rpartition(".")[2]: name for name in names}
    near = get_close_matches(word.lower(), [*names, *short], n=1, cutoff=0.7)
    if near:
        return f" Did you mean {short.get(near[0], near[0])}?"
    return f" There are: {', '.join(names)}."
