"""Two real nodes in one process: a disk that forgets what was not synced, a link that breaks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from reference_stack.documents.blobs import BlobStore
from reference_stack.documents.catalogue import Catalogue
from reference_stack.documents.catching_up import PairKeeper
from reference_stack.documents.disk import Disk
from reference_stack.documents.errors import BucketUnreachableError, PeerUnreachableError
from reference_stack.documents.metrics import DocumentMetrics
from reference_stack.documents.node import DocumentNode
from reference_stack.documents.pairing import Pairing
from reference_stack.documents.records import Conflicts, VersionRecord, object_name

Result = TypeVar("Result")
SITES = ("mac-1", "mac-2")
PEER_TIMEOUT_S = 5.0
NEVER = 10**9


class MachineStoppedError(Exception):
    """The machine lost its power at this step of a write."""


@dataclass
class Platter:
    """What a machine's disk has been told but may not hold yet; outlives the store's processes."""

    steps_left: int = NEVER
    unsynced: set[Path] = field(default_factory=set)
    pending: list[tuple[Path, bytes | None]] = field(default_factory=list)

    def lose_power(self, chance: random.Random) -> None:
        """Each rename not yet synced is undone or not; content never synced is gone."""
        for path in self.unsynced:
            if path.exists():
                path.write_bytes(b"")
        for path, before in reversed(self.pending):
            if chance.random() < 0.5:
                if before is None:
                    path.unlink(missing_ok=True)
                else:
                    path.write_bytes(before)
        self.pending.clear()
        self.unsynced.clear()
        self.steps_left = NEVER


class ForgetfulDisk(Disk):
    """The real order of steps on a model of a disk; power may go before any step."""

    def __init__(self, root: Path, platter: Platter) -> None:
        super().__init__(root)
        self._platter = platter

    def _step(self) -> None:
        if self._platter.steps_left <= 0:
            raise MachineStoppedError
        self._platter.steps_left -= 1

    def write_partial(self, partial: Path, content: bytes) -> None:
        self._step()
        super().write_partial(partial, content)
        self._platter.unsynced.add(partial)

    def sync_file(self, partial: Path) -> None:
        self._step()
        self._platter.unsynced.discard(partial)

    def rename(self, partial: Path, path: Path) -> None:
        self._step()
        before = path.read_bytes() if path.exists() else None
        super().rename(partial, path)
        self._platter.pending.append((path, before))
        if partial in self._platter.unsynced:
            self._platter.unsynced.remove(partial)
            self._platter.unsynced.add(path)

    def sync_folder(self, folder: Path) -> None:
        self._step()
        kept = [entry for entry in self._platter.pending if entry[0].parent != folder]
        self._platter.pending[:] = kept


class ShiftedLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock can be put forward."""

    shift_s = 0.0

    def time(self) -> float:
        return super().time() + self.shift_s


class MemoryBucket:
    """A bucket that is there or not."""

    def __init__(self) -> None:
        self.up = True
        self.blobs: dict[str, bytes] = {}
        self.versions: dict[str, VersionRecord] = {}
        self.emergency: set[str] = set()

    def _ask(self) -> None:
        if not self.up:
            raise BucketUnreachableError("bucket: away")

    async def upload(self, record: VersionRecord, content: bytes) -> None:
        self._ask()
        self.blobs[record.sha256] = content
        self.versions[f"versions/{object_name(record)}"] = record

    async def document(self, document_id: UUID) -> list[VersionRecord]:
        self._ask()
        return [r for r in self.versions.values() if r.document_id == document_id]

    async def blob(self, sha256: str) -> bytes | None:
        self._ask()
        return self.blobs.get(sha256)

    async def names(self, *, emergency: bool) -> list[str]:
        self._ask()
        return sorted(self.emergency if emergency else self.versions)

    async def record(self, name: str) -> VersionRecord | None:
        self._ask()
        return self.versions.get(name)


