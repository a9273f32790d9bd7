"""The places of the emergency site: 50 clinicians at once (B-17), the next is told when to retry.

A clinician holds a place from the first request until `IDLE_S` after the last one, or until the
log-out. Critical alerts need no place, nor does logging in: whoever has none can still call for
help. Accounts that only watch the system take nobody's place. Places are counted by one process,
which is all that an emergency site runs.
"""

import time
from collections.abc import Callable, Collection
from typing import Final
from uuid import UUID

from reference_stack.api.metrics import Metrics
from reference_stack.api.problems import EMERGENCY_FULL, ProblemError

#: A chat and the look at its answer; whoever is away for longer gives the place to a colleague.
IDLE_S: Final = 120.0


class EmergencyPlaces:
    """At most ``limit`` clinicians beside the ``watchers``; ``clock`` never goes back (seconds)."""

    def __init__(
        self, limit: int, metrics: Metrics, clock: Callable[[], float] = time.monotonic, *,
        watchers: Collection[UUID] = (),
    ) -> None:  # fmt: skip
        self.limit = limit
        self._watchers = frozenset(watchers)
        self._metrics = metrics
        self._clock = clock
        self._seen: dict[UUID, float] = {}

    def enter(self, clinician: UUID) -> None:
        """Take or keep a place.

        Raises `ProblemError` (503), which says when the longest idle place will be free.
        """
        if clinician in self._watchers:
            return
        now = self._clock()
        if clinician not in self._seen and len(self._seen) >= self.limit:
            self._seen = {one: at for one, at in self._seen.items() if now - at < IDLE_S}
            if len(self._seen) >= self.limit:
                left_s = IDLE_S - (now - min(self._seen.values()))
                raise ProblemError(
                    EMERGENCY_FULL,
                    f"{self.limit} clinicians are being served; critical alerts still pass",
                    retry_after_s=max(1, round(left_s + 0.5)),
                )
        self._seen[clinician] = now
        self._metrics.emergency_users(len(self._seen))

    def leave(self, clinician: UUID) -> None:
        """Give the place back."""
        self._seen.pop(clinician, None)
        self._metrics.emergency_users(len(self._seen))

    def taken(self) -> int:
        """Places held now."""
        now = self._clock()
        return sum(now - at < IDLE_S for at in self._seen.values())
