"""Whatever fails between, no acknowledged document is lost while a node that acknowledged lives."""

from __future__ import annotations

import contextlib
import random
import shutil
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from reference_stack.documents.catching_up import pull_from_bucket
from reference_stack.documents.node import Version
from reference_stack.documents.outbox import Outbox
from tests.documents.world import NEVER, SITES, MachineStoppedError, World

#: Where a sync costs nothing: the tests have their own model of what a power loss takes.
MEMORY = Path("/dev/shm")  # noqa: S108
DOCUMENTS = [uuid.UUID(int=n) for n in range(3)]
site_names = st.sampled_from(SITES)
documents = st.sampled_from(DOCUMENTS)
# One PUT takes 4 steps for its content and 4 for its record.
steps = st.integers(0, 9)
stops = st.none() | st.tuples(site_names, steps)


@dataclass
class Promise:
    """A version that was acknowledged, and the disks that were promised to hold it."""

    document: uuid.UUID
    content: bytes
    holders: set[str]


class DocumentsThroughLosses(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.promises: dict[uuid.UUID, Promise] = {}
        self.attempts: list[tuple[Version, bytes]] = []
        self.counter = 0

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.world = World(self.folder, chance=random.Random(seed))

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.settle()
            self.world.close()
        shutil.rmtree(self.folder)

    def store(self, site: str, version: Version, content: bytes) -> None:
        world = self.world
        with contextlib.suppress(MachineStoppedError):
            receipt = world.on(site, lambda node: node.put(version, content))
            holders = set(SITES) if receipt.durability == "both-nodes" else {site}
            made = Promise(version.document_id, content, holders)
            known = self.promises.setdefault(version.version_id, made)
            known.holders |= holders

    def running(self, site: str) -> bool:
        return site in self.world.nodes

    @rule(site=site_names, document=documents, replacing=st.booleans(), stop=stops)
    def put(
        self, site: str, document: uuid.UUID, replacing: bool, stop: tuple[str, int] | None
    ) -> None:  # fmt: skip
        """A version is stored; one of the machines may stop in the middle of it."""
        if not self.running(site):
            self.world.power_on(site)
        self.counter += 1
        seen = self.world.nodes[site].catalogue.of_document(document) if replacing else []
        version = Version(
            document, uuid.UUID(int=1000 + self.counter), "text/plain",
            tuple(sorted({record.version_id for record in seen})),
        )  # fmt: skip
        content = f"content {self.counter}".encode()
        self.attempts.append((version, content))
        if stop is not None:
            self.world.platters[stop[0]].steps_left = stop[1]
        self.store(site, version, content)

    @rule(
        puts=st.lists(
            st.tuples(site_names, documents, st.booleans(), stops), min_size=2, max_size=5
        )
    )
    def put_some(
        self, puts: list[tuple[str, uuid.UUID, bool, tuple[str, int] | None]]
    ) -> None:  # fmt: skip
        for site, document, replacing, stop in puts:
            self.put(site, document, replacing, stop)

    @precondition(lambda self: self.attempts)
    @rule(site=site_names, data=st.data())
    def put_again_after_a_doubt(self, site: str, data: st.DataObject) -> None:
        version, content = data.draw(st.sampled_from(self.attempts))
        known = {r.version_id for n in self.world.nodes.values() for r in n.catalogue.records()}
        everybody_answers = self.world.linked and len(self.world.nodes) == len(SITES)
        answerable = (
            known.issuperset(version.replaces) if everybody_answers else (not version.replaces)
        )
        if self.running(site) and answerable:
            self.store(site, version, content)

    @rule(site=site_names, after=steps)
    def power_will_go(self, site: str, after: int) -> None:
        if self.running(site):
            self.world.platters[site].steps_left = after

    @rule(site=site_names)
    def power_goes(self, site: str) -> None:
        self.world.power_off(site)

    @rule(site=site_names)
    def the_process_dies(self, site: str) -> None:
        self.world.process_dies(site)

    @rule(site=site_names)
    def power_returns(self, site: str) -> None:
        if not self.running(site):
            self.world.power_on(site)

    @rule(site=site_names)
    def the_disk_is_lost(self, site: str) -> None:
        if sum(site in promise.holders for promise in self.promises.values()) > 4:
            return
        self.world.power_off(site)
        shutil.rmtree(self.folder / site)
        (self.folder / site).mkdir()
        for promise in self.promises.values():
            promise.holders.discard(site)

    @rule(linked=st.booleans())
    def the_link_changes(self, linked: bool) -> None:
        self.world.linked = linked

    @rule(site=site_names)
    def a_node_looks_at_the_other(self, site: str) -> None:
        if self.running(site):
            with contextlib.suppress(MachineStoppedError):
                self.world.keep_pair(site)

    @rule(up=st.booleans(), site=site_names)
    def the_bucket_changes_and_the_outbox_is_sent(self, up: bool, site: str) -> None:
        self.world.bucket.up = up
        if self.running(site) and up:
            with contextlib.suppress(MachineStoppedError):
                self.world.on(
                    site,
                    lambda node: Outbox(node, self.world.bucket, self.world.now).send_all(),
                )

    @invariant()
    def every_promised_disk_holds_what_it_promised(self) -> None:
        for version, promise in self.promises.items():
            for site in promise.holders & set(self.world.nodes):
                node = self.world.nodes[site]
                record = node.catalogue.of_version(promise.document, version)
                assert record, f"{site} has lost the acknowledged version {version}"
                assert node.blobs.read(record[0].sha256) == promise.content

    def settle(self) -> None:
        """Everything comes back: then both nodes hold the same, and all that was promised."""
        world = self.world
        world.linked = world.bucket.up = True
        for site in SITES:
            world.platters[site].steps_left = NEVER
            if not self.running(site):
                world.power_on(site)
        for site in SITES:
            world.keep_pair(site)
        self.every_promised_disk_holds_what_it_promised()
        left, right = (world.nodes[site] for site in SITES)
        assert left.catalogue.digests() == right.catalogue.digests()
        assert {left.pairing.state, right.pairing.state} == {"paired"}
        for version, promise in self.promises.items():
            if promise.holders:
                assert right.catalogue.of_version(promise.document, version)
        for node in (left, right):
            world.run(Outbox(node, world.bucket, world.now).send_all())
            assert node.catalogue.unsent() == []
        self.everything_comes_back_from_the_bucket()

    def everything_comes_back_from_the_bucket(self) -> None:
        world, site = self.world, SITES[0]
        promised = {v for v, promise in self.promises.items() if promise.holders}
        for name in SITES:
            world.power_off(name)
            shutil.rmtree(self.folder / name)
            (self.folder / name).mkdir()
        world.power_on(site)
        node = world.nodes[site]
        world.run(pull_from_bucket(node, world.bucket, emergency=False, passed_over=set()))
        assert promised <= {record.version_id for record in node.catalogue.records()}


TestDocumentsThroughLosses = DocumentsThroughLosses.TestCase
TestDocumentsThroughLosses.settings = settings(
    max_examples=50, stateful_step_count=20, deadline=None, derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
TestDocumentsThroughLosses.pytestmark = [pytest.mark.long]


class Unlucky(random.Random):
    """Undoes everything that was not synced."""

    def random(self) -> float:
        return 0.0


def test_what_a_dead_process_left_unsynced_is_synced_before_it_counts(tmp_path: Path) -> None:
    world = World(tmp_path, chance=Unlucky())
    world.linked = False
    version = Version(DOCUMENTS[0], uuid.UUID(int=9), "text/plain")
    # Content: 4 steps; record: written, synced and renamed, its folder not yet synced.
    world.platters["mac-1"].steps_left = 7
    with pytest.raises(MachineStoppedError):
        world.run(world.nodes["mac-1"].put(version, b"content"))
    world.process_dies("mac-1")
    world.power_on("mac-1")
    receipt = world.on("mac-1", lambda node: node.put(version, b"content"))
    assert (receipt.new, receipt.durability) == (False, "one-node")
    world.power_off("mac-1")
    world.power_on("mac-1")
    assert world.nodes["mac-1"].catalogue.of_version(version.document_id, version.version_id)
    world.close()
