"""Which base backups and WAL files are kept, and the removal of the others.

barman-cloud-backup-delete would do this, but cannot be started without Amazon's library.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from google.cloud import storage

from reference_stack.addresses import Endpoint
from reference_stack.bucket.client import BACKUPS, bucket_client
from reference_stack.database.backup import BackupStore, BaseBackup, base_backups

_SEGMENT_NAME_CHARACTERS = 24


def dispensable(
    backups: Sequence[BaseBackup], objects: Iterable[str], cluster: str, keep: int
) -> list[str]:
    """The objects that only base backups older than the ``keep`` newest need.

    And what is left of base backups begun before those that never got complete, or whose removal
    was cut short.

    Args:
        backups: Complete base backups, oldest first.
        objects: Names of all objects of the cluster.
        cluster: The folder they lie in.
        keep: Base backups that stay, at least 1.
    """
    gone, kept = backups[:-keep], backups[-keep:]
    if not gone:
        return []
    base = f"{cluster}/base/"
    folders = tuple(f"{base}{backup.backup_id}/" for backup in gone)
    # A segment's name is timeline, then position, in hexadecimal. What lies before the oldest
    # position still needed goes, whatever its timeline; a timeline's history is small and stays.
    oldest = min(backup.begin_wal[8:] for backup in kept)
    return [
        name
        for name in objects
        if name.startswith(folders)
        or _is_of_base_before(name, base, min(backup.backup_id for backup in kept))
        or _is_segment_before(name, f"{cluster}/wals/", oldest)
    ]


def _is_of_base_before(name: str, folder: str, oldest_id: str) -> bool:
    """Ids are the times at which base backups began (barman: ``%Y%m%dT%H%M%S``)."""
    return name.startswith(folder) and name.removeprefix(folder).partition("/")[0] < oldest_id


def _is_segment_before(name: str, folder: str, oldest: str) -> bool:
    file = name.rsplit("/", 1)[-1]
    segment = file[:_SEGMENT_NAME_CHARACTERS]
    is_segment = (
        name.startswith(folder)
        and len(segment) == _SEGMENT_NAME_CHARACTERS
        and all(character in "0123456789ABCDEF" for character in segment)
    )
    return is_segment and segment[8:] < oldest


def remove_dispensable(client: storage.Client, store: BackupStore, keep: int) -> int:
    """Remove what is dispensable; returns how many objects went.

    Base backups go before the WAL they need, newest object last, so that a removal that is cut
    short leaves no base backup that looks whole and is not.
    """
    bucket = client.bucket(BACKUPS)
    backups = base_backups(store)
    names = [blob.name for blob in client.list_blobs(bucket, prefix=f"{store.cluster}/")]
    gone = dispensable(backups, names, store.cluster, keep)
    # A base backup counts as long as its description is there: that goes first.
    for name in sorted(gone, key=lambda name: not name.endswith("/backup.info")):
        bucket.blob(name).delete()
    return len(gone)


def main() -> None:
    """Entry point: ``… --store FILE --keep N``, the file a :class:`BackupStore` as JSON."""
    parser = argparse.ArgumentParser(prog="reference_stack.database.backup_retention")
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--keep", type=int, required=True)
    arguments = parser.parse_args()
    store = BackupStore.model_validate_json(arguments.store.read_text(encoding="utf-8"))
    client = bucket_client(Endpoint(store.host, store.port))
    remove_dispensable(client, store, arguments.keep)


if __name__ == "__main__":
    main()
