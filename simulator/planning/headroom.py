"""Most users under a standard, by bisection with common random numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from architecture.design import Design
from simulator.figures import Figures
from simulator.hospital.capacity import Scenario
from simulator.planning.standard import Standard, Verdict, judge

REPLICATIONS = 4
MOST_USERS = 20_000
# The answer is within this share of the number of users.
TOLERANCE = 0.02

Judge = Callable[[int], Verdict]


@dataclass(frozen=True)
class HeadRoom:
    """The most users that were seen to be served to standard, and what gave way at the next try.

    Attributes:
        users: Most users that met the standard; 0 when not even one did.
        breaks_at: Fewest users tried that did not; None when the search's end was reached.
        reason: The limit that broke there, or was nearest at the search's end.
        tried: Users and whether the standard was met, in the order they were tried.
    """

    users: int
    breaks_at: int | None
    reason: Verdict
    tried: tuple[tuple[int, bool], ...]

    def over(self, users: int) -> float:
        """Head-room over so many users: 0.5 for half as many again, negative for too few."""
        return self.users / users - 1.0


def head_room(
    design: Design, figures: Figures, standard: Standard, *, scenario: Scenario | None = None,
    seed: int = 1, replications: int = REPLICATIONS, at_most: int = MOST_USERS,
    tolerance: float = TOLERANCE, begin: int | None = None,
) -> HeadRoom:  # fmt: skip
    """Most users of a design.

    More users are never served faster (the simulator's property tests), so the numbers that hold
    lie below those that don't: doubling finds a bracket, bisection narrows it. All tries share
    their random numbers. ``begin`` is the first number tried, the workload's by default.

    Raises:
        ValueError: when ``begin`` or ``at_most`` is under 1.
    """
    played = scenario or Scenario()

    def try_users(users: int) -> Verdict:
        return judge(
            design, figures, standard, replace(played, users=users), seed=seed,
            replications=replications,
        )  # fmt: skip

    first = design.workload.users if begin is None else begin
    return most(try_users, begin=min(first, at_most), at_most=at_most, tolerance=tolerance)


def most(judged: Judge, *, begin: int, at_most: int, tolerance: float) -> HeadRoom:
    """Largest number that meets a monotone verdict, within ``tolerance`` of itself.

    Raises:
        ValueError: when ``begin`` is not within 1 and ``at_most``.
    """
    if not 1 <= begin <= at_most:
        raise ValueError(f"1 ≤ begin ≤ at_most is required, got {begin} and {at_most}")
    tried: list[tuple[int, bool]] = []

    def met(users: int) -> Verdict:
        verdict = judged(users)
        tried.append((users, verdict.met))
        return verdict

    low, high = 0, at_most + 1
    users, reason = begin, None
    while low < users < high:
        verdict = met(users)
        if verdict.met:
            low = users
            if reason is None and low == at_most:
                reason = verdict
        else:
            high, reason = users, verdict
        if high - low <= max(1, int(tolerance * low)):
            break
        doubled = min(2 * low, at_most) if low else users // 2
        users = doubled if high > at_most and doubled > low else (low + high) // 2
        if low == at_most:
            break
    if reason is None:
        raise ValueError("no number was tried")
    return HeadRoom(low, high if high <= at_most else None, reason, tuple(tried))
