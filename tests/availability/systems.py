"""Textbook systems with their closed forms, shared by the tests of solver and simulation."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.availability import textbook
from simulator.availability.lives import Life
from simulator.availability.plant import Numbers, Plant

FAILURE, REPAIR = 1 / 50, 1 / 4  # an hour; frequent, so that a simulation sees many
COVERAGE, BY_HAND, BETA = 0.8, 1 / 2, 0.15


@dataclass(frozen=True)
class System:
    """A plant, its figures and its unavailability by a closed form."""

    plant: Plant
    numbers: Numbers
    unavailability: float


def _switched(units: int) -> Numbers:
    return textbook.numbers(
        units, FAILURE, REPAIR, {"by-hand": BY_HAND},
        {"covered": COVERAGE, "uncovered": 1 - COVERAGE},
    )  # fmt: skip


def _shared_cause() -> Numbers:
    alone, common = Life(1 / ((1 - BETA) * FAILURE)), Life(1 / (BETA * FAILURE))
    return Numbers(failure=(alone, alone, common), repair=(Life(1 / REPAIR),) * 3)


SYSTEMS = {
    "single": System(
        textbook.Redundant.of(1),
        textbook.numbers(1, FAILURE, REPAIR),
        textbook.single(FAILURE, REPAIR),
    ),
    "parallel": System(
        textbook.Redundant.of(2),
        textbook.numbers(2, FAILURE, REPAIR),
        textbook.k_of_n(1, 2, FAILURE, REPAIR),
    ),
    "parallel-with-coverage": System(
        textbook.Covered.of(2),
        _switched(2),
        textbook.parallel_with_coverage(FAILURE, REPAIR, COVERAGE, BY_HAND),
    ),
    "standby-with-imperfect-switching": System(
        textbook.ColdStandby.of(2),
        _switched(2),
        textbook.cold_standby(FAILURE, REPAIR, COVERAGE, BY_HAND),
    ),
    "two-of-three": System(
        textbook.Redundant.of(3, needed=2),
        textbook.numbers(3, FAILURE, REPAIR),
        textbook.k_of_n(2, 3, FAILURE, REPAIR),
    ),
    "shared-repair": System(
        textbook.Redundant.of(3, crews=1),
        textbook.numbers(3, FAILURE, REPAIR),
        textbook.shared_repair(3, FAILURE, REPAIR),
    ),
    "common-cause": System(
        textbook.CommonCause.of(3),
        _shared_cause(),
        textbook.common_cause(FAILURE, REPAIR, BETA),
    ),
}
