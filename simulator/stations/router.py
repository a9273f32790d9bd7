"""Where a customer goes next."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from simulator.streams import Variate

Enter = Callable[[Any], None]


class Router:
    """Sends each customer to one of several places, at random.

    Args:
        targets: Where to.
        probabilities: Of each; they must sum to 1.
        uniform: Values uniform on [0, 1), one for each customer.

    Raises:
        ValueError: when the probabilities do not sum to 1 or are as many as the targets.
    """

    def __init__(
        self, targets: Sequence[Enter], probabilities: Sequence[float], uniform: Variate
    ) -> None:
        if abs(sum(probabilities) - 1.0) > 1e-9 or len(targets) != len(probabilities):  # noqa: PLR2004
            raise ValueError(f"probabilities must sum to 1, got {list(probabilities)}")
        self._targets = tuple(targets)
        # The last bound is left out: rounding must not lead beyond the last target.
        self._bounds = list(accumulate(probabilities))[:-1]
        self._uniform = uniform

    def send(self, token: Any) -> None:
        """Let the customer go on."""
        self._targets[bisect(self._bounds, self._uniform())](token)
