"""Where clinicians are when a fault strikes."""

from __future__ import annotations

import numpy as np
import pytest

from architecture import Design, load_design
from simulator.journey_chain import repeated_steps, transitions, visits


def test_chain_of_the_ward_round_is_what_one_writes_down() -> None:
    """Look-up → note → chat with probability one half, else look-up again."""
    local = load_design("local", ["workload.journeys.ward-round.steps.3.probability=0.5"])
    steps = [step.request for step in repeated_steps(local.workload)]
    assert steps == ["lookup", "note", "chat"]
    expected = [[0, 1, 0], [0.5, 0, 0.5], [1, 0, 0]]
    assert transitions(local.workload) == pytest.approx(np.array(expected))
    assert visits(transitions(local.workload)) == pytest.approx(np.array([0.4, 0.4, 0.2]))


def test_what_is_done_only_at_a_sessions_start_is_not_repeated(dual: Design) -> None:
    requests = {step.request for step in repeated_steps(dual.workload)}
    assert not {"login", "face-login"} & requests
    chain = transitions(dual.workload)
    assert chain.sum(axis=1) == pytest.approx(np.ones(len(chain)))


def test_chain_over_several_journeys_weighs_them() -> None:
    pause = "think_s: {kind: constant, value: 1}"
    journeys = f"""workload.journeys={{
      a: {{title: a, weight: 3, steps: [{{request: lookup, probability: 0.5, {pause}}}]}},
      b: {{title: b, weight: 1, steps: [{{request: note, {pause}}}]}}}}"""
    design = load_design("dual-m3-ultra", [journeys])
    chain = transitions(design.workload)
    assert chain.sum(axis=1) == pytest.approx(np.ones(2))
    # A round takes a look-up with 0.75 · 0.5 and a note with 0.25.
    assert visits(chain) == pytest.approx(np.array([0.6, 0.4]))
