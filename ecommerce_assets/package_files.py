"""The package's own files, and its cache."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

PACKAGE = Path(__file__).parent
GENERATED = "__pycache__"


def digest() -> str:
    """A hash of the package's files: their paths and what they hold."""
    found = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*")):
        if GENERATED in path.parts or not path.is_file():
            continue
        with suppress(FileNotFoundError):  # It is being replaced: the next digest differs.
            found.update(path.read_bytes())
            found.update(str(path.relative_to(PACKAGE)).encode())
    return found.hexdigest()


def cache_folder() -> Path:
    """Where jars are cached: `$XDG_CACHE_HOME/ecommerce_assets` or below `~/.cache`."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "ecommerce_assets"
