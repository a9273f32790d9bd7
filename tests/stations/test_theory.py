"""The closed forms, against tables, against each other and against solved Markov chains."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.theory import (
    ClosedStation,
    OpenStation,
    bulk_service,
    closed_network,
    erlang_a,
    erlang_b,
    erlang_c,
    jackson,
    mg1,
    mg1_ps,
    mm1,
    mmc,
    mmck,
    non_preemptive,
    non_preemptive_servers,
    preemptive_resume,
    traffic,
)
from tests.stations.markov_chains import mean_of, stationary


def test_erlangs_formulas_give_the_printed_tables() -> None:
    assert erlang_b(10.0, 10) == pytest.approx(0.2146, abs=5e-5)
    assert erlang_b(5.0, 10) == pytest.approx(0.0184, abs=5e-5)
    assert erlang_c(8.0, 10) == pytest.approx(0.4092, abs=5e-5)


def test_one_server_with_exponential_service_has_the_textbook_answer() -> None:
    answer = mm1(0.8, 1.0)
    assert answer.sojourn_s == pytest.approx(1 / (1 - 0.8))
    assert answer.in_system == pytest.approx(0.8 / 0.2)


def test_special_cases_agree() -> None:
    assert mg1(0.7, 1.0, 1.0).wait_s == pytest.approx(mm1(0.7, 1.0).wait_s)
    assert mg1(0.7, 1.0, 0.0).wait_s == pytest.approx(mm1(0.7, 1.0).wait_s / 2)
    assert mg1_ps(0.7, 1.0).sojourn_s == pytest.approx(mm1(0.7, 1.0).sojourn_s)
    assert mmck(3.0, 1.0, 4, 4).blocked == pytest.approx(erlang_b(3.0, 4))
    assert mmck(3.0, 1.0, 4, 400).wait_s == pytest.approx(mmc(3.0, 1.0, 4).wait_s)
    assert erlang_a(3.0, 1.0, 4, 1e9).wait_s == pytest.approx(mmc(3.0, 1.0, 4).wait_s, rel=1e-6)
    assert bulk_service(0.6, 1.0, 1).wait_s == pytest.approx(mm1(0.6, 1.0).wait_s)


def test_hundreds_of_servers_do_not_overflow() -> None:
    assert erlang_a(1000.0, 1.0, 1000, 1.0).reneged == pytest.approx(0.0126, abs=2e-4)
    assert mmck(900.0, 1.0, 1000, 1000).blocked == pytest.approx(erlang_b(900.0, 1000))


def test_impatience_is_the_chain_it_is_said_to_be() -> None:
    def leaving(state: object) -> list[tuple[object, float]]:
        number = int(str(state))
        up = [(number + 1, 5.0)] if number < 60 else []
        rate = min(number, 3) + max(number - 3, 0) / 2.0
        return [*up, (number - 1, rate)] if number else [*up]

    shares = stationary(0, leaving)
    answer = erlang_a(5.0, 1.0, 3, 2.0)
    assert answer.queue_length == pytest.approx(
        mean_of(shares, lambda n: max(int(str(n)) - 3, 0)), rel=1e-9
    )
    assert answer.utilisation == pytest.approx(
        mean_of(shares, lambda n: min(int(str(n)), 3) / 3), rel=1e-9
    )
    assert answer.reneged == pytest.approx(answer.queue_length / 2.0 / 5.0)


@pytest.mark.parametrize(("size", "rate"), [(2, 1.5), (4, 3.0), (8, 0.5)])
def test_bulk_service_is_the_chain_it_is_said_to_be(size: int, rate: float) -> None:
    def leaving(state: tuple[bool, int]) -> list[tuple[tuple[bool, int], float]]:
        busy, waiting = state
        if not busy:
            return [((True, 0), rate)]
        arrival = [((True, waiting + 1), rate)] if waiting < 120 else []
        after = (True, max(waiting - size, 0)) if waiting else (False, 0)
        return [*arrival, (after, 1.0)]

    shares = stationary((False, 0), leaving)
    answer = bulk_service(rate, 1.0, size)
    assert answer.utilisation == pytest.approx(mean_of(shares, lambda s: s[0]), rel=1e-6)
    assert answer.queue_length == pytest.approx(mean_of(shares, lambda s: s[1]), rel=1e-3)


def test_priorities_are_the_chain_they_are_said_to_be() -> None:
    """Two classes before one exponential server, cut off at 14 and 22 waiting."""
    rates = (0.3, 0.4)

    def arrivals(state: tuple[int, int, int]) -> list[tuple[tuple[int, int, int], float]]:
        serving, high, low = state
        if serving == 0:
            return [((1, 0, 0), rates[0]), ((2, 0, 0), rates[1])]
        found = [((serving, high + 1, low), rates[0])] if high < 14 else []
        return found + ([((serving, high, low + 1), rates[1])] if low < 22 else [])

    def leaving(state: tuple[int, int, int]) -> list[tuple[tuple[int, int, int], float]]:
        serving, high, low = state
        if serving == 0:
            return arrivals(state)
        after = (1, high - 1, low) if high else (2, high, low - 1) if low else (0, 0, 0)
        return [*arrivals(state), (after, 1.0)]

    shares = stationary((0, 0, 0), leaving)
    waits = non_preemptive(rates, (1.0, 1.0), (1.0, 1.0))
    for number, rate in enumerate(rates):
        queue = mean_of(shares, lambda s, n=number: s[1 + n])
        assert waits[number] * rate == pytest.approx(queue, rel=0.01)
    assert non_preemptive_servers(rates, 1.0, 1) == pytest.approx(waits)


def test_priorities_keep_the_whole_queue_as_long_as_without() -> None:
    """Conservation law (Kleinrock): Σ ρ_i·W_i does not depend on the order of service."""
    rates, services = (0.2, 0.3), (1.0, 1.0)
    waits = non_preemptive(rates, services, (0.5, 0.5))
    fifo = mg1(0.5, 1.0, 0.5).wait_s
    assert sum(r * w for r, w in zip(rates, waits, strict=True)) == pytest.approx(0.5 * fifo)


def test_the_first_of_preempting_classes_does_not_notice_the_others() -> None:
    sojourns = preemptive_resume((0.3, 0.4), (1.0, 1.0), (1.0, 1.0))
    assert sojourns[0] == pytest.approx(mm1(0.3, 1.0).sojourn_s)
    # With like exponential services the number inside is that of M/M/1 with both.
    inside = 0.3 * sojourns[0] + 0.4 * sojourns[1]
    assert inside == pytest.approx(mm1(0.7, 1.0).in_system)


def test_a_closed_network_is_the_chain_it_is_said_to_be() -> None:
    """Five members think 2 s, visit two servers of 1 s, then one server of 0.5 s."""
    members = 5

    def leaving(state: tuple[int, int]) -> list[tuple[tuple[int, int], float]]:
        first, second = state
        thinking = members - first - second
        found = [((first + 1, second), thinking / 2.0)] if thinking else []
        if first:
            found.append(((first - 1, second + 1), min(first, 2) / 1.0))
        if second:
            found.append(((first, second - 1), 1 / 0.5))
        return found

    shares = stationary((0, 0), leaving)
    stations = {"first": ClosedStation(1.0, 2), "second": ClosedStation(0.5)}
    answer = closed_network(stations, members, think_s=2.0)
    assert answer.in_station["first"] == pytest.approx(mean_of(shares, lambda s: s[0]))
    assert answer.in_station["second"] == pytest.approx(mean_of(shares, lambda s: s[1]))
    busy = mean_of(shares, lambda s: s[1] > 0)
    assert answer.throughput_per_s == pytest.approx(busy / 0.5)


def test_closed_networks_of_single_servers_agree_with_mean_value_analysis() -> None:
    demands_s, queues = np.array([0.3, 0.2, 0.05]), np.zeros(3)
    for members in range(1, 41):
        sojourns_s = demands_s * (1 + queues)
        throughput = members / (5.0 + sojourns_s.sum())
        queues = throughput * sojourns_s
    stations = {str(number): ClosedStation(demand) for number, demand in enumerate(demands_s)}
    answer = closed_network(stations, 40, think_s=5.0)
    assert answer.throughput_per_s == pytest.approx(throughput)
    assert list(answer.in_station.values()) == pytest.approx(queues)


def test_a_population_never_outruns_its_slowest_station() -> None:
    answer = closed_network({"slow": ClosedStation(0.1, 4), "net": ClosedStation(1.0, None)}, 400)
    assert answer.throughput_per_s == pytest.approx(40.0)
    assert answer.latency_s == pytest.approx(400 / 40.0)


def test_traffic_counts_those_who_come_back() -> None:
    assert traffic([1.0, 0.0], [[0.0, 1.0], [0.5, 0.0]]) == pytest.approx([2.0, 2.0])
    stations = {"only": OpenStation(0.5, 1, arrivals_per_s=0.5)}
    assert jackson(stations, {"only": {"only": 0.5}}).latency_s == pytest.approx(
        2 * 0.5 / (1 - 0.5)
    )


@pytest.mark.parametrize(
    "answer",
    [
        lambda: mm1(1.0, 1.0), lambda: mg1_ps(2.0, 1.0), lambda: bulk_service(4.0, 1.0, 4),
        lambda: erlang_c(4.0, 4), lambda: non_preemptive((0.5, 0.6), (1.0, 1.0), (1.0, 1.0)),
        lambda: mmck(1.0, 1.0, 3, 2), lambda: closed_network({}, 0),
        lambda: traffic([1.0], [[1.0]]),
    ],
)  # fmt: skip
def test_what_has_no_steady_state_is_refused(answer: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        answer()
