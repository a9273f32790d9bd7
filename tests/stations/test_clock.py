"""The quick loop passes what SimPy's own loop passes, in the same order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.stations import Clock


def path(env: simpy.Environment, needs: list[int], until: list[int]) -> list[object]:
    """What a model of processes, resources and conditions does on ``env``.

    Whole seconds, so that many events fall on the same instant and their order matters.
    """
    seen: list[object] = []
    desk = simpy.PriorityResource(env, 2)
    store = simpy.Store(env, 3)

    def customer(number: int, need: int) -> Iterator[object]:
        with desk.request(priority=need % 3) as slot:
            found = yield slot | env.timeout(4)
            seen.append((env.now, number, slot in found))
            if slot not in found:
                return
            yield env.timeout(need)
        yield store.put(number)
        seen.append((env.now, "stored", number))

    def collector() -> Iterator[object]:
        while True:
            number = yield store.get()
            seen.append((env.now, "collected", number))
            yield env.timeout(2)

    customers = [env.process(customer(n, need)) for n, need in enumerate(needs)]
    env.process(collector())

    def watcher() -> Iterator[object]:
        yield env.timeout(3)
        seen.append((env.now, [process.is_alive for process in customers]))

    env.process(watcher())
    _advance(env, until, seen)
    return seen


def _advance(env: simpy.Environment, until: list[int], seen: list[object]) -> None:
    for time_s in sorted(set(until)):
        if time_s > env.now:
            env.run(until=time_s)
            seen.append(("stopped", env.now))
    env.run(until=env.timeout(7))
    seen.append(("after", env.now, env.peek()))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    needs=st.lists(st.integers(0, 5), min_size=1, max_size=12),
    until=st.lists(st.integers(1, 15), max_size=4),
)
def test_the_path_is_that_of_simpys_own_loop(needs: list[int], until: list[int]) -> None:
    assert path(Clock(), needs, until) == path(simpy.Environment(), needs, until)


def test_a_process_that_fails_stops_the_simulation_with_its_own_error() -> None:
    env = Clock()

    def fails() -> Iterator[object]:
        yield env.timeout(1)
        raise KeyError("lost")

    env.process(fails())
    with pytest.raises(KeyError, match="lost"):
        env.run()


def test_running_into_the_past_is_refused() -> None:
    env = Clock()
    env.run(until=5)
    assert env.now == 5
    with pytest.raises(ValueError, match="later than now"):
        env.run(until=5)


def test_it_begins_when_it_is_told_to() -> None:
    assert Clock(7.0).now == 7.0
