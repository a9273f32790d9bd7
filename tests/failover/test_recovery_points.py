"""What is lost: never what was waited for, and what the closed form says of the rest."""

from __future__ import annotations

import math

import numpy as np
import pytest

from architecture import load_design
from simulator.failover.faults import PRIMARY_FAULTS, FaultName
from simulator.recovery_point import (
    Store,
    behind,
    central_loss,
    expected_loss_s,
    loss_samples,
    some_loss_probability,
    wan_down_share,
    writes_per_s,
)


@pytest.mark.parametrize("fault", [*PRIMARY_FAULTS, "switchover", "standby-power-loss"])
def test_synchronous_replication_loses_nothing_while_a_node_lives(fault: FaultName) -> None:
    samples = loss_samples(load_design("local"), fault, replications=100)
    assert (samples == 0).all().all()


def test_asynchronous_replication_loses_what_the_standby_lacks() -> None:
    samples = loss_samples(load_design("asynchronous"), "primary-power-loss", seed=3)
    assert samples.rpo_s.max() > 0
    assert (samples.rpo_s <= samples.behind_s).all()
    assert ((samples.rpo_s > 0) == (samples.lost_writes > 0)).all()


def test_losses_meet_the_closed_form_of_poisson_writes() -> None:
    """With the WAN cut for ten seconds the gap is almost fixed: within four standard errors."""
    design = load_design("local")
    samples = loss_samples(design, "both-power-loss", seed=5, wan_cut_s=10.0)
    rate, gap_s = writes_per_s(design), float(samples.behind_s.mean())
    n = len(samples)
    error = samples.rpo_s.std() / math.sqrt(n)
    assert abs(samples.rpo_s.mean() - expected_loss_s(rate, gap_s)) <= 4 * error
    assert abs(samples.lost_writes.mean() - rate * gap_s) <= 4 * math.sqrt(rate * gap_s / n)


def test_rsync_every_five_seconds_loses_documents_as_often_as_computed() -> None:
    """D-04. P(loss) is the mean of 1 − exp(−λ·age) over the ages; four standard errors."""
    design = load_design("rsync-documents")
    samples = loss_samples(design, "primary-power-loss", "documents", seed=5)
    rate = writes_per_s(design, "documents")
    expected = np.mean([some_loss_probability(rate, age) for age in samples.behind_s])
    found = (samples.lost_writes > 0).mean()
    assert abs(found - expected) <= 4 * math.sqrt(expected * (1 - expected) / len(samples))
    assert samples.behind_s.between(0.1, 7.0).all()
    assert central_loss(samples, "rpo_s").upper <= 7.0


@pytest.mark.parametrize(
    ("store", "name", "nothing_left"),
    [("database", "local", False), ("documents", "local", False), ("cache", "local", True),
     ("documents", "rsync-documents", True)],
)  # fmt: skip
def test_what_survives_both_nodes(store: Store, name: str, nothing_left: bool) -> None:
    gap = behind(load_design(name), "both-power-loss", store)
    assert (gap.nothing_left, gap.waits) == (nothing_left, False)


def test_writes_a_second_are_users_times_notes_over_a_rounds_pauses() -> None:
    steps = (
        "{request: lookup, think_s: {kind: constant, value: 15}},"
        "{request: note, think_s: {kind: constant, value: 35}}"
    )
    design = load_design(
        "local",
        ["workload.users=100", f"workload.journeys={{w: {{title: t, steps: [{steps}]}}}}"],
    )
    only = design.model_copy(
        update={
            "workload": design.workload.model_copy(
                update={"journeys": {"w": design.workload.journeys["w"]}}
            )
        }
    )
    assert writes_per_s(only) == pytest.approx(100 / 50)


def test_the_wan_is_down_for_its_repairs_share_of_time() -> None:
    assert wan_down_share(load_design("dual-m3-ultra")) == pytest.approx(2 / 2202)


def test_same_seed_same_losses() -> None:
    design = load_design("local")
    first, second = (loss_samples(design, "both-power-loss", seed=2) for _ in "ab")
    assert first.equals(second)
