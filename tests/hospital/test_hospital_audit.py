"""Audited reads: their event is committed before the answer leaves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simpy import Environment

from architecture import Design, load_design
from simulator import simulate
from simulator.hospital import Scenario
from simulator.hospital.group_commit import GroupCommit
from tests.simulator.simulator_figures import certain_figures, known

FLUSH_S = 0.040


def at(env: Environment, moment_s: float) -> None:
    env.run(until=moment_s)


def test_events_that_come_during_a_commit_share_the_next_one() -> None:
    env = Environment()
    writer = GroupCommit(env)
    assert writer.join(4.0) == 4.0
    at(env, 1.0)
    assert writer.join(6.0) == 3.0 + 6.0
    at(env, 3.0)
    assert writer.join(100.0) == 1.0 + 6.0, "it joins the batch that waits"
    at(env, 5.0)
    assert writer.join(2.0) == 5.0 + 2.0, "that batch is under way: the next one is joined"
    at(env, 50.0)
    assert writer.join(2.0) == 2.0


def look_up_s(design: Design, scenario: Scenario, *, audited: bool) -> float:
    demand = design.workload.demands["lookup"].model_copy(update={"audited": audited})
    demands = {**design.workload.demands, "lookup": demand}
    workload = design.workload.model_copy(update={"demands": demands})
    changed = design.model_copy(update={"workload": workload})
    figures = certain_figures(changed).model_copy(update={"flush_s": known(FLUSH_S)})
    result = simulate(changed, figures, seed=4, replications=4, scenario=scenario)
    return float(np.mean([made.latency["lookup"]["mean"] for made in result.replications]))


@pytest.mark.parametrize(("commit", "flushes"), [("local", 1), ("on", 2)])
def test_a_look_up_waits_for_the_flushes_that_a_note_waits_for(commit: str, flushes: int) -> None:
    """One user, so that no batch is shared: the difference is the flushes alone."""
    local = load_design("local")
    database = local.database.model_copy(update={"commit": commit})
    design = local.model_copy(update={"database": database})
    scenario = replace(Scenario(duration_s=600.0), users=1)
    gained_s = look_up_s(design, scenario, audited=True) - look_up_s(
        design, scenario, audited=False
    )
    assert gained_s == pytest.approx(flushes * FLUSH_S, abs=0.002)
