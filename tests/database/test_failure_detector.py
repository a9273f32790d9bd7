"""The failure detector ends a lease only when it knows its holder to be dead."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from architecture.edge import HealthCheck
from reference_stack.database.failure_detector import (
    Detector,
    LeaseHolder,
    Senses,
    Target,
    site_answers,
)

CHECK = HealthCheck(interval_s=5, timeout_s=2, fall=3, rise=1, fast_interval_s=0.5)


@dataclass
class World:
    """What is true, and what was done about it."""

    holder_now: LeaseHolder | None = field(default_factory=lambda: LeaseHolder("mac-1", "7"))
    alive: bool = True
    heard: bool = False
    can_fence: bool = True
    fenced: list[str] = field(default_factory=list)
    revoked: list[LeaseHolder] = field(default_factory=list)

    def holder(self) -> LeaseHolder | None:
        return self.holder_now

    def revoke(self, holder: LeaseHolder) -> bool:
        if holder != self.holder_now:
            return False
        self.revoked.append(holder)
        self.holder_now = None
        return True

    def fence(self, site: str) -> bool:
        if self.can_fence:
            self.fenced.append(site)
        return self.can_fence

    def detector(self) -> Detector:
        senses = Senses(
            answers=lambda _site: self.alive,
            heard_by_others=lambda _site: self.heard,
            fence=self.fence,
        )
        return Detector(CHECK, self, senses)  # type: ignore[arg-type]


def test_a_dead_primary_is_fenced_and_its_lease_revoked_after_three_failed_checks() -> None:
    world = World(alive=False)
    detector = world.detector()
    assert [detector.step(), detector.step()] == [0.5, 0.5]
    assert world.revoked == []
    detector.step()
    assert (world.fenced, world.revoked) == (["mac-1"], [LeaseHolder("mac-1", "7")])


def test_two_failed_checks_and_a_good_one_are_forgotten() -> None:
    world = World(alive=False)
    detector = world.detector()
    detector.step()
    detector.step()
    world.alive = True
    assert detector.step() == 5
    world.alive = False
    detector.step()
    detector.step()
    assert world.fenced == []


def test_a_primary_that_its_standby_hears_is_not_touched() -> None:
    world = World(alive=False, heard=True)
    detector = world.detector()
    for _ in range(10):
        detector.step()
    assert (world.fenced, world.revoked) == ([], [])


def test_a_primary_that_cannot_be_fenced_keeps_its_lease() -> None:
    world = World(alive=False, can_fence=False)
    detector = world.detector()
    for _ in range(10):
        detector.step()
    assert world.revoked == []


@given(
    st.lists(
        st.tuples(st.booleans(), st.booleans(), st.booleans(), st.sampled_from(["7", "8", None])),
        max_size=60,
    )
)
def test_nothing_is_revoked_that_was_not_down_unheard_fenced_and_still_the_holder(
    course: list[tuple[bool, bool, bool, str | None]],
) -> None:
    world = World()
    detector = world.detector()
    failures = 0
    for alive, heard, can_fence, lease in course:
        world.alive, world.heard, world.can_fence = alive, heard, can_fence
        world.holder_now = LeaseHolder("mac-1", lease) if lease is not None else None
        asked = world.holder_now is not None
        before = len(world.revoked)
        detector.step()
        if asked:
            failures = 0 if alive else failures + 1
        if len(world.revoked) > before:
            assert (alive, heard, can_fence) == (False, False, True)
            assert failures >= CHECK.fall
            assert world.fenced
            failures = 0


@pytest.fixture
def silent_listener() -> Iterator[tuple[str, int]]:
    """Accepts and says nothing, as the kernel does for a frozen process."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()


def test_a_site_whose_kernel_accepts_for_frozen_processes_does_not_answer(
    silent_listener: tuple[str, int],
) -> None:
    frozen = Target(patroni=silent_listener, database=silent_listener, dsn="")
    assert not site_answers(frozen, 0.3)


def test_a_site_of_which_one_service_still_speaks_answers(
    silent_listener: tuple[str, int],
) -> None:
    with socket.socket() as speaker:
        speaker.bind(("127.0.0.1", 0))
        speaker.listen()

        def speak() -> None:
            connection, _ = speaker.accept()
            with connection:
                connection.recv(64)
                connection.sendall(b"N")

        thread = threading.Thread(target=speak)
        thread.start()
        target = Target(patroni=silent_listener, database=speaker.getsockname(), dsn="")
        assert site_answers(target, 30)
        thread.join()
