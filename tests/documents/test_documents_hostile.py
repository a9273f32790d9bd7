"""Disks that are full or fail, clocks that disagree, objects that are damaged, names that climb."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import random
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from reference_stack.documents.blobs import BlobStore, sha256_of
from reference_stack.documents.catching_up import pull_from_bucket
from reference_stack.documents.disk import PARTIAL, Disk
from reference_stack.documents.errors import CorruptedError, NotStoredError, PeerUnreachableError
from reference_stack.documents.google_bucket import GoogleBucket
from reference_stack.documents.node import Version
from reference_stack.documents.outbox import OTHERS_GRACE_S, Outbox
from reference_stack.documents.pairing import JOURNAL, Pairing
from reference_stack.documents.records import VersionRecord
from reference_stack.documents.service import service_app
from reference_stack.documents.settings import DocumentSettings
from tests.documents.world import PEER_TIMEOUT_S, DirectPeer, World

DOCUMENT = uuid.UUID(int=7)
SECRET = "0123456789abcdef"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, chance=random.Random(1))
    for site in ("mac-1", "mac-2", "mac-1"):
        made.keep_pair(site)
    assert made.nodes["mac-1"].pairing.state == "paired"
    yield made
    made.close()


def version(number: int, document: uuid.UUID = DOCUMENT) -> Version:
    return Version(document, uuid.UUID(int=100 + number), "text/plain")


class FullPeer(DirectPeer):
    """The other node answers, but its disk is full."""

    async def push(self, record: VersionRecord, content: bytes) -> str:
        loop = asyncio.get_running_loop()
        loop.shift_s += PEER_TIMEOUT_S / 2  # type: ignore[attr-defined]
        raise PeerUnreachableError(f"no room for {len(content)} bytes of {record.version_id}")


def test_a_node_that_answers_but_can_not_store_stays_out_of_the_way(world: World) -> None:
    """Every document would wait for it again, were it let in each time it answers."""
    node = world.nodes["mac-1"]
    node.peer = FullPeer(world, "mac-2")
    receipt = world.on("mac-1", lambda node: node.put(version(1), b"content"))
    assert (receipt.durability, node.pairing.state) == ("one-node", "degraded")
    epoch = node.pairing.epoch
    for _ in range(5):
        world.keep_pair("mac-1")
        assert node.pairing.state == "degraded"
    assert node.pairing.epoch == epoch, "the journal of the pair tells of a return that was none"
    node.peer = DirectPeer(world, "mac-2")
    world.keep_pair("mac-1")
    assert node.pairing.state == "paired"
    assert world.nodes["mac-2"].catalogue.of_document(DOCUMENT)


class FullDisk(Disk):
    """Takes half of what is written."""

    full = True

    def write_partial(self, partial: Path, content: bytes) -> None:
        super().write_partial(partial, content[: len(content) // 2] if self.full else content)
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")


def test_a_write_that_a_full_disk_cuts_off_leaves_nothing_that_keeps_it_full(
    tmp_path: Path,
) -> None:
    blobs = BlobStore(tmp_path, FullDisk(tmp_path))
    with pytest.raises(OSError, match="No space"):
        blobs.put(sha256_of(b"content"), b"content")
    assert list((tmp_path / PARTIAL).iterdir()) == []


def test_a_pair_that_can_not_note_that_it_fell_apart_acknowledges_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.linked = False
    node = world.nodes["mac-1"]

    def full(_reason: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(node.pairing, "declare_degraded", full)
    with pytest.raises(NotStoredError, match="No space"):
        world.on("mac-1", lambda node: node.put(version(1), b"content"))


def test_a_line_of_the_pairs_journal_that_the_disk_took_half_of_is_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairing = Pairing(tmp_path, has_peer=True, now=lambda: datetime(2030, 1, 1, tzinfo=UTC))
    room, write = [20], os.write

    def full(descriptor: int, words: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = write(descriptor, words[: room[0]])
        room[0] -= taken
        return taken

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        pairing.declare_degraded("silence")
    assert pairing.state == "catching-up"
    room[0] = 10**6
    pairing.declare_degraded("silence")
    lines = (tmp_path / JOURNAL).read_text().splitlines()
    assert [json.loads(line)["state"] for line in lines] == ["catching-up", "degraded"]


def test_a_sector_that_can_not_be_read_is_damage_and_mended_like_any(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.on("mac-1", lambda node: node.put(version(1), b"content"))
    node = world.nodes["mac-1"]
    (record,) = node.catalogue.of_document(DOCUMENT)
    broken = node.blobs.path(record.sha256)
    read = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        if path == broken and broken.stat().st_ino == inode:
            raise OSError(errno.EIO, "Input/output error")
        return read(path)

    inode = broken.stat().st_ino
    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    with pytest.raises(CorruptedError):
        node.blobs.read(record.sha256)
    assert world.on("mac-1", lambda node: node.content(record)) == b"content"
    assert broken.stat().st_ino != inode


def test_two_readers_of_a_damaged_content_both_get_it_and_the_mended_copy_stays(
    world: World,
) -> None:
    world.on("mac-1", lambda node: node.put(version(1), b"content"))
    node = world.nodes["mac-1"]
    (record,) = node.catalogue.of_document(DOCUMENT)
    node.blobs.path(record.sha256).write_bytes(b"rotten!")

    async def both() -> list[bytes]:
        return await asyncio.gather(*(node.content(record) for _ in range(8)))

    assert world.run(both()) == [b"content"] * 8
    assert node.blobs.read(record.sha256) == b"content"


def test_a_content_is_given_out_although_the_disk_can_not_take_its_mended_copy(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.on("mac-1", lambda node: node.put(version(1), b"content"))
    node = world.nodes["mac-1"]
    (record,) = node.catalogue.of_document(DOCUMENT)
    node.blobs.path(record.sha256).unlink()

    def full(_sha256: str, _content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(node.blobs, "put", full)
    assert world.on("mac-1", lambda node: node.content(record)) == b"content"


def test_a_damaged_object_hides_none_of_those_after_it(world: World) -> None:
    world.on("mac-1", lambda node: node.put(version(1), b"content"))
    world.run(Outbox(world.nodes["mac-1"], world.bucket, world.now).send_all())
    whole = world.bucket.versions
    world.bucket.versions = {"versions/README": next(iter(whole.values())), **whole}
    for site in ("mac-1", "mac-2"):
        world.nodes[site].catalogue = type(world.nodes[site].catalogue)(
            world.root / f"new-{site}", Disk(world.root / f"new-{site}"), "keep-both"
        )
    fetched = world.run(
        pull_from_bucket(world.nodes["mac-1"], world.bucket, emergency=False, passed_over=set())
    )
    assert fetched == 1


def test_a_record_in_the_bucket_that_is_none_counts_as_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket = GoogleBucket.__new__(GoogleBucket)

    async def half(_work: object) -> bytes:
        return b'{"document_id": "00'

    monkeypatch.setattr(bucket, "_call", half, raising=False)
    assert asyncio.run(bucket.record("versions/x/y.z.json")) is None


def test_a_clock_that_is_ahead_does_not_hold_back_what_its_node_left_behind(world: World) -> None:
    world.on("mac-2", lambda node: node.put(version(1), b"content"))
    node = world.nodes["mac-1"]
    (record,) = node.catalogue.of_document(DOCUMENT)
    early = Outbox(node, world.bucket, lambda: record.accepted_at + timedelta(seconds=1))
    assert early.due() == []
    late = timedelta(seconds=OTHERS_GRACE_S)
    assert Outbox(node, world.bucket, lambda: record.accepted_at + late).due() == [record]
    an_hour = timedelta(hours=1)
    assert Outbox(node, world.bucket, lambda: record.accepted_at - an_hour).due() == [record]


def test_what_was_sent_but_can_not_be_marked_holds_back_none_of_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        world.on("mac-1", lambda node, n=number: node.put(version(n), b"content %d" % n))  # type: ignore[misc]

    def full(_path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "touch", full)
    outbox = Outbox(world.nodes["mac-1"], world.bucket, world.now)
    world.run(outbox.send_all())
    assert len(world.bucket.versions) == 3
    assert outbox.due() == []


def test_with_one_place_for_a_document_memory_and_disk_agree_on_the_last_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, conflicts="primary-wins", chance=random.Random(1))
    world.linked = False
    node = world.nodes["mac-1"]
    write, second_written = node.catalogue.write, threading.Event()

    def interrupted(record: VersionRecord) -> None:
        write(record)
        if record.version_id == version(1).version_id:
            second_written.wait(1)
        else:
            second_written.set()

    monkeypatch.setattr(node.catalogue, "write", interrupted)

    async def two_changes() -> None:
        await asyncio.gather(*(node.put(version(number), b"%d" % number) for number in (1, 2)))

    world.run(two_changes())
    known = node.catalogue.of_document(DOCUMENT)
    world.process_dies("mac-1")
    world.power_on("mac-1")
    assert world.nodes["mac-1"].catalogue.of_document(DOCUMENT) == known
    world.close()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    settings = DocumentSettings(
        host="127.0.0.1", port=0, site="mac-1", mode="normal", folder=tmp_path / "documents",
        secret=SECRET, method="acknowledged-by-both", conflicts="keep-both", primary=True,
    )  # fmt: skip
    with TestClient(service_app(settings), headers={"Authorization": f"Bearer {SECRET}"}) as made:
        yield made


@pytest.mark.parametrize("name", ["..", ".", "%2e%2e", "%2e%2e%2f%2e%2e%2fetc", "x", "A" * 64])
def test_no_name_of_a_content_leads_out_of_the_store(client: TestClient, name: str) -> None:
    assert client.get(f"/peer/blobs/{name}").status_code == 404


@pytest.mark.parametrize("words", ["no type", "text/html\u00e9", "a/b; c=d", "text/" + "x" * 300])
def test_a_content_type_that_is_none_is_the_callers_fault(client: TestClient, words: str) -> None:
    path = f"/documents/{DOCUMENT}/versions/{DOCUMENT}"
    headers = {b"content-type": words.encode("latin-1")}
    answer = client.put(path, content=b"x", headers=headers)
    assert (answer.status_code, "Content-Type" in answer.json()["error"]) == (422, True)
