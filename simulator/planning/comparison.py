"""Two designs under the same chance: paired differences of every metric both have."""

from __future__ import annotations

from architecture.design import Design
from simulator.figures import Figures
from simulator.hospital.capacity import Scenario
from simulator.hospital.task import HospitalTask
from simulator.statistics import PairedDifference, paired

REPLICATIONS = 12


def compare(
    first: tuple[Design, Figures], second: tuple[Design, Figures], *,
    scenario: Scenario | None = None, seed: int = 1, replications: int = REPLICATIONS,
) -> dict[str, PairedDifference]:  # fmt: skip
    """Second − first by metric (see :class:`simulator.hospital.task.HospitalTask`).

    Replication n of both sees the same clinicians, think times and sizes, and the same quantile of
    every uncertain figure they share, so the difference's interval is that of the designs.

    Raises:
        ConservationError: when the model loses or invents a request.
    """
    played = scenario or Scenario()
    made = [
        [HospitalTask(design, figures, played)(seed, number) for number in range(replications)]
        for design, figures in (first, second)
    ]
    shared = [metric for metric in made[0][0] if metric in made[1][0]]
    found = {
        metric: paired([row[metric] for row in made[0]], [row[metric] for row in made[1]])
        for metric in shared
    }
    return {metric: difference for metric, difference in found.items() if difference is not None}
