"""Planning finds what trying everything finds, and says why the rest lost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from architecture import Design, InputError, load_design
from simulator.figures import figures_for
from simulator.hospital import Scenario
from simulator.planning import (
    Choice,
    Limit,
    Standard,
    Verdict,
    cheapest,
    compare,
    cost_of,
    head_room,
    judge,
    options,
    standard_of,
)
from simulator.planning.headroom import most

SHORT = Scenario(duration_s=90.0, warmup_s=40.0)
STRICT = Standard((Limit("dictation.latency_s.mean", 2.0, "a dictation's text, mean"),))
HARDWARE = ["mac-mini-m4-pro", "mac-studio-m4-max", "mac-studio-m3-ultra"]


@pytest.fixture(scope="module")
def pair() -> Design:
    return load_design("dual-m3-ultra")


@settings(max_examples=200, deadline=None)
@given(
    limit=st.integers(0, 3000), begin=st.integers(1, 2000), at_most=st.integers(1, 2500),
)  # fmt: skip
def test_bisection_finds_the_last_number_of_users_that_holds(
    limit: int, begin: int, at_most: int
) -> None:
    begin = min(begin, at_most)

    def judged(users: int) -> Verdict:
        return Verdict(users <= limit, Limit("users", limit, "users"), float(users))

    found = most(judged, begin=begin, at_most=at_most, tolerance=0.0)
    assert found.users == min(limit, at_most)
    assert found.breaks_at == (limit + 1 if limit < at_most else None)
    assert len(found.tried) <= 26


def test_most_users_are_those_that_trying_every_number_finds(pair: Design) -> None:
    figures = figures_for(load_design("dual-m3-ultra"))
    tight = Standard((Limit("gpu mac-1.utilisation", 0.06, "the accelerator's utilisation"),))

    def met(users: int) -> bool:
        return judge(pair, figures, tight, replace(SHORT, users=users), seed=3, replications=2).met

    found = head_room(
        pair, figures, tight, scenario=SHORT, seed=3, replications=2, at_most=40, tolerance=0.0,
        begin=5,
    )  # fmt: skip
    assert 1 < found.users < 40
    assert met(found.users)
    assert found.breaks_at is not None
    assert not met(found.breaks_at)
    assert found.breaks_at == found.users + 1


def test_the_cheapest_is_that_of_simulating_every_option(pair: Design) -> None:
    choices = options(pair, Choice(hardware=HARDWARE, nodes=[1, 2]))
    found = cheapest(choices, STRICT, users=60, scenario=SHORT, seed=2, replications=2)
    holding = [
        option
        for option in choices
        if option.figures is not None
        and judge(
            option.design, option.figures, STRICT, replace(SHORT, users=60), seed=2, replications=2
        ).met
    ]
    assert holding
    best = min(holding, key=lambda option: (option.cost.total.typical, option.nodes, option.words))
    assert found.chosen is not None
    assert found.chosen.option.words == best.words


def test_every_rejected_option_says_why(pair: Design) -> None:
    choices = options(pair, Choice(hardware=HARDWARE, nodes=[1, 2]))
    found = cheapest(choices, STRICT, users=60, scenario=SHORT, seed=2, replications=2)
    assert len(found.rejected) == len(choices) - 1
    for judged in found.rejected:
        assert judged.reason
        if judged.verdict is None:
            assert "costs R$" in judged.reason
        else:
            assert "> 2" in judged.reason


def test_what_does_not_fit_the_memory_is_not_simulated(pair: Design) -> None:
    wide = load_design("dual-m3-ultra", ["inference.max_prompt_tokens=130000"])
    [option] = options(wide, Choice(hardware=["mac-mini-m4"]))
    assert "memory" in option.problem
    found = cheapest([option], STRICT, users=10, scenario=SHORT)
    assert found.chosen is None
    assert found.rejected[0].verdict is None
    assert "memory" in found.rejected[0].reason


def test_a_machine_of_unknown_speed_is_rejected_by_name(pair: Design) -> None:
    [option] = options(pair, Choice(hardware=["edge-appliance"]))
    assert "peak_flops" in option.problem


def test_an_unknown_choice_is_refused(pair: Design) -> None:
    with pytest.raises(InputError, match="abacus"):
        options(pair, Choice(hardware=["abacus"]))


def test_a_design_without_a_node_to_choose_is_refused() -> None:
    with pytest.raises(InputError, match="api and inference"):
        options(load_design("mac-mini-cluster"), Choice())


def test_more_users_never_make_a_cheaper_option_hold(pair: Design) -> None:
    choices = options(pair, Choice(hardware=HARDWARE))
    prices = []
    for users in (10, 40, 90):
        found = cheapest(choices, STRICT, users=users, scenario=SHORT, seed=2, replications=2)
        chosen = found.chosen
        prices.append(float("inf") if chosen is None else chosen.option.cost.total.typical)
    assert prices == sorted(prices)


def test_the_cost_is_the_sum_one_writes_down() -> None:
    """Design A: three Mac minis M4 and one M4 Pro in the hospital, three cloud nodes all year."""
    cost = cost_of(load_design("mac-mini-cluster"), years=5)
    assert cost.capital.typical == 3 * 11_200 + 23_700
    watts = 3 * 30 + 60
    assert cost.energy.typical == pytest.approx(watts / 1000 * 8766 * 5 * 1.5 * 0.90)
    assert cost.cloud.typical == pytest.approx((0.2127 * 3 * 8766 + 600) * 5 * 5.6)
    assert cost.total.low < cost.total.typical < cost.total.high
    assert cost.unpriced == ()


def test_a_machine_without_a_price_is_named() -> None:
    assert set(cost_of(load_design("local")).unpriced) == {
        "mac-1",
        "mac-2",
        "edge",
        "edge-2",
        "gcp",
    }


def test_the_standard_holds_the_designs_own_objectives(pair: Design) -> None:
    limits = {limit.metric: limit.at_most for limit in standard_of(pair).limits}
    assert limits["lookup.latency_s.p95"] == 0.1
    assert limits["failed_share"] == 0.01


def test_a_design_does_not_differ_from_itself_and_the_wan_shows_in_design_a(pair: Design) -> None:
    scenario = replace(SHORT, users=20)
    cluster = load_design("mac-mini-cluster")
    ours, theirs = (pair, figures_for(pair)), (cluster, figures_for(cluster))
    same = compare(ours, ours, scenario=scenario, replications=3)
    assert all(found.difference.estimate == 0 for found in same.values())
    other = compare(ours, theirs, scenario=scenario, replications=6)
    lookups = other["lookup.latency_s.mean"]
    assert lookups.direction == "more"
    assert 0.005 < lookups.difference.estimate < 0.06
