"""One set of properties that holds for every component."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simpy import Environment

from simulator.stations import Component
from tests.stations.queues import COMPONENTS, Build, exponential, send_through

CUSTOMERS = 120
EXAMPLES = 20
# Without feedback between customers (nobody is turned away, overtaken or joined to a batch), the
# claims about load and servers hold for each customer on each path; elsewhere for the mean, which
# single paths may miss a little: serving one sooner can delay two others.
PATHWISE = ("fifo", "sharing", "delay")
IN_THE_MEAN = ("priority", "preemptive", "batch", "on_processor")
TURNING_AWAY = ("finite", "balking", "impatient")
SLACK = 0.05

quick = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
seeds = st.integers(0, 2**20)
servers = st.integers(1, 4)
loads = st.floats(0.3, 1.3)
# When it begins and how long it lasts, seconds.
outages = st.tuples(st.floats(0, 30), st.floats(0, 30))
every = pytest.mark.parametrize("build", COMPONENTS.values(), ids=COMPONENTS)


def these(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("build", [COMPONENTS[name] for name in names], ids=names)


def path(seed: int, load: float, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Gaps and needs of a path, for ``number`` servers of mean service 1."""
    gaps_s = exponential(seed, CUSTOMERS, 1 / (load * number))
    return gaps_s, exponential(seed + 1, CUSTOMERS, 1.0)


@every
@quick
@given(seed=seeds, number=servers, load=loads)
def test_same_seed_gives_the_same_bytes(build: Build, seed: int, number: int, load: float) -> None:
    first, second = (send_through(build, number, *path(seed, load, number)) for _ in range(2))
    assert repr(first.sojourn_s) == repr(second.sojourn_s)
    assert repr(first.left) == repr(second.left)


@every
@quick
@given(seed=seeds, number=servers, load=loads, until_s=st.floats(1, 100))
def test_everybody_is_accounted_for_at_any_time(
    build: Build, seed: int, number: int, load: float, until_s: float
) -> None:
    seen = send_through(build, number, *path(seed, load, number), until_s=until_s)
    station = seen.station
    station.check_conservation()
    assert station.completed == len(seen.sojourn_s)
    left = station.balked + station.blocked + station.reneged + station.lost
    assert left == len(seen.left)
    assert station.arrived == len(seen.sojourn_s) + len(seen.left) + station.inside


@every
@quick
@given(seed=seeds, number=servers, load=loads)
def test_time_in_queue_and_in_service_is_time_inside(
    build: Build, seed: int, number: int, load: float
) -> None:
    """Little's law, exactly, from empty to empty: measured areas are the sum of the sojourns."""
    seen = send_through(build, number, *path(seed, load, number))
    measures = seen.station.snapshot()
    if seen.left or seen.station.name == "batch":
        return  # those who left are in the areas too; a batch is one busy server
    in_service_s = measures.busy_s * (1 if seen.station.name == "delay" else number)
    total_s = measures.queue_s + in_service_s
    assert total_s == pytest.approx(sum(seen.sojourn_s.values()), rel=1e-6)


@these(*PATHWISE)
@quick
@given(seed=seeds, number=servers, load=loads, factor=st.floats(1.0, 3.0))
def test_more_work_makes_nobody_faster(
    build: Build, seed: int, number: int, load: float, factor: float
) -> None:
    gaps_s, needs_s = path(seed, load, number)
    light = send_through(build, number, gaps_s, needs_s)
    heavy = send_through(build, number, gaps_s, needs_s * factor)
    assert all(heavy.sojourn_s[n] >= light.sojourn_s[n] - 1e-6 for n in light.sojourn_s)


@these(*PATHWISE)
@quick
@given(seed=seeds, number=servers, load=loads, more=st.integers(1, 3))
def test_more_servers_make_nobody_slower(
    build: Build, seed: int, number: int, load: float, more: int
) -> None:
    gaps_s, needs_s = path(seed, load, number)
    few = send_through(build, number, gaps_s, needs_s)
    many = send_through(build, number + more, gaps_s, needs_s)
    assert all(many.sojourn_s[n] <= few.sojourn_s[n] + 1e-6 for n in few.sojourn_s)


@these(*IN_THE_MEAN)
@quick
@given(seed=seeds, number=servers, load=loads, factor=st.floats(1.2, 3.0))
def test_more_work_is_not_faster_in_the_mean(
    build: Build, seed: int, number: int, load: float, factor: float
) -> None:
    gaps_s, needs_s = path(seed, load, number)
    light = send_through(build, number, gaps_s, needs_s)
    heavy = send_through(build, number, gaps_s, needs_s * factor)
    assert heavy.mean_s >= light.mean_s * (1 - SLACK)


