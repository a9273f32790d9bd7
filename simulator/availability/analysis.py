"""The whole analysis of one design, as the command line and the findings ask for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from architecture.design import Design
from simulator.availability.changes import buy
from simulator.availability.exact import ExactModel
from simulator.availability.importance import Importance, importance, simulated_importance
from simulator.availability.questions import leases, repairs, spares
from simulator.availability.result import Uptime
from simulator.availability.uptime import (
    MEASURES,
    REPLICATIONS,
    YEARS,
    Inputs,
    UptimeModel,
    simulate_uptime,
)

Progress = Callable[[str], None]


def analyse(
    design: Design, *, years: int = YEARS, replications: int = REPLICATIONS, seed: int = 1,
    inputs: Inputs = "drawn", with_importance: bool = False, with_changes: bool = False,
    with_lease: bool = False, repair_of: str | None = None, progress: Progress | None = None,
) -> Uptime:  # fmt: skip
    """Predict a design's uptime, and answer the questions asked for.

    Args:
        design: What is analysed.
        years: Simulated in all.
        replications: Among which they are shared out.
        seed: Same seed, same answer.
        inputs: ``typical`` leaves out what is unsure about the figures.
        with_importance: Every component, with simulations in which it is perfect.
        with_changes: Single changes, most uptime for the money first.
        with_lease: The lease's and the detector's trade-off.
        repair_of: A failure mode whose repair time and spares are varied.
        progress: Told what is being done.

    Raises:
        InputError: when a question does not fit the design.
        ValueError: when years and replications do not fit.
    """
    tell = progress or (lambda _message: None)
    tell("measuring the design's failovers")
    model = UptimeModel(design)
    made = simulate_uptime(
        design, years=years, replications=replications, seed=seed, inputs=inputs, model=model,
        progress=tell,
    )  # fmt: skip
    tell("solving the Markov chain for many draws of the uncertain figures")
    exact = ExactModel(model)
    extras: dict[str, Any] = {}
    if with_importance:
        simulated = simulated_importance(
            model, made, years=years // replications, seed=seed, inputs=inputs, progress=tell
        )
        extras["importance"] = [_row(item, simulated) for item in importance(exact)]
    if with_changes:
        extras["changes"] = [asdict(item) for item in buy(design, seed=seed, progress=tell)]
    if with_lease:
        tell("trying leases and detectors")
        extras["leases"] = [asdict(item) for item in leases(design)]
    if repair_of is not None:
        tell(f"varying repairs of '{repair_of}'")
        extras["repairs"] = [asdict(item) for item in repairs(design, repair_of, seed=seed)]
        if design.failures[repair_of].mean_time_to_exchange_h is not None:
            extras["spares"] = [asdict(item) for item in spares(design, repair_of, seed=seed)]
    return Uptime(
        design=design,
        seed=seed,
        years=years,
        inputs=inputs,
        replications=made,
        exact=exact,
        uncertain_h=exact.draws(MEASURES, seed=seed),
        extras=extras,
    )


def _row(item: Importance, simulated: dict[str, Any]) -> dict[str, Any]:
    return {**asdict(item), "simulated_min": simulated[item.cause]}
