"""The records on a node's disk, and what is known of them in memory."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from uuid import UUID

from reference_stack.documents.disk import Disk
from reference_stack.documents.records import (
    SHARDS,
    Conflicts,
    VersionRecord,
    is_record_name,
    shard_digest,
    shard_of,
)

log = logging.getLogger("documents")

FOLDER = "versions"
SENT = "sent"


class Catalogue:
    """One node's records, and which of them the bucket has.

    :meth:`write` blocks on the disk and may run in a thread; everything else belongs to the event
    loop's thread.
    """

    def __init__(self, root: Path, disk: Disk, conflicts: Conflicts) -> None:
        self.conflicts = conflicts
        self._disk = disk
        self._root = root / FOLDER
        self._sent_root = root / SENT
        folders = [self._root / f"{shard:02x}" for shard in range(SHARDS)]
        disk.prepare(self._root, self._sent_root, *folders)
        self._by_shard: list[dict[str, VersionRecord]] = [{} for _ in range(SHARDS)]
        self._digests: dict[int, str] = {}
        self._sent = {path.name for path in self._sent_root.iterdir()}
        self._unsent: dict[str, VersionRecord] = {}
        for shard in range(SHARDS):
            self.refresh(shard)

    def refresh(self, shard: int) -> None:
        """Read one part anew from the disk; for the rsync method, which writes past this class."""
        folder = self._root / f"{shard:02x}"
        for known in self._by_shard[shard].values():
            self._unsent.pop(known.identity, None)
        self._digests.pop(shard, None)
        self._by_shard[shard] = {
            path.name: record
            for path in folder.iterdir()
            if is_record_name(path.name) and (record := self._read(path)) is not None
        }
        self._expect(self._by_shard[shard].values())

    def _expect(self, records: Iterable[VersionRecord]) -> None:
        self._unsent.update({r.identity: r for r in records if r.identity not in self._sent})

    def _read(self, path: Path) -> VersionRecord | None:
        try:
            record = VersionRecord.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            log.warning("%s: damaged record, not counted: %s", path, str(error).splitlines()[0])
            return None
        if record.name(self.conflicts) != path.name:
            log.warning("%s: damaged record, not counted: it is another version's", path)
            return None
        return record

    def write(self, record: VersionRecord) -> None:
        """Keep a record durably; :meth:`note` makes it known."""
        folder = self._root / f"{shard_of(record.document_id):02x}"
        self._disk.write(folder / record.name(self.conflicts), record.encoded())

    def note(self, record: VersionRecord) -> None:
        """Count a record that :meth:`write` has kept."""
        shard = shard_of(record.document_id)
        self._by_shard[shard][record.name(self.conflicts)] = record
        self._digests.pop(shard, None)
        self._expect([record])

    def of_document(self, document_id: UUID) -> list[VersionRecord]:
        """Every known record of a document."""
        shard = self._by_shard[shard_of(document_id)]
        return [record for record in shard.values() if record.document_id == document_id]

    def of_version(self, document_id: UUID, version_id: UUID) -> list[VersionRecord]:
        """Records of a version: one, or more when its id was given to different contents."""
        return [r for r in self.of_document(document_id) if r.version_id == version_id]

    def holds(self, record: VersionRecord) -> bool:
        """Whether exactly this version is known."""
        mine = self._by_shard[shard_of(record.document_id)].get(record.name(self.conflicts))
        return mine is not None and mine.identity == record.identity

    def knows(self, document_id: UUID, identity: str) -> bool:
        """Whether a version of this identity is known."""
        return any(record.identity == identity for record in self.of_document(document_id))

    def by_name(self, shard: int, name: str) -> VersionRecord | None:
        """A record by its file name."""
        return self._by_shard[shard].get(name)

    def records(self) -> Iterator[VersionRecord]:
        """Every known record."""
        for shard in self._by_shard:
            yield from list(shard.values())

    def inventory(self, shard: int) -> dict[str, str]:
        """Names and identities of one part's records."""
        return {name: record.identity for name, record in self._by_shard[shard].items()}

    def digests(self) -> list[str]:
        """A digest of each part; equal ones need no further comparison."""
        return [
            self._digests.get(shard) or self._digests.setdefault(shard, self._digest(shard))
            for shard in range(SHARDS)
        ]

    def _digest(self, shard: int) -> str:
        return shard_digest(self.inventory(shard))

    def unsent(self) -> list[VersionRecord]:
        """Records that the bucket is not known to have.

        On the disk there is no list of what is still to be sent, which a crash could leave behind
        the truth: what has a record and no mark is to be sent.
        """
        return list(self._unsent.values())

    def mark_sent(self, record: VersionRecord) -> None:
        """Remember that the bucket has it. A mark that a crash takes means sending it again."""
        self._sent.add(record.identity)
        self._unsent.pop(record.identity, None)
        try:
            (self._sent_root / record.identity).touch()
        except OSError as error:
            log.warning("%s is sent, but can't be marked: %s", record.identity, error)
