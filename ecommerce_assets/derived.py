"""What is derived from the package's own code, kept between processes: it takes a second each time.

Everything here can be derived anew at any time. What is kept counts for the same files of the
package, and the same versions of Python and of sqlglot.
"""

import atexit
import hashlib
import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import TypeVar, cast
from uuid import uuid4

from ecommerce_assets.package_files import PACKAGE, cache_folder, digest

Found = TypeVar("Found")
KEPT_SECONDS = 7 * 24 * 3600  # since a file was last written


class Derived:
    """Results by what they were derived from, in a file of the cache.

    Args:
        file: None to keep nothing beyond this process.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._known = self._read()
        self._new: dict[str, object] = {}
        self._lock = Lock()

    def get(self, what: str, given: object, derive: Callable[[], Found]) -> Found:
        """What `derive` returns, unless it is known.

        Args:
            what: name of the derivation.
            given: all that the result depends on beside the package's code; its `repr` tells.
            derive: returns something that JSON can hold. Its errors are not kept.
        """
        key = hashlib.sha256(f"{what} {given!r}".encode()).hexdigest()
        with self._lock:
            if key in self._known:
                return cast(Found, self._known[key])
        found = derive()
        with self._lock:
            self._known[key] = self._new[key] = found
        return found

    def keep(self) -> None:
        """Write what is new, beside what other processes have written meanwhile.

        A folder that can't be written costs time, and nothing else.
        """
        if self._file is None or not self._new:
            return
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            for other in self._file.parent.glob("derived-*.json"):
                if time.time() - other.stat().st_mtime > KEPT_SECONDS:
                    other.unlink()
            written = self._file.with_suffix(f".{uuid4().hex}")
            written.write_text(json.dumps({**self._read(), **self._new}))
            written.replace(self._file)
        self._new = {}

    def _read(self) -> dict[str, object]:
        # One that is cut off or can't be read is none.
        with suppress(OSError, ValueError):
            found = json.loads(self._file.read_text()) if self._file else {}
            if isinstance(found, dict):
                return found
        return {}


def _file() -> Path | None:
    """The file of this code; None without a home, or where the package is no folder, as on Glue."""
    try:
        folder = cache_folder()
    except RuntimeError:
        return None
    if not PACKAGE.is_dir():
        return None
    code = f"{digest()} {sys.version} {version('sqlglot')}"
    return folder / f"derived-{hashlib.sha256(code.encode()).hexdigest()[:16]}.json"


derived = Derived(_file())
atexit.register(derived.keep)
