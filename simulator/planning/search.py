"""The cheapest option that serves so many users to standard, and why each other one lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from simulator.hospital.capacity import Scenario
from simulator.planning.headroom import REPLICATIONS
from simulator.planning.options import Option
from simulator.planning.standard import Standard, Verdict, judge

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Judged:
    """An option and what became of it; ``verdict`` None when it was not simulated."""

    option: Option
    verdict: Verdict | None
    reason: str


@dataclass(frozen=True)
class Plan:
    """The answer for ``users``: ``chosen`` is None when no option meets the standard."""

    users: int
    chosen: Judged | None
    rejected: tuple[Judged, ...]


def cheapest(
    choices: Sequence[Option], standard: Standard, *, users: int, scenario: Scenario | None = None,
    seed: int = 1, replications: int = REPLICATIONS, progress: Progress | None = None,
) -> Plan:  # fmt: skip
    """The first of ``choices`` (in order of cost) that meets the standard with ``users``.

    Options that can't be built (memory, unknown speed) are not simulated; neither are those that
    cost more than one that holds: they lose by their price whatever they can do. So the answer is
    that of simulating all of them, with fewer simulations.
    """
    played = replace(scenario or Scenario(), users=users)
    tell = progress or (lambda _message: None)
    chosen: Judged | None = None
    rejected: list[Judged] = []
    for option in sorted(choices, key=lambda o: (o.cost.total.typical, o.nodes, o.words)):
        if option.problem or option.figures is None:
            rejected.append(Judged(option, None, option.problem))
        elif chosen is not None:
            more = option.cost.total.typical - chosen.option.cost.total.typical
            rejected.append(Judged(option, None, f"costs R$ {more:,.0f} more than one that holds"))
        else:
            tell(f"simulating {users} users on {option.words}")
            verdict = judge(
                option.design, option.figures, standard, played, seed=seed,
                replications=replications,
            )  # fmt: skip
            judged = Judged(option, verdict, verdict.words)
            if verdict.met:
                chosen = judged
            else:
                rejected.append(judged)
    return Plan(users, chosen, tuple(rejected))
