"""Each component against theory or against a plainer model of the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simpy import Environment, Timeout

from architecture.topology import Autoscaling
from simulator.hospital.accelerator import Accelerator
from simulator.hospital.autoscaling import Autoscaler, ElasticProcessor
from simulator.hospital.booking import BookedStation
from simulator.hospital.database import DatabaseServer
from simulator.hospital.link import NetworkLink
from simulator.hospital.observation import LatencyHistogram
from simulator.stations import Processor, Station

jobs = st.lists(
    st.tuples(st.integers(0, 32).map(lambda n: n / 16), st.floats(0.001, 3)),
    min_size=1,
    max_size=40,
)  # gap to the last arrival, work


def departures_of_station(work: list[tuple[float, float]], servers: int) -> list[float]:
    env = Environment()
    station = Station(env, servers, "station")
    left: dict[int, float] = {}

    def leave(number: int) -> None:
        left[number] = env.now

    def arrive(event: object) -> None:
        number, needed_s = event.value  # type: ignore[attr-defined]
        station.request(needed_s, leave, number)

    at = 0.0
    for number, (gap, needed_s) in enumerate(work):
        at += gap
        Timeout(env, at, (number, needed_s)).callbacks.append(arrive)
    env.run()
    return [left[number] for number in range(len(work))]


@settings(max_examples=60, deadline=None)
@given(work=jobs, servers=st.integers(1, 4))
def test_a_booked_station_lets_customers_go_when_one_with_events_does(
    work: list[tuple[float, float]], servers: int
) -> None:
    env = Environment()
    booked = BookedStation(env, servers, "booked")
    found: list[float] = []
    for gap, needed_s in work:
        if gap > 0:
            env.run(until=env.now + gap)
        found.append(env.now + booked.book(needed_s))
    assert found == pytest.approx(departures_of_station(work, servers))
    assert booked.snapshot().customers == len(work)


@settings(max_examples=60, deadline=None)
@given(work=jobs, servers=st.integers(1, 3))
def test_one_more_server_lets_no_customer_go_later(
    work: list[tuple[float, float]], servers: int
) -> None:
    few, more = departures_of_station(work, servers), departures_of_station(work, servers + 1)
    assert all(m <= f + 1e-9 for f, m in zip(few, more, strict=True))


def sojourns(
    processor: Processor, env: Environment, arrivals: list[tuple[float, float]]
) -> list[float]:
    stayed: list[float] = []

    def arrive(event: object) -> None:
        needed_s = event.value  # type: ignore[attr-defined]
        processor.start(needed_s, lambda since: stayed.append(env.now - since), env.now)

    for at, needed_s in arrivals:
        Timeout(env, at, needed_s).callbacks.append(arrive)
    env.run()
    return stayed


@pytest.mark.parametrize("factor", [0.9, 1.0, 1.3])
def test_the_accelerator_shares_its_time_and_pays_for_sharing(factor: float) -> None:
    """Two equal works together take twice as long times the factor; one alone its own time."""
    env = Environment()
    assert sojourns(Accelerator(env, factor, "gpu"), env, [(0, 3.0), (0, 3.0)]) == pytest.approx(
        [6.0 * factor, 6.0 * factor]
    )
    env = Environment()
    assert sojourns(Accelerator(env, factor, "gpu"), env, [(0, 3.0)]) == pytest.approx([3.0])


def test_without_cost_of_sharing_it_is_the_queue_m_g_1_ps() -> None:
    """E[T] = E[S] / (1 - rho), whatever the service distribution (Kleinrock 1976, 4.4).

    Twenty runs; within 4 standard errors (t, 19 degrees of freedom): fails once in some 1,300.
    """
    means = []
    for run in range(20):
        random = np.random.default_rng([7, run])
        at = np.cumsum(random.exponential(1.0, 1500))
        needed = random.gamma(1 / 1.5**2, 0.6 * 1.5**2, 1500)
        env = Environment()
        stayed = sojourns(
            Accelerator(env, 1.0, "gpu"), env, list(zip(at.tolist(), needed.tolist(), strict=True))
        )
        means.append(np.mean(stayed[200:1300]))
    error = np.std(means, ddof=1) / math.sqrt(len(means))
    assert abs(np.mean(means) - 0.6 / 0.4) < 4 * error


def test_a_link_shares_its_bandwidth_between_large_transfers_only() -> None:
    env = Environment()
    link = NetworkLink(env, 8e6, 0.01, "link")
    ended: list[float] = []
    link.send(1_000_000, lambda _token: ended.append(env.now), None)
    link.send(1_000_000, lambda _token: ended.append(env.now), None)
    assert link.small_s(1000) == pytest.approx(0.001)
    env.run()
    assert ended == pytest.approx([2.0, 2.0])
    assert link.bytes_carried == 2_001_000


def test_a_transaction_keeps_its_connection_while_it_waits_for_network_and_log() -> None:
    """Two connections, three transactions of 1 s delay and 0.5 s work: the third waits for one."""
    env = Environment()
    server = DatabaseServer(env, 2, Processor(env, 8, "cores"), "database")
    ended: list[float] = []
    for _ in range(3):
        server.request(0.5, 1.0, lambda _token: ended.append(env.now), None)
    env.run()
    assert ended == pytest.approx([1.5, 1.5, 3.0])
    assert server.snapshot().waited_s == pytest.approx(1.5)


def autoscaled(
    load_cores: float, minutes: float, start_s: float = 100.0
) -> tuple[Autoscaler, float]:
    """A steady load in core-seconds a second; the scaler after so many minutes."""
    env = Environment()
    processor = ElasticProcessor(env, 4, "nodes")
    scaler = Autoscaler(
        env, processor, node_cores=4, nodes=1, bounds=Autoscaling(min_nodes=1, max_nodes=10),
        node_start_s=lambda: start_s,
    )  # fmt: skip

    def feed(_event: object) -> None:
        processor.start(load_cores, lambda _token: None)
        Timeout(env, 1.0).callbacks.append(feed)

    Timeout(env, 0.5).callbacks.append(feed)
    env.run(until=minutes * 60)
    return scaler, env.now


@pytest.mark.parametrize(("load_cores", "nodes"), [(1.0, 1), (8.0, 4), (20.0, 9), (100.0, 10)])
def test_the_autoscaler_settles_at_the_nodes_its_target_asks_for(
    load_cores: float, nodes: int
) -> None:
    """ceil(load / (4 cores at 60 %)), within a tenth; ten at most."""
    scaler, _ = autoscaled(load_cores, 60)
    assert abs(scaler.nodes - nodes) <= (1 if 1 < nodes < 10 else 0)


def test_a_new_node_works_only_after_its_start() -> None:
    assert autoscaled(20.0, 1.5, start_s=100.0)[0].nodes == 1
    assert autoscaled(20.0, 4.0, start_s=100.0)[0].nodes > 1


def test_fewer_nodes_are_kept_for_the_stabilisation_time() -> None:
    env = Environment()
    processor = ElasticProcessor(env, 16, "nodes")
    scaler = Autoscaler(
        env, processor, node_cores=4, nodes=4, bounds=Autoscaling(min_nodes=1, max_nodes=10),
        node_start_s=lambda: 1.0,
    )  # fmt: skip
    processor.start(16 * 0.6 * 15, lambda _token: None)
    env.run(until=200)
    assert scaler.nodes > 1 or env.now < 300
    env.run(until=700)
    assert scaler.nodes == 1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.0005, 500), min_size=20, max_size=300), st.sampled_from([0.5, 0.95]))
def test_histogram_quantiles_are_within_half_a_per_cent_of_an_observed_neighbour(
    values: list[float], quantile: float
) -> None:
    histogram = LatencyHistogram()
    histogram.add(values)
    ordered = sorted(values)
    place = max(math.ceil(quantile * len(values)) - 1, 0)
    assert histogram.quantile_s(quantile) == pytest.approx(ordered[place], rel=0.006)
    assert histogram.summary()["mean"] == pytest.approx(np.mean(values))
