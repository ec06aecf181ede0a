"""The local catalog's file, read without Spark: each table's metadata in milliseconds.

The schema of the file is that of Iceberg's JDBC catalog; a table's metadata file is JSON, as
defined by the Iceberg Table Spec.
"""

import json
import os
import shutil
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse.metadata import TableMetadata
from ecommerce_assets.lakehouse.names import CATALOG
from ecommerce_assets.lakehouse.session import CATALOG_FILE

LOCATIONS = (
    "select table_namespace || '.' || table_name, metadata_location from iceberg_tables "
    "where catalog_name = ?"
)


@contextmanager
def readable(lakehouse: str) -> Iterator[tuple[Path, str]]:
    """The catalog's file with its last commits, and the mode in which SQLite may open it."""
    folder = Path(lakehouse)
    if os.access(folder, os.W_OK):
        yield folder / CATALOG_FILE, "ro"
        return
    # To see the last commits, SQLite has to write beside the file.
    with TemporaryDirectory() as copied:
        for name in (CATALOG_FILE, f"{CATALOG_FILE}-wal"):
            if (folder / name).exists():
                shutil.copy(folder / name, copied)
        yield Path(copied) / CATALOG_FILE, "rw"


def published(lakehouse: str, names: Collection[str]) -> dict[str, TableMetadata]:
    """The published metadata by identifier of those tables that exist.

    Raises:
        PipelineError: the catalog or a metadata file can't be read.
    """
    try:
        return _published(lakehouse, names)
    except (OSError, sqlite3.Error, ValueError, KeyError, TypeError) as error:
        raise PipelineError(f"{lakehouse} can't be read: {error!r}") from error


def _published(lakehouse: str, names: Collection[str]) -> dict[str, TableMetadata]:
    if not (Path(lakehouse) / CATALOG_FILE).exists():
        return {}
    with readable(lakehouse) as (file, mode):
        uri = f"file:{quote(str(file))}?mode={mode}"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            locations = dict(connection.execute(LOCATIONS, (CATALOG,)))
    return {name: _metadata(locations[name]) for name in names if name in locations}


def _metadata(location: str) -> TableMetadata:
    text = Path(location.removeprefix("file://").removeprefix("file:")).read_text("utf-8")
    return TableMetadata(json.loads(text))
