"""Errors for the person who runs the pipeline: their class, and words that several need."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import TypeVar


class PipelineError(Exception):
    """Something the user can mend; the message says what was expected, what came, what to do.

    The command line prints it without a traceback; a Dagster step shows it as its failure.
    Faults of the code itself are never raised as this class, so they keep their traceback.
    """


Raised = TypeVar("Raised", bound=Exception)


def raised_in_worker(error: Exception, kind: type[Raised]) -> Raised | None:
    """The error of that class that was raised here, or in a Python worker of Spark.

    Of a worker's error only the text comes through.
    """
    if isinstance(error, kind):
        return error
    told = re.search(rf"{re.escape(kind.__module__)}\.{kind.__name__}: (.+)", str(error))
    return kind(told.group(1)) if told else None


_FULL = (
    "the disk is full; nothing half-written was published. Free some space (`ecommerce maintain` "
    "removes old states), then run it again"
)
_ONLY_READ = "a folder can only be read, and has to be written"
LONGEST_LINE = 300
# By what the operating system, Java or SQLite says: what it means, and what to do.
MACHINE_FAULTS = {
    "No space left on device": _FULL,
    "database or disk is full": _FULL,
    "Read-only file system": _ONLY_READ,
    "attempt to write a readonly database": _ONLY_READ,
    "Permission denied": "a folder or file may not be accessed by this user",
}


def machine_fault(error: BaseException) -> str | None:
    """What to say of an error that a full disk or a forbidden folder has caused; None of others."""
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
    """The nearest of the words that there are, for an error's end; else all of them, sorted."""
    names = sorted(known)
    short = {name.rpartition(".")[2]: name for name in names}
    near = get_close_matches(word.lower(), [*names, *short], n=1, cutoff=0.7)
    if near:
        return f" Did you mean {short.get(near[0], near[0])}?"
    return f" There are: {', '.join(names)}."
