"""The tables of a lakehouse by name, and their commits, by pyiceberg.

The catalog of a local lakehouse is one SQLite file; on AWS it is the Glue Data Catalog. No JVM is
needed.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import count
from pathlib import Path
from random import random
from time import sleep
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import quote

from ecommerce_assets.boto import boto_session
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse.local_catalog import (
    CATALOG_FILE,
    LOCK_SECONDS,
    WAREHOUSE,
    inode_of,
    local_path,
    must_lie_below,
    outside,
    prepare_catalog,
)
from ecommerce_assets.lakehouse.names import CATALOG, in_environment

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

Result = TypeVar("Result")
ATTEMPTS = 30
WAIT_SECONDS = 0.1
# After a lost race, the commit is made again; pyiceberg's warnings of it help nobody.
logging.getLogger("pyiceberg").setLevel(logging.ERROR)

_opened: dict[str, tuple[int, "Lakehouse"]] = {}  # with the inode of the catalog's file
_opening = threading.Lock()


class Lakehouse:
    """The tables of a lakehouse, by identifier `layer.name`.

    Args:
        location: a folder, or `s3://` on AWS.
        environment: on AWS, the environment whose databases the tables are in.
        credentials: on AWS, for reading and writing files, as pyiceberg's properties; by default
            those of the process.
    """

    def __init__(
        self, location: str, environment: str = "", credentials: Mapping[str, str] | None = None
    ) -> None:
        self.location = location
        self.environment = environment
        self._credentials = dict(credentials or {})

    @property
    def is_local(self) -> bool:
        """Whether it is a folder."""
        return "://" not in self.location

    @cached_property
    def catalog(self) -> "Catalog":
        """pyiceberg's catalog."""
        if self.is_local:
            from pyiceberg.catalog.sql import SqlCatalog

            folder = Path(self.location)
            file = quote(str(folder.absolute() / CATALOG_FILE))
            uri = f"sqlite:///file:{file}?mode=rw&uri=true&timeout={LOCK_SECONDS}"
            return SqlCatalog(
                CATALOG, uri=uri, warehouse=str(folder.absolute() / WAREHOUSE),
                init_catalog_tables="false",
            )  # fmt: skip
        from pyiceberg.catalog import load_catalog

        # pyiceberg knows no AWS_REGION.
        properties = {"client.region": boto_session().region_name, **self._credentials}
        catalog: Any = load_catalog(CATALOG, type="glue", warehouse=self.location, **properties)
        # The names of metadata files contain a UUID. To see that one is not there yet, a role would
        # have to be allowed to list the whole bucket.
        catalog._write_metadata = catalog._write_metadata_no_exist_check
        return cast("Catalog", catalog)

    def name_of(self, identifier: str) -> str:
        """The name of a table or a namespace in the catalog."""
        return identifier if self.is_local else in_environment(identifier, self.environment)

    def table(self, identifier: str) -> "Table":
        """pyiceberg's table, as published now.

        Raises:
            PipelineError: it does not exist, or lies outside the lakehouse.
        """
        table = self.find(identifier)
        if table is None:
            raise PipelineError(f"{identifier} does not exist yet: materialize it first")
        return table

    def find(self, identifier: str) -> "Table | None":
        """pyiceberg's table, as published now; None if it does not exist.

        Raises:
            PipelineError: it lies outside the lakehouse.
        """
        from pyiceberg.exceptions import NoSuchTableError

        try:
            table = self.catalog.load_table(self.name_of(identifier))
        except NoSuchTableError:
            return None
        location = table.location()
        if self.is_local:
            must_lie_below(self.location, {identifier: local_path(location)})
        elif not location.startswith(f"{self.location.rstrip('/')}/"):
            raise outside(self.location, 1, identifier, location)
        return table


def open_lakehouse(location: str, environment: str = "") -> Lakehouse:
    """The lakehouse at a location; a local one is created if there is none.

    Args:
        location: a folder, or `s3://` on AWS.
        environment: on AWS, the environment whose databases the tables are in.

    Raises:
        Broken: there are tables, and no catalog that knows them.
    """
    with _opening:
        key = f"{environment} {location}"
        inode, lakehouse = _opened.get(key, (0, None))
        file = Path(location) / CATALOG_FILE
        # A lakehouse that was removed and created again is another one.
        if lakehouse is None or (lakehouse.is_local and inode_of(file) != inode):
            lakehouse = Lakehouse(location, environment)
            if lakehouse.is_local:
                prepare_catalog(Path(location))
            # In one thread: modules that import each other in a circle, as those of pyiceberg's
            # catalogs do, can be met half loaded by threads that import them at the same time.
            _ = lakehouse.catalog
            _opened[key] = inode_of(file), lakehouse
        return lakehouse


def commit(table: "Table", change: Callable[["Table"], Result]) -> Result:
    """Change a table by a commit to its present state; after a lost race, to the next one.

    pyiceberg reports a lost race by errors of several types, so it is recognized by the table's
    metadata, which have changed meanwhile. `change` may be called again after it succeeded, if only
    the catalog's answer was lost.

    Args:
        table: becomes the table as of the commit.
        change: must commit at most once.

    Returns:
        What `change` returned.

    Raises:
        Exception: any error of `change`, unless another commit came first.
    """
    for attempt in count(1):
        table.refresh()
        seen = table.metadata_location
        try:
            return change(table)
        except Exception:
            table.refresh()
            if table.metadata_location == seen or attempt == ATTEMPTS:
                raise
            sleep(random() * WAIT_SECONDS)
    raise AssertionError  # the loop ends by a return or an error


def submit(table: "Table", updates: Sequence[Any], *requirements: Any) -> None:
    """Commit updates of a table's metadata that pyiceberg has no word for.

    Args:
        table: becomes the table as of the commit.
        updates: of `pyiceberg.table.update`.
        requirements: of the same module; what must still hold.
    """
    from pyiceberg.table.update import AssertTableUUID

    same = AssertTableUUID(uuid=table.metadata.table_uuid)
    # As its own commits do, it deletes the metadata files that are too old.
    table._do_commit(tuple(updates), (same, *requirements))


def set_properties(table: "Table", properties: dict[str, str]) -> None:
    """Set properties of a table, whatever else is committed meanwhile."""
    commit(table, lambda table: table.transaction().set_properties(properties).commit_transaction())
