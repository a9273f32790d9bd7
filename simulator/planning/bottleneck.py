"""Which station gives way first: the busiest, and the one whose waits grow fastest with load."""

from __future__ import annotations

from dataclasses import dataclass, replace

from architecture.design import Design
from simulator.figures import Figures
from simulator.hospital.capacity import Scenario, simulate
from simulator.hospital.result import CapacityResult

LESS_LOAD = 0.8


@dataclass(frozen=True)
class Bottleneck:
    """The two answers, and each station's figures behind them.

    Attributes:
        by_utilisation: The busiest station.
        by_growth: The one whose mean wait grew most, in seconds, from 80 % of the users to all.
        growth_s: That growth by station.
        utilisation: With all users, by station.
    """

    by_utilisation: str
    by_growth: str
    growth_s: dict[str, float]
    utilisation: dict[str, float]


def bottleneck(
    design: Design, figures: Figures, *, scenario: Scenario | None = None, seed: int = 1,
    replications: int = 4, full: CapacityResult | None = None,
) -> Bottleneck:  # fmt: skip
    """Simulate with all and with 80 % of the users (common random numbers).

    Args:
        design: What is simulated.
        figures: Speeds of its hardware.
        scenario: What is played.
        seed: Same seed, same answer.
        replications: Of each of the two.
        full: A result with all users and the same scenario, seed and replications, if there is one.

    Raises:
        ConservationError: when the model loses or invents a request.
    """
    played = scenario or Scenario()
    users = design.workload.users if played.users is None else played.users
    fewer = replace(played, users=max(round(LESS_LOAD * users), 1))
    all_users = full or simulate(
        design, figures, seed=seed, replications=replications, scenario=played
    )
    less = simulate(design, figures, seed=seed, replications=replications, scenario=fewer)
    growth = {
        name: measures["wait_s"].estimate - less.stations[name]["wait_s"].estimate
        for name, measures in all_users.stations.items()
    }
    utilisation = {
        name: measures["utilisation"].estimate for name, measures in all_users.stations.items()
    }
    return Bottleneck(
        by_utilisation=all_users.bottleneck,
        by_growth=max(growth, key=lambda name: growth[name]),
        growth_s=growth,
        utilisation=utilisation,
    )
