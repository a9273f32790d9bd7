"""Stations against queueing theory.

Statistical tests compare the mean of independent replications with the exact value and allow
`Z` standard errors: with 24 replications a true model fails one such test in about 1,400 seeds
(Student's t, 23 degrees of freedom). The seeds are fixed.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from simpy import Environment

from architecture.values import Constant, Distribution, Exponential, Lognormal
from simulator.stations import Processor, Station
from simulator.streams import Streams
from simulator.theory import mmc

Z = 4.0
REPLICATIONS = 24
Server = Callable[[Environment], Station | Processor]


def open_queue(
    build: Server, rate: float, service: Distribution, *, customers: int, replication: int
) -> tuple[list[float], Station | Processor, float]:
    """Sojourn times of Poisson arrivals, the station, and when the last one left."""
    env = Environment()
    station = build(env)
    streams = Streams(11, replication)
    gap = streams.variate("gap", Exponential(kind="exponential", mean=1 / rate))
    need = streams.variate("need", service)
    sojourns: list[float] = []

    def done(arrived: float) -> None:
        sojourns.append(env.now - arrived)

    def arrivals() -> object:
        for _ in range(customers):
            yield env.timeout(gap())
            if isinstance(station, Station):
                station.request(need(), done, env.now)
            else:
                station.start(need(), done, env.now)

    env.process(arrivals())
    env.run()
    return sojourns, station, env.now


def mean_sojourns(build: Server, rate: float, service: Distribution) -> np.ndarray:
    """One mean per replication, without the first fifth, in which the queue fills."""
    found = []
    for replication in range(REPLICATIONS):
        sojourns, *_ = open_queue(build, rate, service, customers=2500, replication=replication)
        found.append(float(np.mean(sojourns[500:])))
    return np.array(found)


def assert_mean_is(values: np.ndarray, expected: float) -> None:
    error = values.std(ddof=1) / math.sqrt(len(values))
    assert abs(values.mean() - expected) <= Z * error, (values.mean(), expected, error)


@pytest.mark.parametrize(("servers", "load"), [(1, 0.6), (4, 0.8)])
def test_fifo_station_waits_as_erlang_says(servers: int, load: float) -> None:
    rate = load * servers
    means = mean_sojourns(
        lambda env: Station(env, servers, "station"), rate, Exponential(kind="exponential", mean=1)
    )
    assert_mean_is(means, 1 + mmc(rate, 1.0, servers).wait_s)


@pytest.mark.parametrize(
    "service",
    [Exponential(kind="exponential", mean=1), Lognormal(kind="lognormal", mean=1, cv=1.5)],
    ids=["exponential", "lognormal"],
)
def test_shared_processor_is_insensitive_to_the_distribution_of_work(service: Distribution) -> None:
    """M/G/1 under processor sharing: E[S]/(1 − ρ) whatever the distribution."""
    means = mean_sojourns(lambda env: Processor(env, 1, "processor"), 0.6, service)
    assert_mean_is(means, 1 / (1 - 0.6))


def test_processor_with_several_cores_delays_as_erlang_says() -> None:
    """With exponential work, sharing and queueing hold equally many customers."""
    means = mean_sojourns(
        lambda env: Processor(env, 3, "processor"), 2.1, Exponential(kind="exponential", mean=1)
    )
    assert_mean_is(means, 1 + mmc(2.1, 1.0, 3).wait_s)


def test_littles_law_holds_exactly_from_empty_to_empty() -> None:
    """The time integral of the queue is the sum of the waits."""
    _, station, end = open_queue(
        lambda env: Station(env, 2, "station"), 1.6, Exponential(kind="exponential", mean=1),
        customers=2000, replication=0,
    )  # fmt: skip
    measures = station.snapshot()
    assert measures.customers == 2000
    rate = measures.customers / end
    assert measures.queue_length == pytest.approx(rate * measures.wait_s, rel=1e-9)
    assert measures.queue_length > 0.1


def test_threads_on_plenty_of_cores_are_servers_of_their_own() -> None:
    def times(build: Server) -> list[float]:
        service = Exponential(kind="exponential", mean=1)
        return open_queue(build, 2.5, service, customers=500, replication=3)[0]

    alone = times(lambda env: Station(env, 3, "station"))
    shared = times(lambda env: Station(env, 3, "station", Processor(env, 8, "processor")))
    assert shared == pytest.approx(alone, abs=1e-8)


def test_two_pieces_of_work_share_one_core_fairly() -> None:
    env = Environment()
    processor = Processor(env, 1, "processor")
    ends: dict[str, float] = {}

    def done(name: str) -> None:
        ends[name] = env.now

    processor.start(2.0, done, "first")
    later = env.timeout(1.0)
    later.callbacks.append(lambda _event: processor.start(3.0, done, "second"))
    env.run()
    # Alone for 1 s, then each at half speed; at 3 s the first is done and the second has 2 s left.
    assert ends == {"first": pytest.approx(3.0), "second": pytest.approx(5.0)}
    assert processor.snapshot().utilisation == pytest.approx(1.0)


def test_shortened_work_ends_at_its_new_length_while_it_shares() -> None:
    env = Environment()
    processor = Processor(env, 1, "processor")
    ends: dict[str, float] = {}

    def done(name: str) -> None:
        ends[name] = env.now

    work = processor.start(10.0, done, "long")
    processor.start(4.0, done, "other")
    later = env.timeout(2.0)
    attained: list[float] = []
    later.callbacks.append(lambda _event: attained.append(processor.attained_s(work)))
    later.callbacks.append(lambda _event: processor.shorten(work, 1.5))
    env.run()
    assert attained == [pytest.approx(1.0)]
    assert ends == {"long": pytest.approx(3.0), "other": pytest.approx(5.5)}


def test_constant_service_on_one_server_is_lindleys_recursion() -> None:
    service = Constant(kind="constant", value=0.7)
    sojourns, *_ = open_queue(
        lambda env: Station(env, 1, "station"), 1.0, service, customers=300, replication=5
    )
    gaps = Streams(11, 5).variate("gap", Exponential(kind="exponential", mean=1.0))
    wait, expected = 0.0, [0.7]
    gaps()
    for _ in range(299):
        wait = max(0.0, wait + 0.7 - gaps())
        expected.append(wait + 0.7)
    assert sojourns == pytest.approx(expected, abs=1e-9)