@these(*IN_THE_MEAN)
@quick
@given(seed=seeds, number=servers, load=loads, more=st.integers(1, 3))
def test_more_servers_are_not_slower_in_the_mean(
    build: Build, seed: int, number: int, load: float, more: int
) -> None:
    gaps_s, needs_s = path(seed, load, number)
    few = send_through(build, number, gaps_s, needs_s)
    many = send_through(build, number + more, gaps_s, needs_s)
    assert many.mean_s <= few.mean_s * (1 + SLACK)


@these(*TURNING_AWAY)
@quick
@given(seed=seeds, number=st.integers(1, 3), load=loads, more=st.integers(1, 3))
def test_more_servers_do_not_turn_more_away(
    build: Build, seed: int, number: int, load: float, more: int
) -> None:
    gaps_s, needs_s = path(seed, load, number)
    few = send_through(build, number, gaps_s, needs_s)
    many = send_through(build, number + more, gaps_s, needs_s)
    assert len(many.left) <= len(few.left) + SLACK * CUSTOMERS


@these(*TURNING_AWAY)
@quick
@given(seed=seeds, number=servers, load=loads, factor=st.floats(1.2, 3.0))
def test_more_work_does_not_turn_fewer_away(
    build: Build, seed: int, number: int, load: float, factor: float
) -> None:
    gaps_s, needs_s = path(seed, load, number)
    light = send_through(build, number, gaps_s, needs_s)
    heavy = send_through(build, number, gaps_s, needs_s * factor)
    assert len(heavy.left) >= len(light.left) - SLACK * CUSTOMERS


Disturb = Callable[[Environment, Component], None]


def at(env: Environment, time_s: float, action: Callable[[], None]) -> None:
    env.timeout(time_s).callbacks.append(lambda _event: action())


@every
@quick
@given(seed=seeds, number=servers, load=loads, outage=outages)
def test_a_pause_loses_nobody_and_no_work(
    build: Build, seed: int, number: int, load: float, outage: tuple[float, float]
) -> None:
    start_s, lasts_s = outage

    def disturb(env: Environment, station: Component) -> None:
        at(env, start_s, station.pause)
        at(env, start_s + lasts_s, station.resume)

    paths = path(seed, load, number)
    seen = send_through(build, number, *paths, disturb=disturb)
    seen.station.check_conservation()
    assert seen.station.inside == 0
    assert seen.station.lost == 0
    # Interrupted work is resumed, not repeated and not shortened.
    if not seen.left and build.__name__ not in {"batch", "on_processor"}:
        measures = seen.station.snapshot()
        in_service_s = measures.busy_s * (1 if build.__name__ == "delay" else number)
        assert in_service_s == pytest.approx(paths[1].sum(), rel=1e-6)


@every
@quick
@given(seed=seeds, number=servers, load=loads, outage=outages)
def test_a_crash_loses_those_inside_and_nobody_else(
    build: Build, seed: int, number: int, load: float, outage: tuple[float, float]
) -> None:
    start_s, lasts_s = outage
    inside: list[int] = []

    def disturb(env: Environment, station: Component) -> None:
        at(env, start_s, lambda: inside.append(station.inside))
        at(env, start_s, station.crash)
        at(env, start_s + lasts_s, station.resume)

    seen = send_through(build, number, *path(seed, load, number), disturb=disturb)
    seen.station.check_conservation()
    assert seen.station.inside == 0
    assert seen.station.lost == inside[0]


@these(*(name for name in COMPONENTS if name != "delay"))
@quick
@given(seed=seeds, load=loads, changes=st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_servers_may_come_and_go(build: Build, seed: int, load: float, changes: list[int]) -> None:
    def disturb(env: Environment, station: Component) -> None:
        for step, number in enumerate(changes):
            at(env, 5.0 + 7.0 * step, lambda number=number: station.set_servers(number))
            if step % 2:
                at(env, 6.0 + 7.0 * step, station.pause)
                at(env, 8.0 + 7.0 * step, station.resume)

    seen = send_through(build, 3, *path(seed, load, 3), disturb=disturb)
    seen.station.check_conservation()
    assert seen.station.inside == 0
    assert seen.station.lost == 0
    assert 0.0 <= seen.station.snapshot().utilisation <= 1.0 + 1e-9
