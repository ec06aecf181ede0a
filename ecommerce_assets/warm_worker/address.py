"""Where the warm worker of some code is found."""

import fcntl
import hashlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ecommerce_assets import package_files
from ecommerce_assets.shop import current_shop

LONGEST_PATH = 100  # of a socket; the system's limit is 103 on macOS, 107 on Linux
# What users set for a JVM and for Python workers at their start.
INHERITED = ("SPARK_DRIVER_MEMORY", "PYTHONPATH")


def code() -> str:
    """A hash of the package's files, the shop file, the interpreter, and what decides how a JVM
    starts.
    """
    found = hashlib.sha256(sys.executable.encode())
    for name in INHERITED:
        found.update(f"{name}={os.environ.get(name, '')}\n".encode())
    found.update(current_shop().text.encode())
    found.update(package_files.digest().encode())
    return found.hexdigest()[:12]


def folder() -> Path | None:
    """The folder of this user's workers; None if somebody else could have made it."""
    found = Path(tempfile.gettempdir()) / f"ecommerce-{os.getuid()}"
    found.mkdir(mode=0o700, exist_ok=True)
    status = found.lstat()
    private = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    return found if private and not status.st_mode & 0o077 else None


def socket_of(code: str, owner: int, size: str) -> Path | None:
    """The socket of the worker that runs this code for the process `owner`.

    Args:
        size: of the runs for which its JVM is configured.
    """
    found = folder()
    path = found / f"{code}-{size}-{owner}.sock" if found else None
    return path if path and len(os.fsencode(path)) <= LONGEST_PATH else None


def sockets(code: str, size: str) -> Iterator[Path]:
    """The sockets of all workers for this code and size, the newest first."""
    found = folder()
    if found:
        there = found.glob(f"{code}-{size}-*.sock")
        yield from sorted(there, key=os.path.getmtime, reverse=True)


def forget_dead_workers(lock: Path) -> None:
    """Remove the files of workers that have ended; all but those of `lock`."""
    for other in lock.parent.glob("*.lock"):
        if other != lock:
            with other.open("a") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue  # It lives.
                for suffix in (".sock", ".log", ".lock"):
                    other.with_suffix(suffix).unlink(missing_ok=True)
