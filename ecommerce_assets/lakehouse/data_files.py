"""The data files of a local table's snapshot, and whether they are there.

Read by pyiceberg from manifests, which takes milliseconds; no data is read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse.local_catalog import load_table, local_path, unreadable
from ecommerce_assets.lakehouse.manifests import snapshot_of
from ecommerce_assets.lakehouse.partitions import first_day

if TYPE_CHECKING:
    from pyiceberg.table import Table


@dataclass(frozen=True)
class DataFile:
    """A data file of a snapshot.

    Attributes:
        table: identifier of its table.
        path: where it is.
        size: bytes that it should have.
        day: the date whose partition it is in; None in a table that is not partitioned by date.
    """

    table: str
    path: Path
    size: int
    day: date | None

    @property
    def damage(self) -> str:
        """What is wrong with the file; empty if it is there with its size.

        Raises:
            PipelineError: it can't be looked at.
        """
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return "is gone"
        except OSError as error:
            raise PipelineError(f"{self.path} can't be looked at: {error.strerror}") from error
        return "" if size == self.size else f"has {size:,} bytes instead of {self.size:,}"


def data_files(identifier: str, table: "Table", snapshot: int | None = None) -> list[DataFile]:
    """The data files of a snapshot, the published one by default.

    Raises:
        LookupError: there is no such snapshot any more.
        PipelineError, Broken: a manifest can't be read.
    """
    chosen = table.current_snapshot() if snapshot is None else snapshot_of(table, snapshot)
    if chosen is None:
        return []
    specs = table.specs()
    found = []
    place = local_path(chosen.manifest_list)
    try:
        for manifest in chosen.manifests(table.io):
            place = local_path(manifest.manifest_path)
            by_day = [
                position
                for position, field in enumerate(specs[manifest.partition_spec_id].fields)
                if str(field.transform) == "identity"
            ]
            for entry in manifest.fetch_manifest_entry(table.io):
                file = entry.data_file
                day = first_day(file.partition[by_day[0]]) if by_day else None
                path = local_path(file.file_path)
                found.append(DataFile(identifier, path, file.file_size_in_bytes, day))
    except Exception as error:  # whatever a decoder makes of bytes that are cut off or garbled
        raise unreadable(identifier, place, error) from error
    return found


def damaged(files: Mapping[str, Path], tables: Iterable[str]) -> dict[str, list[DataFile]]:
    """By table, the files of its published snapshot that are gone or have another size.

    Args:
        files: the metadata file by table.
        tables: those to look at.

    Raises:
        PipelineError: metadata can't be read.
    """
    looked_at = {
        name: data_files(name, load_table(name, files[name])) for name in tables if name in files
    }
    return {
        name: bad for name, found in looked_at.items() if (bad := [f for f in found if f.damage])
    }


def must_be_whole(files: Iterable[DataFile], *, published: bool = True) -> None:
    """Check that files are there.

    Args:
        published: whether they are those of the published snapshot, which a run can mend.

    Raises:
        PipelineError: one is not; the message names it and says what to do.
    """
    bad = [file for file in files if file.damage]
    if bad:
        remedy = "`ecommerce run` mends the table" if published else "look at another snapshot"
        raise PipelineError(f"{described(bad)}: {remedy}")


def described(bad: Sequence[DataFile]) -> str:
    """What is wrong with files of a table, for people."""
    more = f", and {len(bad) - 1:,} more of its data files" if len(bad) > 1 else ""
    return f"{bad[0].table}: its data file {bad[0].path} {bad[0].damage}{more}"
