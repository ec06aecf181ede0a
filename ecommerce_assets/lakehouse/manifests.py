"""The files that a table's snapshots consist of, as listed in their manifests."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile, ManifestFile
    from pyiceberg.table import Table


def changed_files(table: "Table", snapshot: int) -> "Iterator[tuple[DataFile, bool]]":
    """The data files that a snapshot added (True) and removed (False)."""
    from pyiceberg.manifest import ManifestEntryStatus

    for manifest in _own_manifests(table, snapshot):
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=False):
            if entry.snapshot_id == snapshot and entry.status != ManifestEntryStatus.EXISTING:
                yield entry.data_file, entry.status == ManifestEntryStatus.ADDED


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
    found = table.snapshot_by_id(snapshot)
    if found is None:
        raise LookupError(f"{'.'.join(table.name())} has no snapshot {snapshot} any more")
    manifests = found.manifests(table.io)
    return [manifest for manifest in manifests if manifest.added_snapshot_id == snapshot]
