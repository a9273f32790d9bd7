"""Simulated networks against the exact answers of queueing theory.

Each claim is a 99.9 % t-interval over 24 replications, so a true model fails one claim in 1,000
seeds. There are 42 claims: at most 4.2 % of seeds fail anywhere. The seed is fixed. An interval
whose half is wider than a tenth of the exact value would prove little, and fails too. Each
replication is observed after a warm-up of hundreds of services.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from architecture.station_network import StationNetwork
from evidence import Estimate
from evidence.estimate import mean_interval
from simulator.network import NetworkTask
from simulator.theory import (
    ClosedStation,
    OpenStation,
    QueueAnswer,
    bulk_service,
    closed_network,
    erlang_a,
    erlang_b,
    jackson,
    mg1,
    mg1_ps,
    mmc,
    mmck,
    non_preemptive,
    non_preemptive_servers,
    preemptive_resume,
)

SEED = 5
REPLICATIONS = 24
CONFIDENCE = 0.999
WIDEST = 0.10

Tree = dict[str, Any]


def exponential(mean: float = 1.0) -> Tree:
    return {"kind": "exponential", "mean": mean}


def network(stations: Tree, classes: Tree) -> StationNetwork:
    tree = {
        "kind": "station-network", "name": "verified", "run": {"duration_s": 1},
        "stations": stations, "classes": classes,
    }  # fmt: skip
    return StationNetwork.model_validate(tree)


def alone(rate_per_s: float, **station: Any) -> StationNetwork:
    """One station with Poisson arrivals."""
    station = {"service_s": exponential(), **station}
    arrivals = {"kind": "poisson", "rate_per_s": rate_per_s}
    classes = {"all": {"arrivals": arrivals, "starts_at": {"station": 1}}}
    return network({"station": station}, classes)


def two_ranks(rates: tuple[float, float], **station: Any) -> StationNetwork:
    """One station with two classes of Poisson arrivals, of which the first goes first."""
    classes = {
        name: {
            "arrivals": {"kind": "poisson", "rate_per_s": rate}, "priority": rank,
            "starts_at": {"station": 1},
        }
        for rank, (name, rate) in enumerate(zip(("high", "low"), rates, strict=True))
    }  # fmt: skip
    return network({"station": station}, classes)


class Observed:
    """Replications of a network."""

    def __init__(self, system: StationNetwork, duration_s: float, warmup_s: float = 200.0) -> None:
        task = NetworkTask(system, duration_s, warmup_s)
        self._rows = [task(SEED, number) for number in range(REPLICATIONS)]

    def __getitem__(self, metric: str) -> Estimate:
        return mean_interval([row[metric] for row in self._rows], CONFIDENCE)

    def assert_is(self, metric: str, exact: float, widest: float = WIDEST) -> None:
        found = self[metric]
        assert found.covers(exact), f"{metric}: exact {exact}, {found}"
        assert found.upper - found.estimate <= widest * exact, f"{metric} is too uncertain: {found}"


def assert_queue_is(observed: Observed, answer: QueueAnswer, wait: str = "wait_s") -> None:
    observed.assert_is("stations.station.utilisation", answer.utilisation)
    observed.assert_is(f"stations.station.{wait}", answer.wait_s)


def test_mm1() -> None:
    assert_queue_is(Observed(alone(0.6), 5000), mmc(0.6, 1.0, 1))


def test_mmc() -> None:
    observed = Observed(alone(3.0, servers=4), 3500)
    answer = mmc(3.0, 1.0, 4)
    assert_queue_is(observed, answer)
    observed.assert_is("journeys.all.latency_s.mean", answer.sojourn_s)
    observed.assert_is("stations.station.queue_length", answer.queue_length)


def test_quantiles_of_mm1_are_those_of_its_exponential_sojourn() -> None:
    observed = Observed(alone(0.5), 6500)
    for name, share in {"p50": 0.5, "p95": 0.95, "p99": 0.99}.items():
        observed.assert_is(f"journeys.all.latency_s.{name}", -np.log(1 - share) / (1 - 0.5))


@pytest.mark.parametrize(
    ("service", "cv"),
    [
        ({"kind": "constant", "value": 1.0}, 0.0),
        ({"kind": "uniform", "low": 0.0, "high": 2.0}, 3**-0.5),
        ({"kind": "gamma", "mean": 1.0, "cv": 0.5}, 0.5),
        ({"kind": "lognormal", "mean": 1.0, "cv": 1.0}, 1.0),
        ({"kind": "empirical", "values": [0.5, 0.5, 2.0]}, 0.5**0.5),
    ],
    ids=["constant", "uniform", "gamma", "lognormal", "empirical"],
)
def test_mg1(service: Tree, cv: float) -> None:
    observed = Observed(alone(0.5, service_s=service), 6000)
    observed.assert_is("stations.station.wait_s", mg1(0.5, 1.0, cv).wait_s)


@pytest.mark.parametrize(
    "service", [exponential(), {"kind": "lognormal", "mean": 1.0, "cv": 1.5}],
    ids=["exponential", "lognormal"],
)  # fmt: skip
def test_mg1_ps(service: Tree) -> None:
    observed = Observed(alone(0.6, discipline="ps", service_s=service), 3500)
    observed.assert_is("journeys.all.latency_s.mean", mg1_ps(0.6, 1.0).sojourn_s)


def test_mmck() -> None:
    observed = Observed(alone(3.0, servers=3, capacity=8), 1200)
    answer = mmck(3.0, 1.0, 3, 8)
    assert_queue_is(observed, answer)
    observed.assert_is("journeys.all.outcomes.blocked", answer.blocked)


@pytest.mark.parametrize("service", [exponential(), {"kind": "constant", "value": 1.0}])
def test_erlangs_loss_does_not_depend_on_the_distribution(service: Tree) -> None:
    observed = Observed(alone(3.0, servers=4, capacity=4, service_s=service), 600)
    observed.assert_is("journeys.all.outcomes.blocked", erlang_b(3.0, 4))


def test_erlang_a() -> None:
    observed = Observed(alone(4.5, servers=4, patience_s=exponential(2.0)), 600)
    answer = erlang_a(4.5, 1.0, 4, 2.0)
    observed.assert_is("stations.station.utilisation", answer.utilisation)
    observed.assert_is("stations.station.queue_length", answer.queue_length)
    observed.assert_is("journeys.all.outcomes.reneged", answer.reneged)


def test_bulk_service() -> None:
    station = {"discipline": "batch", "batch_size": 4, "batch_time": "first"}
    assert_queue_is(Observed(alone(2.5, **station), 1800), bulk_service(2.5, 1.0, 4))


def test_non_preemptive_priority_with_general_service() -> None:
    service = {"kind": "lognormal", "mean": 1.0, "cv": 1.2}
    observed = Observed(two_ranks((0.25, 0.35), discipline="priority", service_s=service), 3000)
    waits_s = non_preemptive((0.25, 0.35), (1.0, 1.0), (1.2, 1.2))
    observed.assert_is("journeys.high.latency_s.mean", 1 + waits_s[0])
    observed.assert_is("journeys.low.latency_s.mean", 1 + waits_s[1])


def test_non_preemptive_priority_before_several_servers() -> None:
    station = {"discipline": "priority", "servers": 3, "service_s": exponential()}
    observed = Observed(two_ranks((0.9, 1.2), **station), 1800)
    waits_s = non_preemptive_servers((0.9, 1.2), 1.0, 3)
    observed.assert_is("journeys.high.latency_s.mean", 1 + waits_s[0])
    observed.assert_is("journeys.low.latency_s.mean", 1 + waits_s[1])


def test_preemptive_priority() -> None:
    station = {"discipline": "priority-preemptive", "service_s": exponential()}
    observed = Observed(two_ranks((0.3, 0.3), **station), 4000)
    sojourns_s = preemptive_resume((0.3, 0.3), (1.0, 1.0), (1.0, 1.0))
    observed.assert_is("journeys.high.latency_s.mean", sojourns_s[0])
    observed.assert_is("journeys.low.latency_s.mean", sojourns_s[1])


@cache
def jackson_network() -> Observed:
    routing = {"a": {"b": 0.6, "c": 0.2}, "b": {"a": 0.25, "c": 0.5}}
    arrivals = {"kind": "poisson", "rate_per_s": 1.0}
    classes = {"all": {"arrivals": arrivals, "starts_at": {"a": 0.7, "c": 0.3}, "routing": routing}}
    stations = {
        "a": {"servers": 2, "service_s": exponential(1.5)},
        "b": {"servers": 1, "service_s": exponential(1.2)},
        "c": {"servers": 4, "service_s": exponential(4.0)},
    }
    return Observed(network(stations, classes), 2000)


@pytest.mark.parametrize("station", ["a", "b", "c"])
def test_stations_of_an_open_network_behave_as_if_alone(station: str) -> None:
    stations = {
        "a": OpenStation(1.5, 2, 0.7), "b": OpenStation(1.2), "c": OpenStation(4.0, 4, 0.3),
    }  # fmt: skip
    answer = jackson(stations, {"a": {"b": 0.6, "c": 0.2}, "b": {"a": 0.25, "c": 0.5}})
    observed = jackson_network()
    observed.assert_is(f"stations.{station}.sojourn_s.mean", answer.stations[station].sojourn_s)
    observed.assert_is(f"stations.{station}.throughput_per_s", answer.rates_per_s[station])
    observed.assert_is("journeys.all.latency_s.mean", answer.latency_s)


def test_closed_network() -> None:
    """Lognormal work where it is shared or nobody waits: only the means count there."""
    stations = {
        "shared": {"discipline": "ps", "service_s": {"kind": "lognormal", "mean": 0.2, "cv": 1.5}},
        "desks": {"servers": 3, "service_s": exponential(0.8)},
        "wire": {"discipline": "delay", "service_s": {"kind": "constant", "value": 0.5}},
    }
    routing = {"shared": {"desks": 0.75, "wire": 0.25}, "wire": {"shared": 1}}
    members = {
        "population": 12, "think_s": {"kind": "uniform", "low": 0, "high": 4},
        "starts_at": {"shared": 1}, "routing": routing,
    }  # fmt: skip
    # Each round visits `shared` 1/0.75 times and `wire` a third of a time.
    answer = closed_network(
        {
            "shared": ClosedStation(0.2 / 0.75), "desks": ClosedStation(0.8, 3),
            "wire": ClosedStation(0.5 / 3, None),
        },
        12, think_s=2.0,
    )  # fmt: skip
    observed = Observed(network(stations, {"all": members}), 300, warmup_s=50)
    observed.assert_is("journeys.all.throughput_per_s", answer.throughput_per_s)
    observed.assert_is("journeys.all.latency_s.mean", answer.latency_s)
    observed.assert_is("stations.desks.sojourn_s.mean", answer.sojourn_s["desks"])


def test_the_intervals_are_narrow_enough_to_refute_a_server_that_is_five_percent_slower() -> None:
    observed = Observed(alone(3.0, servers=4), 3500)
    assert not observed["stations.station.wait_s"].covers(mmc(3.0, 1.05, 4).wait_s)
