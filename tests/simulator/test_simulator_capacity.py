"""The capacity model against exact solutions, and its own laws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import yaml

from architecture import Design, load_design
from simulator import CapacityResult, Figures, StepTimes, exactly, simulate
from tests.simulator.simulator_figures import STEPS, certain_figures

# Student's t with 23 degrees of freedom: a true model fails one test in about 1,400 seeds.
Z = 4.0
REPLICATIONS = 24


def single_request_design(
    *, think_s: float, cpu_s: float, database_s: float, extra: Sequence[str] = ()
) -> Design:
    """One exponential API worker and one exponential database connection, visited in turn."""

    def exponential(mean: float) -> dict[str, Any]:
        return {"kind": "exponential", "mean": mean} if mean else {"kind": "constant", "value": 0}

    step = {"request": "lookup", "think_s": exponential(think_s)}
    journeys = {"only": {"title": "look-ups", "steps": [step]}}
    settings: dict[str, object] = {
        "workload.journeys": journeys,
        "workload.arrivals": {},
        "workload.demands.lookup.cpu_s": exponential(cpu_s),
        "workload.demands.lookup.database_s": exponential(database_s),
        "workload.client.timeout_s": 1e6,
        "workload.ramp_s": 0,
        "api.workers": 1,
        "api.database_pool_size": 1,
        "links": [],
    }
    items = [f"{key}={yaml.safe_dump(value, default_flow_style=True).strip().removesuffix('...')}"
             for key, value in settings.items()]  # fmt: skip
    return load_design("dual-m3-ultra", [*items, *extra])


def slow_figures(design: Design) -> Figures:
    """A language model that a processor runs: about two seconds an answer alone."""
    steps = StepTimes(
        prefill_base_s=0.02,
        prefill_per_token_s=0.0065,
        decode_base_s=0.135,
        decode_per_sequence_s=0.0136,
    )
    slow = exactly(steps, source="set by the test")
    return certain_figures(design).model_copy(update={"step_times": slow})


def mean_value_analysis(users: int, think_s: float, demands_s: Sequence[float]) -> float:
    """Mean response time of a closed product-form network (Reiser & Lavenberg 1980)."""
    lengths = [0.0] * len(demands_s)
    response = 0.0
    for population in range(1, users + 1):
        residences = [d * (1 + q) for d, q in zip(demands_s, lengths, strict=True)]
        response = sum(residences)
        throughput = population / (think_s + response)
        lengths = [throughput * residence for residence in residences]
    return response


def replication_means(result: CapacityResult, operation: str = "lookup") -> np.ndarray:
    return np.array([made.latency[operation]["mean"] for made in result.replications])


@pytest.mark.parametrize("users", [5, 15])
def test_closed_network_answers_as_mean_value_analysis_says(users: int) -> None:
    design = single_request_design(think_s=1.0, cpu_s=0.08, database_s=0.05)
    result = simulate(
        design, certain_figures(design), users=users, seed=21, replications=REPLICATIONS,
        duration_s=120, warmup_s=20,
    )  # fmt: skip
    means = replication_means(result)
    expected = mean_value_analysis(users, 1.0, [0.08, 0.05])
    error = means.std(ddof=1) / math.sqrt(len(means))
    assert abs(means.mean() - expected) <= Z * error, (means.mean(), expected, error)
    throughput = result.journeys["lookup"]["throughput_per_s"].estimate
    utilisation = result.stations["api mac-1"]["utilisation"].estimate
    assert utilisation == pytest.approx(throughput * 0.08, rel=0.02)
    assert result.bottleneck == "api mac-1"


def test_same_seed_gives_the_same_bytes_and_another_seed_others(local: Design) -> None:
    def run(seed: int) -> CapacityResult:
        return simulate(
            local, certain_figures(local), users=40, seed=seed, replications=2, duration_s=60,
            warmup_s=30,
        )  # fmt: skip

    first, second, other = run(4), run(4), run(5)
    assert first.replications == second.replications
    assert first.document() == second.document()
    assert first.replications != other.replications


def test_more_users_are_never_served_faster() -> None:
    """Common random numbers, from nearly idle to overloaded; means over four replications."""
    local = load_design("local", ["workload.journeys.ward-round.steps.3.probability=0.06"])
    queueing = single_request_design(think_s=1.0, cpu_s=0.08, database_s=0.05)
    for design, figures, operation, populations in (
        (queueing, certain_figures(queueing), "lookup", (2, 6, 12, 24)),
        (local, slow_figures(local), "chat", (30, 120, 240, 400)),
    ):
        means = [
            replication_means(
                simulate(
                    design, figures, users=users, seed=6, replications=4, duration_s=80,
                    warmup_s=40,
                ),
                operation,
            ).mean()
            for users in populations
        ]  # fmt: skip
        assert np.all(np.diff(means) > 0), means


def test_overload_refuses_and_times_out_and_loses_no_request(local: Design) -> None:
    """`simulate` asserts the conservation law itself; here every way to end is taken."""
    overrides = [
        "inference.max_batch=2", "inference.max_queue=6", "inference.queue_timeout_s=3",
        "workload.client.chat_timeout_s=4", "workload.client.attempts=3",
    ]  # fmt: skip
    design = load_design("local", overrides)
    result = simulate(
        design, slow_figures(design), users=400, seed=2, replications=2, duration_s=100,
        warmup_s=30,
    )  # fmt: skip
    for replication in result.replications:
        counts = replication.counts
        assert counts.refused > 0
        assert counts.timed_out > 0
        ended = counts.completed + counts.refused + counts.timed_out
        assert 0 <= counts.arrived - ended <= 400
    assert result.bottleneck == "inference mac-1"


def test_clients_give_up_at_their_time_out_and_try_again_after_the_pause() -> None:
    """A request of 5 s against a time-out of 1 s and a pause of 0.5 s, tried three times."""
    extra = [
        "workload.demands.lookup.cpu_s={kind: constant, value: 5}",
        "workload.journeys.only.steps.0.think_s={kind: constant, value: 10}",
        "workload.client.timeout_s=1",
        "workload.client.retry_backoff_s=0.5",
        "workload.client.attempts=3",
        "api.workers=4",
    ]
    design = single_request_design(think_s=1, cpu_s=1, database_s=0, extra=extra)
    result = simulate(
        design, certain_figures(design), users=1, seed=1, replications=2, duration_s=141,
        warmup_s=0,
    )  # fmt: skip
    counts = result.replications[0].counts
    # Rounds of 10 s of thought and 1 + 0.5 + 1 + 0.5 + 1 s of trying: ten in 140 s.
    assert (counts.arrived, counts.timed_out, counts.completed) == (30, 30, 0)
    assert "lookup" not in result.journeys


def test_uncertain_speeds_widen_the_interval_and_known_ones_do_not(local: Design) -> None:
    certain = certain_figures(local)
    wide = STEPS.model_copy(
        update={"decode_base_s": STEPS.decode_base_s.model_copy(update={"low": 0.02, "high": 0.09})}
    )

    def width(figures: Any) -> float:
        result = simulate(
            local, figures, users=60, seed=3, replications=8, duration_s=120, warmup_s=30
        )
        mean = result.journeys["chat"]["latency_s"]["mean"]
        return float(mean.upper - mean.lower)

    assert width(certain.model_copy(update={"step_times": wide})) > 2 * width(certain)


def test_precision_is_reached_by_more_replications() -> None:
    local = load_design("local", ["workload.journeys.ward-round.steps.3.probability=0.5"])
    loose = simulate(
        local, certain_figures(local), users=50, seed=1, replications=3, duration_s=60, warmup_s=0,
        precision=0.25, at_most=40,
    )  # fmt: skip
    for operation in loose.journeys.values():
        mean = operation["latency_s"]["mean"]
        assert mean.upper - mean.estimate <= 0.25 * mean.estimate
    assert 3 <= len(loose.replications) < 40
