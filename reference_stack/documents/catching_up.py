"""Bringing two places to hold the same versions, and knowing when they do."""

from __future__ import annotations

import asyncio
import logging

from reference_stack.documents.errors import (
    BucketUnreachableError,
    CorruptedError,
    NotFoundError,
    PeerUnreachableError,
    UnavailableError,
)
from reference_stack.documents.node import DocumentNode
from reference_stack.documents.places import Bucket, Peer
from reference_stack.documents.records import identity_in

log = logging.getLogger("documents")

PROBE_S = 0.5
COMPARE_S = 30.0


async def reconcile(node: DocumentNode, peer: Peer, *, primary: bool) -> bool:
    """Give each node what it lacks of the other's; True when both then hold the same.

    Args:
        node: This node.
        peer: The other one.
        primary: Whether this is the node that ``primary-wins`` favours.

    Raises:
        PeerUnreachableError: when the other node stops answering.
    """
    complete = True
    mine, theirs = node.catalogue.digests(), await peer.digests()
    for shard, (digest, other) in enumerate(zip(mine, theirs, strict=True)):
        if digest != other:
            complete &= await _reconcile_shard(node, peer, shard, primary=primary)
    return complete


async def _reconcile_shard(node: DocumentNode, peer: Peer, shard: int, *, primary: bool) -> bool:
    theirs = await peer.inventory(shard)
    mine = node.catalogue.inventory(shard)
    complete = True
    for name, identity in theirs.items():
        # One name for different versions is what 'primary-wins' makes of a conflict.
        contested = name in mine and mine[name] != identity
        if contested:
            node.metrics.discarded.inc()
        if name not in mine or (contested and not primary):
            complete &= await _pull(node, peer, shard, name)
    for name, identity in mine.items():
        contested = name in theirs and theirs[name] != identity
        if name not in theirs or (contested and primary):
            complete &= await _push(node, peer, shard, name)
    return complete


async def _pull(node: DocumentNode, peer: Peer, shard: int, name: str) -> bool:
    record = await peer.record(shard, name)
    content = await peer.blob(record.sha256) if record is not None else None
    if record is None or content is None:
        log.warning("the other node names %s but has no sound copy of it", name)
        return False
    try:
        await node.accept(record, content)
    except (CorruptedError, OSError) as error:
        log.warning("%s could not be kept: %s", name, error)
        return False
    node.metrics.pulled.inc()
    return True


async def _push(node: DocumentNode, peer: Peer, shard: int, name: str) -> bool:
    record = node.catalogue.by_name(shard, name)
    if record is None:
        return False
    try:
        content = await node.content(record)
    except (NotFoundError, UnavailableError) as error:
        log.warning("%s can't be given to the other node: %s", name, error)
        return False
    kept = await peer.push(record, content)
    node.metrics.pushed.inc()
    return kept == record.sha256


class PairKeeper:
    """Watches the other node: declares it lost, brings it up to date, lets it count again."""

    def __init__(
        self, node: DocumentNode, peer: Peer, *, primary: bool, peer_timeout_s: float
    ) -> None:
        self._node = node
        self._peer = peer
        self._primary = primary
        self._peer_timeout_s = peer_timeout_s
        self._answered_at = float("-inf")
        self._compared_at = float("-inf")

    async def run(self) -> None:
        """Watch until cancelled."""
        self._answered_at = asyncio.get_running_loop().time()
        while True:
            await self.step()
            await asyncio.sleep(PROBE_S)

    async def step(self) -> None:
        """One look at the other node, and what follows from it."""
        clock = asyncio.get_running_loop().time
        pairing = self._node.pairing
        try:
            await self._peer.digests()
            self._answered_at = clock()
            due = clock() - self._compared_at >= COMPARE_S
            if pairing.state == "paired" and not due:
                return
            if pairing.state == "degraded":
                # What it lacks by now goes there first, and shows whether it can keep anything:
                # let in at once, one that can't would have each document wait for it anew.
                await reconcile(self._node, self._peer, primary=self._primary)
            epoch = pairing.begin_catching_up()
            if await reconcile(self._node, self._peer, primary=self._primary):
                pairing.confirm(epoch)
                self._compared_at = clock()
        except PeerUnreachableError as error:
            if clock() - self._answered_at >= self._peer_timeout_s:
                pairing.declare_degraded(str(error))


async def pull_from_bucket(
    node: DocumentNode, bucket: Bucket, *, emergency: bool, passed_over: set[str]
) -> int:
    """Fetch versions that only the bucket has; returns how many there were.

    Args:
        node: This node.
        bucket: Where what was written in an emergency is, and everything else too.
        emergency: Only what was written in an emergency; otherwise all.
        passed_over: Objects that are no records, or that 'primary-wins' threw away already; added
            to here.

    Raises:
        BucketUnreachableError: when the bucket does not answer.
    """
    fetched = 0
    for name in await bucket.names(emergency=emergency):
        if name in passed_over:
            continue
        try:
            known = node.catalogue.knows(*identity_in(name))
        except ValueError:
            log.warning("the bucket's object %s is no record: passed over", name)
            passed_over.add(name)
            continue
        if known:
            continue
        record = await bucket.record(name)
        if record is None:
            continue
        if node.catalogue.conflicts == "primary-wins" and node.catalogue.of_document(
            record.document_id
        ):
            # What the hospital holds wins, whatever was written elsewhere meanwhile (D-05).
            node.metrics.discarded.inc()
            passed_over.add(name)
            continue
        content = await bucket.blob(record.sha256)
        if content is None:
            log.warning("the bucket names %s but has no sound copy of it", name)
            continue
        await node.accept(record, content)
        node.catalogue.mark_sent(record)
        node.metrics.pulled.inc()
        fetched += 1
    return fetched


class BucketKeeper:
    """Brings what was written in an emergency back to the hospital."""

    def __init__(self, node: DocumentNode, bucket: Bucket, every_s: float) -> None:
        self._node = node
        self._bucket = bucket
        self._every_s = every_s

    async def run(self) -> None:
        """Look until cancelled: at everything once, then at what emergencies wrote."""
        all_seen = False
        passed_over: set[str] = set()
        while True:
            try:
                fetched = await pull_from_bucket(
                    self._node, self._bucket, emergency=all_seen, passed_over=passed_over
                )
                all_seen = True
                if fetched:
                    log.warning("fetched %d versions that only the bucket had", fetched)
            except (BucketUnreachableError, CorruptedError, OSError) as error:
                log.debug("the bucket can't be searched: %s", error)
            await asyncio.sleep(self._every_s)
