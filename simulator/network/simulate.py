"""Simulating a network: warm-up, replications, estimates."""

from __future__ import annotations

import numpy as np

from architecture.station_network import StationNetwork
from architecture.stations import CustomerClass, ListedArrivals, ProfileArrivals
from simulator.network.load import offered_load
from simulator.network.replication import NetworkTask, inside_over_time
from simulator.network.result import SATURATED, NetworkResult, estimates_of
from simulator.replications import Store, Tell, replicate
from simulator.statistics import Precision, warm_up

# For the warm-up: so many replications of the observed time, looked at so often.
PILOTS = 10
PILOT_POINTS = 500


def simulate_network(
    network: StationNetwork, *, seed: int = 1, replications: int | Precision | None = None,
    duration_s: float | None = None, warmup_s: float | None = None, confidence: float = 0.95,
    store: Store | None = None, jobs: int | None = 1, tell: Tell | None = None,
) -> NetworkResult:  # fmt: skip
    """Simulate a network of stations.

    Args:
        network: What is simulated, as :func:`architecture.station_network.load_network` gives it.
        seed: Same seed, same result, whatever ``jobs`` is.
        replications: How many, or until metrics are precise; the file's number by default.
        duration_s: Observed time of each; the file's by default.
        warmup_s: Time before that is not observed; the file's by default. When the file has none
            either, MSER-5 decides on the mean over ten pilot replications; it is 0 when the
            network has no steady state to wait for: arrivals that follow a profile or a list, or a
            timetable.
        confidence: Of the intervals.
        store: Where finished replications are kept.
        jobs: Processes; None for all cores.
        tell: Told of progress.

    Raises:
        ConservationError, ReplicationError: when the model is wrong.
        ValueError: for numbers that make no simulation.
    """
    run = network.run
    observed_s = run.duration_s if duration_s is None else duration_s
    before_s = run.warmup_s if warmup_s is None else warmup_s
    if observed_s <= 0 or (before_s is not None and before_s < 0):
        raise ValueError("duration_s > 0 and warmup_s ≥ 0 are required")
    notes = _notes_on_load(network)
    if before_s is None:
        before_s, settled = automatic_warmup_s(network, seed, observed_s)
        if not settled:
            notes.append(
                "the network has not settled within the observed time: what is estimated depends "
                "on its empty beginning; simulate longer, or look for a station that is overloaded"
            )
    made = replicate(
        NetworkTask(network, observed_s, before_s), seed=seed, store=store, jobs=jobs, tell=tell,
        replications=run.replications if replications is None else replications,
    )  # fmt: skip
    if not made.precise:
        notes.append("the precision asked for was not reached")
    estimates, too_few = estimates_of(made, confidence)
    return NetworkResult(
        network, made, estimates, before_s, offered_load(network), tuple(notes + too_few)
    )


def automatic_warmup_s(network: StationNetwork, seed: int, duration_s: float) -> tuple[float, bool]:
    """How long the network needs from empty to its steady state, and whether it got there.

    MSER-5 on the mean over replications of the number of customers inside.
    """
    if network.timetable or any(map(_changes_with_time, network.classes.values())):
        return 0.0, True
    runs = np.array(
        [
            inside_over_time(network, seed, pilot, duration_s=duration_s, points=PILOT_POINTS)
            for pilot in range(PILOTS)
        ]
    )
    found = warm_up(runs)
    return found.points / PILOT_POINTS * duration_s, found.settled


def _changes_with_time(customers: CustomerClass) -> bool:
    return isinstance(customers.arrivals, ProfileArrivals | ListedArrivals)


def _notes_on_load(network: StationNetwork) -> list[str]:
    return [
        f"{name} is offered {load:.3g} times what it can serve and its queue has no limit: it "
        "grows as long as the simulation lasts"
        for name, load in offered_load(network).items()
        if load >= SATURATED and _endless(network, name)
    ]


def _endless(network: StationNetwork, name: str) -> bool:
    """Whether nothing but service takes customers out of the queue."""
    spec = network.stations[name]
    limited = spec.capacity is not None or spec.patience_s is not None or spec.balking is not None
    comers = [c for c in network.classes.values() if name in c.reachable()]
    return not limited and any(c.timeout_s is None for c in comers)