class DirectPeer:
    """The other node without a network between; silent while the link is cut or it is off."""

    def __init__(self, world: World, site: str) -> None:
        self._world = world
        self._site = site

    def _node(self) -> DocumentNode:
        node = self._world.nodes.get(self._site)
        if node is None or not self._world.linked:
            self._silence()
        assert node is not None
        return node

    def _silence(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, ShiftedLoop)
        loop.shift_s += 2 * PEER_TIMEOUT_S
        raise PeerUnreachableError(f"{self._site} is away")

    async def push(self, record: VersionRecord, content: bytes) -> str:
        node = self._node()
        try:
            return await node.accept(record, content)
        except MachineStoppedError:
            self._world.stop(self._site)
            self._silence()
            raise

    async def digests(self) -> list[str]:
        return self._node().catalogue.digests()

    async def inventory(self, shard: int) -> dict[str, str]:
        return self._node().catalogue.inventory(shard)

    async def record(self, shard: int, name: str) -> VersionRecord | None:
        return self._node().catalogue.by_name(shard, name)

    async def document(self, document_id: UUID) -> list[VersionRecord]:
        return self._node().catalogue.of_document(document_id)

    async def blob(self, sha256: str) -> bytes | None:
        blobs = self._node().blobs
        return blobs.read(sha256) if blobs.has(sha256) else None


class World:
    """Two machines, their link and the bucket."""

    def __init__(
        self, root: Path, *, conflicts: Conflicts = "keep-both", chance: random.Random
    ) -> None:
        self.root = root
        self.conflicts: Conflicts = conflicts
        self.chance = chance
        self.linked = True
        self.bucket = MemoryBucket()
        self.platters = {site: Platter() for site in SITES}
        self.nodes: dict[str, DocumentNode] = {}
        self._runner = asyncio.Runner(loop_factory=ShiftedLoop)
        self._minutes = 0
        for site in SITES:
            (root / site).mkdir()
            self.power_on(site)

    def close(self) -> None:
        self._runner.close()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self._runner.run(work)

    def now(self) -> datetime:
        """A clock that moves on by a minute whenever it is looked at."""
        self._minutes += 1
        return datetime(2030, 1, 1, tzinfo=UTC) + timedelta(minutes=self._minutes)

    def other(self, site: str) -> str:
        return SITES[1 - SITES.index(site)]

    def power_on(self, site: str) -> None:
        folder = self.root / site
        self.platters[site].steps_left = NEVER
        disk = ForgetfulDisk(folder, self.platters[site])
        self.nodes[site] = DocumentNode(
            site, BlobStore(folder, disk), Catalogue(folder, disk, self.conflicts),
            Pairing(folder, has_peer=True, now=self.now),
            method="acknowledged-by-both", peer=DirectPeer(self, self.other(site)),
            bucket=self.bucket, peer_timeout_s=PEER_TIMEOUT_S, metrics=DocumentMetrics(),
            now=self.now,
        )  # fmt: skip

    def process_dies(self, site: str) -> None:
        """The machine goes on, with all that its disk was told but not yet made to hold."""
        self.nodes.pop(site, None)
        self.platters[site].steps_left = NEVER

    def power_off(self, site: str) -> None:
        self.nodes.pop(site, None)
        self.platters[site].lose_power(self.chance)

    def on(self, site: str, work: Callable[[DocumentNode], Coroutine[Any, Any, Result]]) -> Result:
        """Run something on a node.

        Raises:
            MachineStoppedError: when the node's power or process went meanwhile.
        """
        try:
            return self.run(work(self.nodes[site]))
        except MachineStoppedError:
            self.stop(site)
            raise

    def stop(self, site: str) -> None:
        """At the step that was chosen for it, one of the two ways to stop."""
        if self.chance.random() < 0.5:
            self.power_off(site)
        else:
            self.process_dies(site)

    def keep_pair(self, site: str) -> None:
        """One look of a node at the other."""

        async def look(node: DocumentNode) -> None:
            assert node.peer is not None
            await PairKeeper(
                node, node.peer, primary=site == SITES[0], peer_timeout_s=PEER_TIMEOUT_S
            ).step()

        self.on(site, look)
