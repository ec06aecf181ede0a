"""The catalog of a local lakehouse: one SQLite file, and each table's metadata file.

Both are read without Spark, in milliseconds. The schema of the catalog's file is that of Iceberg's
JDBC catalog; a table's metadata file is JSON, as defined by the Iceberg Table Spec.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse.names import CATALOG

if TYPE_CHECKING:
    from pyiceberg.table import Table

CATALOG_FILE = "catalog.db"
WAL_FILE = f"{CATALOG_FILE}-wal"
WAREHOUSE = "warehouse"
REBUILD = "`ecommerce rebuild --from landing`"
LOCATIONS = (
    "select table_namespace || '.' || table_name, metadata_location from iceberg_tables "
    "where catalog_name = ?"
)
LOCK_SECONDS = 30
# What SQLite says of a file that is no whole catalog; anything else may be a passing fault.
DAMAGED = ("malformed", "not a database", "no such table")


class Broken(PipelineError):
    """A lakehouse that can't be used as it is: files are gone or damaged, or lie elsewhere."""


def is_there(lakehouse: str) -> bool:
    """Whether a local lakehouse exists.

    Raises:
        Broken: there are tables, and no catalog that knows them.
    """
    file = Path(lakehouse) / CATALOG_FILE
    if file.exists():
        return True
    tables = any((Path(lakehouse) / WAREHOUSE).glob("*/*/metadata/*.json"))
    if tables and not file.exists():  # another run may have created both meanwhile
        raise Broken(
            f"{file} is gone, and the files of its tables are still there: restore it from a "
            f"backup, or {REBUILD}"
        )
    return file.exists()


def must_be_there(lakehouse: str) -> None:
    """Check that a local lakehouse exists.

    Raises:
        PipelineError: there is none.
    """
    if not is_there(lakehouse):
        raise PipelineError(
            f"no lakehouse at {lakehouse}: materialize tables first (`ecommerce run`), or set "
            "ECOMMERCE_LAKEHOUSE"
        )


def prepare_catalog(folder: Path) -> None:
    """Create the catalog's file atomically: another run may start at the same moment.

    Raises:
        Broken: there are tables, and no catalog that knows them.
    """
    catalog = folder / CATALOG_FILE
    if is_there(str(folder)):
        return
    folder.mkdir(parents=True, exist_ok=True)
    from pyiceberg.catalog.sql import SqlCatalog

    with tempfile.TemporaryDirectory(prefix=".catalog.", dir=folder) as beside:
        whole = Path(beside) / CATALOG_FILE
        # Its constructor creates the two tables that Iceberg's JDBC catalog reads.
        uri = f"sqlite:///file:{quote(str(whole))}?mode=rwc&uri=true"
        SqlCatalog(CATALOG, uri=uri, warehouse=str(folder / WAREHOUSE)).close()
        try:
            # Unlike a rename, a link never replaces an existing catalog.
            catalog.hardlink_to(whole)
        except FileExistsError:
            pass
        except OSError:
            # A file system without hard links.
            if not catalog.exists():
                whole.rename(catalog)


