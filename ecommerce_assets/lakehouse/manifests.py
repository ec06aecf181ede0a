"""The files that a table's snapshots consist of, as listed in their manifests."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile, ManifestFile
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot


def changed_files(table: "Table", snapshot: int) -> "Iterator[tuple[DataFile, bool]]":
    """The data files that a snapshot added (True) and removed (False)."""
    from pyiceberg.manifest import ManifestEntryStatus

    for manifest in _own_manifests(table, snapshot):
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=False):
            if entry.snapshot_id == snapshot and entry.status != ManifestEntryStatus.EXISTING:
                yield entry.data_file, entry.status == ManifestEntryStatus.ADDED


def files_of(table: "Table", snapshot: int) -> "Iterator[DataFile]":
    """The data files of a snapshot.

    Raises:
        LookupError: there is no such snapshot any more.
    """
    for manifest in snapshot_of(table, snapshot).manifests(table.io):
        for entry in manifest.fetch_manifest_entry(table.io):
            yield entry.data_file


def own_files(table: "Table", snapshot: int) -> list[str]:
    """The files that were written for this snapshot: its data, manifests and manifest list."""
    found = table.snapshot_by_id(snapshot)
    if found is None:
        return []
    return [
        *(file.file_path for file, is_added in changed_files(table, snapshot) if is_added),
        *(manifest.manifest_path for manifest in _own_manifests(table, snapshot)),
        found.manifest_list,
    ]


def referenced_files(table: "Table") -> set[str]:
    """Every file that the table's metadata name: of all its snapshots, and earlier metadata."""
    metadata = table.metadata
    found = {table.metadata_location, *(entry.metadata_file for entry in metadata.metadata_log)}
    found |= {file.statistics_path for file in metadata.statistics}
    found |= {file.statistics_path for file in metadata.partition_statistics}
    for snapshot in metadata.snapshots:
        found.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path not in found:
                found.add(manifest.manifest_path)
                entries = manifest.fetch_manifest_entry(table.io)
                found |= {entry.data_file.file_path for entry in entries}
    return found


def _own_manifests(table: "Table", snapshot: int) -> "list[ManifestFile]":
    manifests = snapshot_of(table, snapshot).manifests(table.io)
    return [manifest for manifest in manifests if manifest.added_snapshot_id == snapshot]


def snapshot_of(table: "Table", snapshot: int) -> "Snapshot":
    """A snapshot by its id.

    Raises:
        LookupError: there is no such snapshot any more.
    """
    found = table.snapshot_by_id(snapshot)
    if found is None:
        raise LookupError(f"{'.'.join(table.name())} has no snapshot {snapshot} any more")
    return found
