"""Bulk service: a server takes up to b waiting customers at once."""

from __future__ import annotations

from scipy.optimize import brentq

from simulator.theory.queue import QueueAnswer, check_load, little


def bulk_service(rate_per_s: float, service_s: float, size: int) -> QueueAnswer:
    """M/M[1,b]/1: a batch of 1 to ``size``, one exponential service for all of it.

    The server takes whoever waits when it becomes free; who comes later waits for the next batch
    (Bailey 1954; Gross, Shortle, Thompson & Harris, 3.2). While it serves, the number waiting is
    geometric with the root r in (0, 1) of μ·r^(b+1) − (λ + μ)·r + λ = 0.

    ``utilisation`` is the share of time with a batch in service; ``in_system`` and ``sojourn_s``
    count every customer of a batch as in service for the whole of it.

    Raises:
        ValueError: when λ·service_s/size is 1 or more.
    """
    check_load(rate_per_s * service_s / size)
    rate, served = rate_per_s, 1 / service_s

    def balance(share: float) -> float:
        # The equation divided by r − 1, since r = 1 is a root too.
        return served * sum(share**power for power in range(1, size + 1)) - rate

    root = float(brentq(balance, 0.0, 1.0, xtol=1e-15))
    # p(busy, n waiting) = p·r^n, p(idle) = p·μ/λ.
    nobody_waits = 1 / (served / rate + 1 / (1 - root))
    busy = nobody_waits / (1 - root)
    queue_length = nobody_waits * root / (1 - root) ** 2
    answer = little(rate, queue_length, rate * service_s, 1)
    return QueueAnswer(
        utilisation=busy, queue_length=answer.queue_length, wait_s=answer.wait_s,
        sojourn_s=answer.sojourn_s, in_system=answer.in_system,
    )  # fmt: skip