def checkpoint(lakehouse: str) -> None:
    """Move all commits into the catalog's file, so that a copy of that file alone has them.

    Another process may be reading or writing; then the commits stay in the write-ahead log until
    that process, or the next command, has moved them.

    Raises:
        PipelineError: the catalog can't be read.
    """
    file = Path(lakehouse) / CATALOG_FILE
    if not (Path(lakehouse) / WAL_FILE).exists():
        return
    with _explained(file), closing(_connected(file, "rw")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def metadata_files(lakehouse: str) -> dict[str, Path]:
    """The metadata file of each table by identifier; none if there is no lakehouse.

    Raises:
        PipelineError: the catalog can't be opened, or is locked.
        Broken: it is damaged; or its tables lie outside the lakehouse, as in a copy of one, or
            after its folder was moved.
    """
    if not is_there(lakehouse):
        return {}
    file = Path(lakehouse) / CATALOG_FILE
    with (
        _explained(file),
        _readable(lakehouse) as (readable, mode),
        closing(_connected(readable, mode)) as connection,
    ):
        rows = connection.execute(LOCATIONS, (CATALOG,)).fetchall()
    found = {name: local_path(location) for name, location in rows}
    must_lie_below(lakehouse, found)
    return found


def must_lie_below(lakehouse: str, locations: dict[str, Path]) -> None:
    """Check that tables lie in the lakehouse that names them.

    Raises:
        Broken: one lies elsewhere; the message says where.
    """
    own = Path(lakehouse).resolve()
    elsewhere = {
        name: place for name, place in locations.items() if not place.resolve().is_relative_to(own)
    }
    if elsewhere:
        name, place = next(iter(elsewhere.items()))
        raise outside(lakehouse, len(elsewhere), name, str(_lakehouse_of(place)))


def outside(lakehouse: str, tables: int, example: str, place: str) -> Broken:
    """The error of a lakehouse whose tables lie elsewhere."""
    return Broken(
        f"{lakehouse} is a copy of another lakehouse, or was moved: its tables lie at {place} "
        f"({tables:,} of them, like {example}), and nothing outside its own folder is read or "
        f"changed. Move it back, or {REBUILD}"
    )


def _lakehouse_of(place: Path) -> Path:
    """The lakehouse that a path of a table's file is in."""
    for parent in place.parents:
        if parent.name == WAREHOUSE:
            return parent.parent
    return place.parent


def load_tables(lakehouse: str, names: Collection[str]) -> "dict[str, Table]":
    """Those tables that exist, as published now.

    Raises:
        PipelineError, Broken: as `metadata_files` and `load_table`.
    """
    files = metadata_files(lakehouse)
    return {name: load_table(name, files[name]) for name in names if name in files}


def load_table(identifier: str, metadata_file: Path) -> "Table":
    """A table by its metadata file.

    Raises:
        Broken: the file is gone, or is not such a document.
        PipelineError: it can't be opened.
    """
    from pyiceberg.exceptions import ValidationError
    from pyiceberg.table import StaticTable

    try:
        return StaticTable.from_metadata(str(metadata_file))
    except (OSError, ValueError, ValidationError) as error:
        raise unreadable(identifier, metadata_file, error) from error


def unreadable(table: str, file: Path, error: BaseException) -> PipelineError:
    """The error of a table whose metadata can't be read."""
    if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
        return PipelineError(f"{table}: {file} can't be opened: {_line(error)}")
    why = "is gone" if isinstance(error, FileNotFoundError) else f"is damaged ({_line(error)})"
    return Broken(
        f"{table}: its metadata {file} {why}: restore the lakehouse from a backup, or {REBUILD}"
    )


def local_path(location: str) -> Path:
    """The path of a local file by its URI or path, in the spelling of Hadoop: without `..`."""
    return Path(os.path.normpath(location.removeprefix("file://").removeprefix("file:")))


def inode_of(file: Path) -> int:
    """The file's inode; 0 if there is no file."""
    try:
        return file.stat().st_ino
    except FileNotFoundError:
        return 0


def _connected(file: Path, mode: str) -> sqlite3.Connection:
    uri = f"file:{quote(str(file))}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=LOCK_SECONDS)


@contextmanager
def _readable(lakehouse: str) -> Iterator[tuple[Path, str]]:
    """The catalog's file with its last commits, and the mode in which SQLite may open it."""
    folder = Path(lakehouse)
    if os.access(folder, os.W_OK):
        yield folder / CATALOG_FILE, "ro"
        return
    # To see the last commits, SQLite has to write beside the file.
    with tempfile.TemporaryDirectory() as copied:
        for name in (CATALOG_FILE, WAL_FILE):
            if (folder / name).exists():
                shutil.copy(folder / name, copied)
        yield Path(copied) / CATALOG_FILE, "rw"


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    """Errors of SQLite as errors that say what to do.

    Raises:
        PipelineError: in place of SQLite's.
    """
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        if "locked" in str(error) or "busy" in str(error):
            raise PipelineError(
                f"{file} is locked by another process, for more than {LOCK_SECONDS} seconds: wait "
                "until that one is done, or end it, and run this again"
            ) from error
        if any(sign in str(error) for sign in DAMAGED):
            raise Broken(
                f"{file} is damaged ({_line(error)}): restore it from a backup, or {REBUILD}"
            ) from error
        raise PipelineError(f"{file} can't be read: {_line(error)}") from error


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
